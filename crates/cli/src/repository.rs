//! `headwater repo`: a static repository without a server, for vendors and air gaps.
//!
//! What it makes is a plain folder that any web server, bucket or USB stick can give out; clients believe its
//! signatures, not its keeper. The keys stay in a folder of their own.

pub mod apart;
pub mod ceremony;
pub mod deltas;
pub mod folder;
pub mod keys;
pub mod publish;
pub mod show;
pub mod verify;

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use headwater_policy::Class;
use headwater_repo::{Expiry, FileEntry, KeyRing, Published, Release, Role, layout};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use self::deltas::Standing;
use self::folder::Folder;
use self::keys::KeyFolder;
use self::publish::{NewRelease, Outcome};
use crate::limits::LIFE_DAYS_MAX;
use crate::releases::package::Package;
use crate::releases::publish::hooks;
use crate::terminal::failure::{Exit, Failure};
use crate::terminal::output::{Output, bytes, counted, time};
use crate::terminal::stop::{Stop, until_told};
use crate::values::{class_parser, parse_seconds};

const EXAMPLES: &str = "\
Examples:
  headwater repo init ./public --keys ./keys
  headwater repo publish ./public --keys ./keys ./rules --name rules --version 2026.11.22
  headwater repo deltas ./public --keys ./keys rules      go on where `publish` was stopped; or after a rollback
  headwater repo rollback ./public --keys ./keys rules --to 2026.11.21
  headwater repo refresh ./public --keys ./keys          daily: signatures expire, so that nobody can hide news
  headwater repo refresh ./public --keys ./keys --timestamp-days 30     for a stick that is carried once a month
  headwater repo rotate ./public --keys ./keys timestamp
  headwater repo show ./public
  headwater repo verify ./public

Give out ./public as it is, by any web server or on a stick. Give clients or servers
./public/components/metadata/1.root.json by a way that they trust. Keep ./keys to yourself, and the root
key offline: it is needed for `rotate` only.";

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
    /// Publish a folder or a file as the next release, whole at once; then make deltas, which join it
    Publish(PublishArguments),
    /// Make the deltas that the current release lacks
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
    /// Sign anew before signatures expire: the timestamp always, the rest once half of its time is over
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
    /// Show what is published and until when its signatures are good
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
    fn open(&self) -> Folder {
        Folder::new(&self.folder, self.class.as_str())
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

/// How long what is signed now is good. Say the same with every command: a medium that travels needs longer ones.
#[derive(Debug, Args)]
struct Lives {
    /// Days that the timestamp is good
    #[arg(long, value_name = "DAYS", default_value_t = 1, value_parser = days_parser())]
    timestamp_days: u32,
    /// Days that the snapshot is good
    #[arg(long, value_name = "DAYS", default_value_t = 7, value_parser = days_parser())]
    snapshot_days: u32,
    /// Days that the list of targets is good
    #[arg(long, value_name = "DAYS", default_value_t = 90, value_parser = days_parser())]
    targets_days: u32,
    /// Days that a root is good
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
    from: From,
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
    from: From,
}

#[derive(Debug, Args)]
struct From {
    /// Make deltas from so many releases before this one; from older ones clients go over several. 0 makes none
    #[arg(long, value_name = "COUNT", default_value_t = 14, value_parser = clap::value_parser!(u32).range(0..=14))]
    deltas: u32,
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
            let folder = place.open().with_expiry(keys.lives.expiry());
            let keys = KeyFolder::open(&keys.folder, &place.folder, true)?;
            ceremony::init(&folder, &keys, root_keys, root_threshold, now)?;
            let root = folder.path(&layout::metadata(Role::Root, 1));
            output.result(
                &json!({"folder": place.folder, "class": place.class.as_str(), "root": root}),
                |_| {
                    format!(
                        "made a repository of {} in {}\nits root: {}",
                        place.class.as_str(),
                        place.folder.display(),
                        root.display()
                    )
                },
            );
            if !output.is_json() {
                output.note("next: `headwater repo publish`; take the root key out of the key folder and keep it offline");
            }
        }
        Command::Publish(arguments) => {
            return until_told(move |stop| publish_release(&arguments, stop, now, output)).await;
        }
        Command::Deltas(arguments) => {
            return until_told(move |stop| go_on(&arguments, stop, now, output)).await;
        }
        Command::Rollback { place, keys, name, to } => {
            let ring = KeyFolder::open(&keys.folder, &place.folder, false)?;
            let folder = place.open().with_expiry(keys.lives.expiry());
            let list = publish::go_back(&folder, &ring.ring()?, &name, &to, now)?;
            let current = list.current();
            let withdrawn: Vec<u64> = list.withdrawn().iter().map(|sequence| sequence.get()).collect();
            output.result(&json!({"name": name, "current": current.sequence.get(), "version": current.version.as_str(), "withdrawn": withdrawn}), |_| {
                format!("{name} is back at {} (release {})", current.version, current.sequence)
            });
        }
        Command::Refresh { place, keys } => {
            let folder = place.open().with_expiry(keys.lives.expiry());
            let keys = KeyFolder::open(&keys.folder, &place.folder, false)?;
            let what = ceremony::refresh(&folder, &keys.ring()?, now)?;
            let published = folder.published()?;
            output.result(&json!({"signed": what, "expires": show::expiries(&published)}), |_| {
                format!("signed {}; good until {}", what.join(", "), time(published.expires(Role::Timestamp)))
            });
            warn_of_root(&published, folder.expiry(), now, output);
        }
        Command::Rotate { place, keys, role } => {
            let folder = place.open().with_expiry(keys.lives.expiry());
            let keys = KeyFolder::open(&keys.folder, &place.folder, false)?;
            let version = ceremony::rotate(&folder, &keys, role, now)?;
            output.result(&json!({"role": role.name(), "root_version": version}), |_| {
                format!(
                    "{} has a new key, by root version {version}; the old one is good for nothing any more",
                    role
                )
            });
        }
        Command::Show { place } => {
            output.result(&show::show(&place.open())?, show::show_text);
        }
        Command::Verify { place, root } => return verify::run(&place.open(), root.as_deref(), now, output),
    }
    Ok(Exit::Done)
}

