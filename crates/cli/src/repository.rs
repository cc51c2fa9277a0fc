//! `headwater repo`: a static repository without a server, for vendors and air gaps.
//!
//! What it makes is a plain folder that any web server, bucket or USB stick can give out; clients believe its
//! signatures, not its keeper. The keys stay in a folder of their own.

pub mod apart;
pub mod ceremony;
pub mod deltas;
pub mod failure;
pub mod publish;
pub mod show;
pub mod verify;

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use headwater_policy::Class;
use headwater_publisher::folder::StaticFolder;
use headwater_publisher::roll_back;
use headwater_repo::{Expiry, Published, Role, layout};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use self::apart::open_key_folder;
use self::deltas::DeltaFlags;
use self::publish::component_name;
use crate::limits::LIFE_DAYS_MAX;
use crate::terminal::failure::{Exit, Failure};
use crate::terminal::output::{Output, time};
use crate::terminal::stop::run_stoppable;
use crate::values::{class_parser, parse_seconds};

const EXAMPLES: &str = "\
Examples:
  headwater repo init ./public --keys ./keys
  headwater repo publish ./public --keys ./keys ./rules --name rules --version 2026.11.22
  headwater repo deltas ./public --keys ./keys rules      continue where `publish` was stopped; or after a rollback
  headwater repo rollback ./public --keys ./keys rules --to 2026.11.21
  headwater repo refresh ./public --keys ./keys          daily: signatures expire, so that nobody can withhold news
  headwater repo refresh ./public --keys ./keys --timestamp-days 30     for a stick that is carried once a month
  headwater repo rotate ./public --keys ./keys timestamp
  headwater repo show ./public
  headwater repo verify ./public

Serve ./public as it is, by any web server, or copy it to a stick. Give clients or servers
./public/components/metadata/1.root.json over a channel that they trust. Keep ./keys to yourself, and the root
key offline: it is needed for `rotate` only, and renews the root by `refresh` where it is at hand.";

/// Make and maintain a static repository, with no server
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
        place: Place,
        #[command(flatten)]
        keys: Keys,
        /// Root keys to make
        #[arg(long, default_value_t = 1, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=16))]
        root_keys: u32,
        /// How many of them must sign
        #[arg(long, default_value_t = 1, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=16))]
        root_threshold: u32,
    },
    /// Publish a folder or a file as the next release, complete at once; then make deltas, which join it
    Publish(PublishArguments),
    /// Make the deltas that are missing from the current release
    Deltas(DeltasArguments),
    /// Go back to an earlier release: every later one is withdrawn
    Rollback {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        keys: Keys,
        /// The component or program
        name: String,
        /// The release to go back to: its number or its version
        #[arg(long, value_name = "RELEASE")]
        to: String,
    },
    /// Sign again before signatures expire: the timestamp always, the rest once half of its life is over
    Refresh {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        keys: Keys,
    },
    /// Replace a role's keys by a new one; needs the root key
    Rotate {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        keys: Keys,
        /// The role
        #[arg(value_parser = role_parser())]
        role: Role,
    },
    /// Show what is published and until when its signatures are valid
    Show {
        #[command(flatten)]
        place: Place,
    },
    /// Check everything as a client would, every blob included
    Verify {
        #[command(flatten)]
        place: Place,
        /// The root metadata to start from [default: the repository's own first one]
        #[arg(long, value_name = "FILE")]
        root: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
struct Place {
    /// The folder that is given out
    folder: PathBuf,
    /// The class; a vendor source has components
    #[arg(long, default_value = "components", value_parser = class_parser())]
    class: Class,
}

impl Place {
    fn folder(&self) -> StaticFolder {
        StaticFolder::new(&self.folder, self.class.as_str())
    }
}

#[derive(Debug, Args)]
struct Keys {
    /// The folder of keys, apart from what is given out
    #[arg(id = "keys", long = "keys", value_name = "FOLDER")]
    folder: PathBuf,
    #[command(flatten)]
    lives: Lives,
}

/// How long what is signed now is valid. Give the same with every command: a medium that travels needs longer lives.
#[derive(Debug, Args)]
struct Lives {
    /// Days that the timestamp is valid
    #[arg(long, value_name = "DAYS", default_value_t = 1, value_parser = days_parser())]
    timestamp_days: u32,
    /// Days that the snapshot is valid
    #[arg(long, value_name = "DAYS", default_value_t = 7, value_parser = days_parser())]
    snapshot_days: u32,
    /// Days that the list of targets is valid
    #[arg(long, value_name = "DAYS", default_value_t = 90, value_parser = days_parser())]
    targets_days: u32,
    /// Days that a root is valid
    #[arg(long, value_name = "DAYS", default_value_t = 365, value_parser = days_parser())]
    root_days: u32,
}

impl Lives {
    fn expiry(&self) -> Expiry {
        let days = |days: u32| SignedDuration::from_hours(24 * i64::from(days));
        Expiry {
            timestamp: days(self.timestamp_days),
            snapshot: days(self.snapshot_days),
            targets: days(self.targets_days),
            root: days(self.root_days),
        }
    }
}

fn days_parser() -> impl TypedValueParser<Value = u32> {
    clap::value_parser!(u32).range(1..=i64::from(LIFE_DAYS_MAX))
}

#[derive(Debug, Args)]
struct PublishArguments {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    keys: Keys,
    /// What to publish
    path: PathBuf,
    /// The component or program it is a release of
    #[arg(long)]
    name: String,
    /// The release's version, unique within its name
    #[arg(long)]
    version: String,
    /// Command that installs it (class programs)
    #[arg(long, value_name = "COMMAND")]
    install: Option<String>,
    /// Command that judges it before it is kept
    #[arg(long, value_name = "COMMAND")]
    probe: Option<String>,
    /// How long either command may take, in seconds, or with s, m, h
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = parse_seconds)]
    timeout: u32,
    /// Publish an archive as a file
    #[arg(long)]
    keep_archive: bool,
    #[command(flatten)]
    deltas: DeltaFlags,
}

