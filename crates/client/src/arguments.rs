//! The command line of `headwater-client`.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::config::{Config, ConfigError, RawConfig};

/// Keeps this endpoint up to date from the sources that its organisation's policy names, and serves others where
/// it was made an update agent.
///
/// Exit status: 0 done or current, 1 failed, 2 bad usage, 3 some classes failed, 4 the disk is full or refuses.
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
    /// Become a member of the fleet: make a key, and get a certificate for it with the bundle's token.
    Enrol {
        /// The bundle that `headwater clients enrol-bundle` made.
        #[arg(value_name = "BUNDLE")]
        enrol_with: PathBuf,
        /// With a new key, where the former one was revoked; the bundle is one of `enrol-bundle --client ID`.
        #[arg(long)]
        new_key: bool,
        /// Who and where.
        #[command(flatten)]
        common: Common,
    },
    /// Poll and update until told to stop; serve others where this is an update agent.
    Run(Common),
    /// Make one run now and say what it did.
    Update {
        /// Who and where.
        #[command(flatten)]
        common: Common,
        /// Try releases again that failed here.
        #[arg(long)]
        retry_failed: bool,
    },
    /// Show what is installed, what would be tried and why, and the last run.
    Status(Common),
    /// Print the completions of a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Make a run as a new program's trial, and write a proof.
    #[command(hide = true)]
    Trial {
        /// Who and where.
        #[command(flatten)]
        common: Common,
        /// Where to write the proof.
        #[arg(long)]
        proof: PathBuf,
        /// The word that the proof is to repeat.
        #[arg(long)]
        word: String,
    },
}

impl Command {
    /// Who and where, where the command says so.
    pub fn common(&self) -> Option<&Common> {
        match self {
            Self::Run(common)
            | Self::Enrol { common, .. }
            | Self::Update { common, .. }
            | Self::Status(common)
            | Self::Trial { common, .. } => Some(common),
            Self::Completions { .. } => None,
        }
    }
}

/// Who and where this client is. Flags win over the configuration file.
#[derive(Debug, Clone, Args)]
pub struct Common {
    /// The data folder.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// The enrolment bundle; needed once, then a copy lies in the data folder.
    #[arg(long, value_name = "FILE")]
    pub bundle: Option<PathBuf>,
    /// The client's id; the data folder remembers it [default: the host's name].
    #[arg(long)]
    pub id: Option<String>,
    /// A configuration file (see docs/client.example.toml).
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// An address to plan with, in place of the interfaces'; may be repeated.
    #[arg(long = "address", value_name = "IP")]
    pub addresses: Vec<IpAddr>,
    /// Print one JSON object on stdout, failures too; of `run`, the log on stderr as JSON lines.
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
            bundle: self.bundle.clone(),
            id: self.id.clone(),
            addresses: (!self.addresses.is_empty())
                .then(|| self.addresses.iter().map(ToString::to_string).collect()),
        };
        let mut config = Config::try_from(raw.overridden_by(flags))?;
        config.program = std::env::current_exe().ok();
        Ok(config)
    }
}