fn publish_release(
    arguments: &PublishArguments,
    stop: &Stop,
    now: Timestamp,
    output: Output,
) -> Result<Exit, Failure> {
    if arguments.install.is_some() && arguments.place.class != Class::Programs {
        return Err(Failure::bad_input("only programs are installed by a command")
            .with_hint("give --class programs, or leave --install out"));
    }
    let options = hooks(arguments.install.as_deref(), arguments.probe.as_deref(), arguments.timeout)?;
    let (given_out, keys) = (&arguments.place.folder, &arguments.keys.folder);
    let ring = KeyFolder::open(keys, given_out, false)?.ring()?;
    apart::refuse_content_of(keys, "the key folder", &arguments.path)?;
    apart::refuse_content_of(given_out, "the repository", &arguments.path)?;
    let package = Package::of(&arguments.path, arguments.keep_archive)?;
    let progress = output.progress(&arguments.name, package.bytes);
    let new = NewRelease { name: &arguments.name, version: &arguments.version, options: &options };
    let folder = arguments.place.open().with_expiry(arguments.keys.lives.expiry());
    folder.sweep()?;
    let content = || publish::bodies(&folder, &package, &progress, stop);
    let is_same = |files: &[FileEntry]| publish::is_same(&package, files, stop);
    let outcome = publish::publish(&folder, &ring, &new, content, is_same, now);
    progress.finish();
    let release = match outcome? {
        Outcome::New(release) => release,
        Outcome::Again(release) => {
            published_before(arguments, &release, output);
            return Ok(Exit::Done);
        }
    };
    if !output.is_json() {
        output.note(&format!(
            "published {} {} as release {} ({} files, {})",
            arguments.name,
            release.version,
            release.sequence,
            release.files,
            bytes(release.size)
        ));
    }
    let standing = make_deltas(&folder, &ring, &arguments.name, &arguments.from, stop, now, output)?;
    let answer = json!({
        "name": arguments.name,
        "sequence": release.sequence.get(),
        "version": release.version.as_str(),
        "files": release.files,
        "size": release.size,
        "deltas": standing.deltas,
        "delta_bytes": standing.delta_bytes,
        "missing": standing.missing,
    });
    output.result(&answer, |_| {
        let (count, size) = (standing.deltas, bytes(standing.delta_bytes));
        format!("{} ({size}) joined it", counted(count, "delta"))
    });
    Ok(told(&standing, output))
}

/// As at a server: nothing is signed, and what lacked of the bodies is there again.
fn published_before(arguments: &PublishArguments, release: &Release, output: Output) {
    let answer = json!({
        "name": arguments.name,
        "sequence": release.sequence.get(),
        "version": release.version.as_str(),
        "files": release.files,
        "size": release.size,
        "again": true,
    });
    output.result(&answer, |_| {
        let (name, version, sequence) = (&arguments.name, &release.version, release.sequence);
        format!("{name} {version} was published before, as release {sequence} with the same content; nothing was signed, and its bodies are whole")
    });
}

fn go_on(arguments: &DeltasArguments, stop: &Stop, now: Timestamp, output: Output) -> Result<Exit, Failure> {
    let DeltasArguments { place, keys, name, from } = arguments;
    let folder = place.open().with_expiry(keys.lives.expiry());
    let ring = KeyFolder::open(&keys.folder, &place.folder, false)?.ring()?;
    folder.sweep()?;
    let standing = make_deltas(&folder, &ring, name, from, stop, now, output)?;
    output.result(&standing, |standing| {
        let (count, size) = (standing.deltas, bytes(standing.delta_bytes));
        format!("{name} has {} ({size})", counted(count, "delta"))
    });
    Ok(told(&standing, output))
}

fn make_deltas(
    folder: &Folder,
    ring: &KeyRing,
    name: &str,
    from: &From,
    stop: &Stop,
    now: Timestamp,
    output: Output,
) -> Result<Standing, Failure> {
    let progress = output.progress("deltas", 0);
    let component = publish::component_name(name)?;
    let standing = deltas::make(folder, ring, &component, from.deltas as usize, (stop, &progress), now);
    progress.finish();
    standing
}

/// Whether all was done, and how to go on where not.
fn told(standing: &Standing, output: Output) -> Exit {
    for why in &standing.left_out {
        output.note(&format!("left out: {why}; `headwater repo verify` tells all that is wrong"));
    }
    if standing.missing == 0 {
        return Exit::Done;
    }
    output.note(&format!(
        "stopped with {} to be made; `headwater repo deltas` goes on. Clients that have none fetch full bodies",
        counted(standing.missing, "delta")
    ));
    Exit::Partly
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
