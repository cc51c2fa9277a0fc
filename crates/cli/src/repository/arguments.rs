//! Arguments that several `repo` commands take.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueHint};
use headwater_policy::Class;
use headwater_publisher::deltas::DeltaSettings;
use headwater_publisher::folder::StaticFolder;
use headwater_publisher::limits::ENCODER_MEMORY_MIB_DEFAULT;
use headwater_repo::{ComponentName, Expiry, Role, life_days_max};
use jiff::SignedDuration;

use crate::terminal::failure::Failure;
use crate::values::{class_parser, parse_seconds};

#[derive(Debug, Args)]
pub struct RepositoryArguments {
    /// The folder of the repository
    #[arg(value_hint = ValueHint::DirPath)]
    pub folder: PathBuf,
    /// The class; a vendor source has components
    #[arg(long, default_value = "components", value_parser = class_parser())]
    pub class: Class,
}

impl RepositoryArguments {
    /// The folder of the class.
    pub fn folder(&self) -> StaticFolder {
        StaticFolder::new(&self.folder, self.class.as_str())
    }
}

#[derive(Debug, Args)]
pub struct KeyArguments {
    /// The folder of keys, apart from the repository
    #[arg(id = "keys", long = "keys", value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    pub folder: PathBuf,
    #[command(flatten)]
    pub lifetimes: Lifetimes,
}

// Lifetimes of new signatures. Every command takes them; a medium that travels needs longer ones.
#[derive(Debug, Args)]
pub struct Lifetimes {
    /// Days that the timestamp is valid
    #[arg(long, value_name = "DAYS", default_value_t = 1, value_parser = days_parser(Role::Timestamp))]
    pub timestamp_days: u32,
    /// Days that the snapshot is valid
    #[arg(long, value_name = "DAYS", default_value_t = 7, value_parser = days_parser(Role::Snapshot))]
    pub snapshot_days: u32,
    /// Days that the list of targets is valid
    #[arg(long, value_name = "DAYS", default_value_t = 90, value_parser = days_parser(Role::Targets))]
    pub targets_days: u32,
    /// Days that a root is valid
    #[arg(long, value_name = "DAYS", default_value_t = 365, value_parser = days_parser(Role::Root))]
    pub root_days: u32,
}

impl Lifetimes {
    /// The lifetimes by role.
    pub fn expiry(&self) -> Expiry {
        let days = |days: u32| SignedDuration::from_hours(24 * i64::from(days));
        Expiry {
            timestamp: days(self.timestamp_days),
            snapshot: days(self.snapshot_days),
            targets: days(self.targets_days),
            root: days(self.root_days),
        }
    }
}

fn days_parser(role: Role) -> impl TypedValueParser<Value = u32> {
    clap::value_parser!(u32).range(1..=i64::from(life_days_max(role)))
}

#[derive(Debug, Args)]
pub struct PublishArguments {
    #[command(flatten)]
    pub repository: RepositoryArguments,
    #[command(flatten)]
    pub keys: KeyArguments,
    /// The folder or file to publish
    #[arg(value_hint = ValueHint::AnyPath)]
    pub path: PathBuf,
    /// The component or program
    #[arg(long, value_hint = ValueHint::Other)]
    pub name: String,
    /// The version of the release; no other release of this name may have it
    #[arg(long, value_hint = ValueHint::Other)]
    pub version: String,
    /// Command that installs the release (class programs)
    #[arg(long, value_name = "COMMAND", value_hint = ValueHint::Other)]
    pub install: Option<String>,
    /// Command that checks the release after its activation. If it fails, a client reverts to its last good release
    #[arg(long, value_name = "COMMAND", value_hint = ValueHint::Other)]
    pub probe: Option<String>,
    /// Time limit of each of these commands, such as 90s or 5m
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = parse_seconds, value_hint = ValueHint::Other)]
    pub timeout: u32,
    /// Publish an archive as a file
    #[arg(long)]
    pub keep_archive: bool,
    #[command(flatten)]
    pub deltas: DeltaFlags,
}

#[derive(Debug, Args)]
pub struct DeltasArguments {
    #[command(flatten)]
    pub repository: RepositoryArguments,
    #[command(flatten)]
    pub keys: KeyArguments,
    /// The component or program
    #[arg(value_hint = ValueHint::Other)]
    pub name: String,
    #[command(flatten)]
    pub deltas: DeltaFlags,
}

/// One of the four roles.
pub fn role_parser() -> impl TypedValueParser<Value = Role> {
    let role = |word: String| Role::ALL.into_iter().find(|role| role.name() == word);
    PossibleValuesParser::new(Role::ALL.map(Role::name))
        .map(move |word| role(word).expect("a role's own name is one"))
}

// No documentation: clap would show it as the command's.
#[derive(Debug, Args)]
pub struct DeltaFlags {
    /// How many previous releases deltas are made from; clients with older ones apply several. 0 makes none
    #[arg(long, value_name = "COUNT", default_value_t = 14, value_parser = clap::value_parser!(u32).range(0..=14))]
    pub deltas: u32,
    /// Mebibytes of memory that making one delta may take; larger files get none
    #[arg(long, value_name = "MIB", default_value_t = ENCODER_MEMORY_MIB_DEFAULT, value_parser = clap::value_parser!(u64).range(64..=1 << 20))]
    pub deltas_memory_mib: u64,
}

impl DeltaFlags {
    /// The settings that they name.
    pub fn settings(&self) -> DeltaSettings {
        DeltaSettings {
            made_from: self.deltas as usize,
            memory_bytes_max: self.deltas_memory_mib << 20,
            ..DeltaSettings::default()
        }
    }
}

/// Parses a name.
pub fn component_name(name: &str) -> Result<ComponentName, Failure> {
    ComponentName::new(name).map_err(|error| Failure::bad_input(format!("name `{name}`: {error}")))
}
