//! The command line of `headwater-client`.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueHint};

use crate::candidates;
use crate::config::{Config, ConfigError, RawConfig};

const ENROL_EXAMPLES: &str = "\
Examples:
  headwater-client enrol /etc/headwater/enrol-bundle.json --data /var/lib/headwater-client
  headwater-client enrol bundle.json --data ./client --id pc-17
  headwater-client enrol new-bundle.json --new-key --data /var/lib/headwater-client";

const RUN_EXAMPLES: &str = "\
Examples:
  headwater-client run --data /var/lib/headwater-client
  headwater-client run --config /etc/headwater/client.toml --json";

const UPDATE_EXAMPLES: &str = "\
Examples:
  headwater-client update --data /var/lib/headwater-client
  headwater-client update --data /var/lib/headwater-client --retry-failed --json";

const REPAIR_EXAMPLES: &str = "\
Examples:
  headwater-client repair --data /var/lib/headwater-client
  headwater-client repair --data /var/lib/headwater-client --json

A daemon may be running; the command waits for nothing and fails while a run is in progress. Nothing is updated, except
that a class with files that only a source can give makes an ordinary run. Files that others added stay.

Exit codes: 0 everything is as signed (again), 1 failed, 2 bad input, 3 partly repaired, 4 disk or permission.";

const STATUS_EXAMPLES: &str = "\
Examples:
  headwater-client status --data /var/lib/headwater-client
  headwater-client status --data /var/lib/headwater-client --json";

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  headwater-client completions bash > /etc/bash_completion.d/headwater-client
  headwater-client completions zsh > ~/.zfunc/_headwater-client

The script calls `headwater-client` for each completion. The id comes from the data folder that the line names, or else
is the host's name; addresses are those of the interfaces.";

/// Keeps this endpoint up to date from the sources that its organisation's policy names, and serves other endpoints if
/// the policy makes it an update agent.
///
/// Exit codes: 0 done, 1 failed, 2 bad input, 3 partly done, 4 disk or permission.
#[derive(Debug, Parser)]
#[command(name = "headwater-client", version)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Enrol in the fleet: generate a key, and get a certificate for it with the bundle's token.
    #[command(after_help = ENROL_EXAMPLES)]
    Enrol {
        /// The enrolment bundle that `headwater clients enrol-bundle` made.
        #[arg(value_name = "BUNDLE", value_hint = ValueHint::FilePath)]
        enrol_with: PathBuf,
        /// Generate new keys, because the former ones were revoked or stolen. Needs a bundle of
        /// `headwater clients enrol-bundle --client ID`.
        #[arg(long)]
        new_key: bool,
        /// The common options.
        #[command(flatten)]
        common: Common,
    },
    /// Poll and update until stopped; serve other endpoints if this is an update agent.
    #[command(after_help = RUN_EXAMPLES)]
    Run(Start),
    /// Make one run now and print what it did.
    #[command(after_help = UPDATE_EXAMPLES)]
    Update {
        /// The options of a run.
        #[command(flatten)]
        start: Start,
        /// Try releases again that failed here.
        #[arg(long)]
        retry_failed: bool,
    },
    /// Verify every byte of what is installed, repair what is damaged, and print what was done.
    #[command(after_help = REPAIR_EXAMPLES)]
    Repair(Common),
    /// Show what is installed, which sources would be tried and why, and the last run. Changes nothing.
    #[command(after_help = STATUS_EXAMPLES)]
    Status(Common),
    /// Print the completion script of a shell.
    #[command(after_help = COMPLETIONS_EXAMPLES)]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Make a run as the trial of a new program, and write a proof.
    #[command(hide = true)]
    Trial {
        /// The common options.
        #[command(flatten)]
        common: Common,
        /// Where to write the proof.
        #[arg(long, value_hint = ValueHint::FilePath)]
        proof: PathBuf,
        /// The word that the proof repeats.
        #[arg(long, value_hint = ValueHint::Other)]
        word: String,
    },
}

impl Command {
    /// The common options; `None` if the command has none.
    pub fn common(&self) -> Option<&Common> {
        match self {
            Self::Run(start) | Self::Update { start, .. } => Some(&start.common),
            Self::Enrol { common, .. }
            | Self::Repair(common)
            | Self::Status(common)
            | Self::Trial { common, .. } => Some(common),
            Self::Completions { .. } => None,
        }
    }
}

/// The options of a run: it enrols first if that has not happened.
#[derive(Debug, Clone, Args)]
pub struct Start {
    /// The common options.
    #[command(flatten)]
    pub common: Common,
    /// The enrolment bundle; needed once, then the data folder has a copy.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub bundle: Option<PathBuf>,
}

impl Start {
    /// The configuration of these flags and the file that they name.
    ///
    /// # Errors
    ///
    /// See [`Common::config`].
    pub fn config(&self) -> Result<Config, ConfigError> {
        let config = self.common.config()?;
        Ok(match &self.bundle {
            Some(bundle) => config.with_bundle(bundle.clone()),
            None => config,
        })
    }
}

/// The client and its data folder. Flags win over the configuration file.
#[derive(Debug, Clone, Args)]
pub struct Common {
    /// The data folder.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub data: Option<PathBuf>,
    /// The client's id; stored in the data folder when it enrols [default: the id that the bundle names, else the host's name].
    #[arg(long, add = candidates::client_id())]
    pub id: Option<String>,
    /// A configuration file (docs/client.example.toml lists every key).
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,
    /// An address to plan with, instead of those of the interfaces; may be repeated.
    #[arg(long = "address", value_name = "IP", add = candidates::addresses())]
    pub addresses: Vec<IpAddr>,
    /// Print one JSON object on stdout, also for a failure; `run` writes its log to stderr as JSON lines.
    #[arg(long)]
    pub json: bool,
}

impl Common {
    /// The configuration of these flags and the file that they name.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or something in it or in the flags is wrong.
    pub fn config(&self) -> Result<Config, ConfigError> {
        let raw = match &self.config {
            Some(path) => RawConfig::read(path)?,
            None => RawConfig::default(),
        };
        let flags = RawConfig {
            data: self.data.clone(),
            bundle: None,
            id: self.id.clone(),
            addresses: (!self.addresses.is_empty())
                .then(|| self.addresses.iter().map(ToString::to_string).collect()),
            confidential_group: None,
        };
        let mut config = Config::try_from(raw.overridden_by(flags))?;
        config.program = std::env::current_exe().ok();
        Ok(config)
    }
}