#[derive(Debug, Args)]
struct DeltasArguments {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    keys: Keys,
    /// The component or program
    name: String,
    #[command(flatten)]
    deltas: DeltaFlags,
}

/// One of the four roles.
pub fn role_parser() -> impl TypedValueParser<Value = Role> {
    let role = |word: String| Role::ALL.into_iter().find(|role| role.name() == word);
    PossibleValuesParser::new(Role::ALL.map(Role::name))
        .map(move |word| role(word).expect("a role's own name is one"))
}

/// Runs one of the commands.
pub async fn run(arguments: RepoArguments, output: Output) -> Result<Exit, Failure> {
    #[expect(clippy::disallowed_methods, reason = "signatures are of the moment of the command")]
    let now = Timestamp::now();
    match arguments.command {
        Command::Init { place, keys, root_keys, root_threshold } => {
            init(&place, &keys, (root_keys, root_threshold), now, output)?;
        }
        Command::Publish(arguments) => {
            return run_stoppable(move |stop| publish::run(&arguments, stop, now, output)).await;
        }
        Command::Deltas(arguments) => {
            return run_stoppable(move |stop| deltas::run(&arguments, stop, now, output)).await;
        }
        Command::Rollback { place, keys, name, to } => rollback(&place, &keys, &name, &to, now, output)?,
        Command::Refresh { place, keys } => refresh(&place, &keys, now, output)?,
        Command::Rotate { place, keys, role } => {
            let key_folder = open_key_folder(&keys.folder, &place.folder, false)?;
            let version = ceremony::rotate(place.folder(), &key_folder, role, keys.lives.expiry(), now)?;
            output.result(&json!({"role": role.name(), "root_version": version}), |_| {
                format!("{role} has a new key, by root version {version}; the old one is not valid any more")
            });
        }
        Command::Show { place } => {
            output.result(&show::show(&place.folder())?, show::show_text);
        }
        Command::Verify { place, root } => {
            return verify::run(&place.folder(), root.as_deref(), now, output);
        }
    }
    Ok(Exit::Done)
}

fn init(
    place: &Place,
    keys: &Keys,
    root_keys: (u32, u32),
    now: Timestamp,
    output: Output,
) -> Result<(), Failure> {
    let key_folder = open_key_folder(&keys.folder, &place.folder, true)?;
    ceremony::init(place.folder(), &key_folder, root_keys, keys.lives.expiry(), now)?;
    let root = place.folder().path(&layout::metadata(Role::Root, 1));
    let class = place.class.as_str();
    output.result(&json!({"folder": place.folder, "class": class, "root": root}), |_| {
        format!("made a repository of {class} in {}\nits root: {}", place.folder.display(), root.display())
    });
    if !output.is_json() {
        output.note(
            "next: `headwater repo publish`; take the root key out of the key folder and keep it offline",
        );
    }
    Ok(())
}

fn rollback(
    place: &Place,
    keys: &Keys,
    name: &str,
    to: &str,
    now: Timestamp,
    output: Output,
) -> Result<(), Failure> {
    let repository = deltas::open(place, keys)?;
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

fn refresh(place: &Place, keys: &Keys, now: Timestamp, output: Output) -> Result<(), Failure> {
    let repository = deltas::open(place, keys)?;
    let signed = ceremony::signed_from(repository.refresh(now)?);
    let published = repository.folder().published()?;
    output.result(&json!({"signed": signed, "expires": show::expiries(&published)}), |_| {
        format!("signed {}; valid until {}", signed.join(", "), time(published.expires(Role::Timestamp)))
    });
    warn_of_root(&published, &keys.lives.expiry(), now, output);
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
