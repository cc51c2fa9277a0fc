//! `headwater repo`: a static repository without a server, for vendors and air gaps.
//!
//! The result is a plain folder that any web server, bucket or USB stick can serve; clients trust its
//! signatures, not its keeper. The keys stay in their own folder.

pub mod apart;
mod arguments;
pub mod ceremony;
pub mod deltas;
pub mod failure;
pub mod publish;
pub mod show;
pub mod verify;

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};
use headwater_publisher::roll_back;
use headwater_repo::{Expiry, Published, Role, layout};
use jiff::Timestamp;
use serde_json::json;

use self::apart::open_key_folder;
use self::arguments::{
    DeltasArguments, KeyArguments, PublishArguments, RepositoryArguments, component_name, role_parser,
};
use crate::terminal::failure::{Exit, Failure};
use crate::terminal::output::{Output, time};
use crate::terminal::stop::run_stoppable;
use crate::values::Because;

const EXAMPLES: &str = "\
Examples:
  headwater repo init ./public --keys ./keys
  headwater repo publish ./public --keys ./keys ./rules --name rules --version 2026.11.22
  headwater repo deltas ./public --keys ./keys rules      continue where `publish` was stopped; or after a rollback
  headwater repo rollback ./public --keys ./keys rules --to 2026.11.21
  headwater repo refresh ./public --keys ./keys          daily: signatures expire, so that nobody can withhold updates
  headwater repo refresh ./public --keys ./keys --timestamp-days 30     for a stick that is carried once a month
  headwater repo rotate ./public --keys ./keys timestamp --because planned
  headwater repo show ./public
  headwater repo verify ./public

Serve ./public as it is, by any web server, or copy it to a stick. Give clients or servers
./public/components/metadata/1.root.json over a channel that they trust. Keep ./keys to yourself, and the root
key offline: `rotate` needs it, and `refresh` renews the root if it is there.";

/// Make and maintain a static repository, without a server
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct RepoArguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a new repository and its keys
    Init {
        #[command(flatten)]
        repository: RepositoryArguments,
        #[command(flatten)]
        keys: KeyArguments,
        /// Root keys to make
        #[arg(long, default_value_t = 1, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=16))]
        root_keys: u32,
        /// How many of them must sign
        #[arg(long, default_value_t = 1, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=16))]
        root_threshold: u32,
    },
    /// Publish a folder or a file as the next release, then make its deltas and add them
    Publish(PublishArguments),
    /// Make the deltas that are missing from the current release
    Deltas(DeltasArguments),
    /// Go back to an earlier release: every later one is withdrawn
    Rollback {
        #[command(flatten)]
        repository: RepositoryArguments,
        #[command(flatten)]
        keys: KeyArguments,
        /// The component or program
        #[arg(value_hint = ValueHint::Other)]
        name: String,
        /// The release to go back to: its number or its version
        #[arg(long, value_name = "RELEASE", value_hint = ValueHint::Other)]
        to: String,
    },
    /// Sign again before signatures expire: the timestamp always, the rest once half of its life is over
    Refresh {
        #[command(flatten)]
        repository: RepositoryArguments,
        #[command(flatten)]
        keys: KeyArguments,
    },
    /// Replace a role's keys by a new one; needs the root key
    Rotate {
        #[command(flatten)]
        repository: RepositoryArguments,
        #[command(flatten)]
        keys: KeyArguments,
        /// The role
        #[arg(value_parser = role_parser())]
        role: Role,
        /// Why its keys are replaced. The new root states it, and endpoints obey it
        #[arg(long, value_name = "WHY")]
        because: Because,
    },
    /// Show what is published and until when its signatures are valid
    Show {
        #[command(flatten)]
        repository: RepositoryArguments,
    },
    /// Verify everything as a client does, every blob included
    Verify {
        #[command(flatten)]
        repository: RepositoryArguments,
        /// The root metadata to start from [default: the repository's own first one]
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        root: Option<PathBuf>,
    },
}

/// Runs one of the commands.
pub async fn run(arguments: RepoArguments, output: Output) -> Result<Exit, Failure> {
    #[expect(clippy::disallowed_methods, reason = "signatures are of the moment of the command")]
    let now = Timestamp::now();
    match arguments.command {
        Command::Init { repository, keys, root_keys, root_threshold } => {
            init(&repository, &keys, (root_keys, root_threshold), now, output)?;
        }
        Command::Publish(arguments) => {
            return run_stoppable(move |stop| publish::run(&arguments, stop, now, output)).await;
        }
        Command::Deltas(arguments) => {
            return run_stoppable(move |stop| deltas::run(&arguments, stop, now, output)).await;
        }
        Command::Rollback { repository, keys, name, to } => {
            rollback(&repository, &keys, &name, &to, now, output)?
        }
        Command::Refresh { repository, keys } => refresh(&repository, &keys, now, output)?,
        Command::Rotate { repository, keys, role, because } => {
            let key_folder = open_key_folder(&keys.folder, &repository.folder, false)?;
            let replaced = (role, because.into());
            let version =
                ceremony::rotate(repository.folder(), &key_folder, replaced, keys.lifetimes.expiry(), now)?;
            output.result(&json!({"role": role.name(), "root_version": version}), |_| {
                format!("{role} has a new key, by root version {version}; the old one is no longer valid")
            });
        }
        Command::Show { repository } => {
            output.result(&show::show(&repository.folder())?, show::show_text);
        }
        Command::Verify { repository, root } => {
            return verify::run(&repository.folder(), root.as_deref(), now, output);
        }
    }
    Ok(Exit::Done)
}

fn init(
    repository: &RepositoryArguments,
    keys: &KeyArguments,
    root_keys: (u32, u32),
    now: Timestamp,
    output: Output,
) -> Result<(), Failure> {
    let key_folder = open_key_folder(&keys.folder, &repository.folder, true)?;
    ceremony::init(repository.folder(), &key_folder, root_keys, keys.lifetimes.expiry(), now)?;
    let root = repository.folder().path(&layout::metadata(Role::Root, 1));
    let class = repository.class.as_str();
    output.result(&json!({"folder": repository.folder, "class": class, "root": root}), |_| {
        format!(
            "made a repository of {class} in {}\nits root: {}",
            repository.folder.display(),
            root.display()
        )
    });
    if !output.is_json() {
        output.note(
            "next: `headwater repo publish`; take the root key out of the key folder and keep it offline",
        );
    }
    Ok(())
}

fn rollback(
    repository: &RepositoryArguments,
    keys: &KeyArguments,
    name: &str,
    to: &str,
    now: Timestamp,
    output: Output,
) -> Result<(), Failure> {
    let repository = deltas::open(repository, keys)?;
    let component = component_name(name)?;
    let published = repository.folder().published()?;
    let list = repository
        .folder()
        .release_list(&published, &component)?
        .ok_or_else(|| headwater_publisher::Error::UnknownComponent(component.clone()))?;
    let by_version = list.releases().iter().find(|release| release.version.as_str() == to);
    let by_number = || list.releases().iter().find(|release| release.sequence.to_string() == to);
    let Some(release) = by_version.or_else(by_number) else {
        return Err(Failure::bad_input(format!("{component} has no release `{to}`"))
            .with_hint("`headwater repo show` lists them"));
    };
    let list = roll_back(&repository, &component, release.sequence, now)?;
    let current = list.current();
    let withdrawn: Vec<u64> = list.withdrawn().iter().map(|sequence| sequence.get()).collect();
    let answer = json!({
        "name": name,
        "current": current.sequence.get(),
        "version": current.version.as_str(),
        "withdrawn": withdrawn,
    });
    output
        .result(&answer, |_| format!("{name} is back at {} (release {})", current.version, current.sequence));
    Ok(())
}

fn refresh(
    repository: &RepositoryArguments,
    keys: &KeyArguments,
    now: Timestamp,
    output: Output,
) -> Result<(), Failure> {
    let repository = deltas::open(repository, keys)?;
    let signed = ceremony::signed_from(repository.refresh(now)?);
    let published = repository.folder().published()?;
    output.result(&json!({"signed": signed, "expires": show::expiries(&published)}), |_| {
        format!("signed {}; valid until {}", signed.join(", "), time(published.expires(Role::Timestamp)))
    });
    warn_of_root(&published, &keys.lifetimes.expiry(), now, output);
    Ok(())
}

fn warn_of_root(published: &Published, expiry: &Expiry, now: Timestamp, output: Output) {
    let expires = published.expires(Role::Root);
    if expires.duration_since(now) < expiry.root / 2 {
        output.note(&format!(
            "warning: the root expires at {}; `headwater repo rotate … root` renews it",
            time(expires)
        ));
    }
}
