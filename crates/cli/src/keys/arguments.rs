//! Arguments that several `keys` commands take.

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};
use headwater_repo::{Passphrase, Role};

use super::holder::HolderFolder;
use super::passphrase::PassphraseFiles;
use super::repositories::RepositoriesArguments;
use crate::terminal::failure::Failure;

/// Arguments of `keys init`.
#[derive(Debug, Args)]
pub struct InitArguments {
    /// The folder of root keys to make: on a USB stick, or on a machine without a network
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    pub out: PathBuf,
    /// How many people hold a root key, each with a folder and a passphrase
    #[arg(long, default_value_t = 1, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=16))]
    pub holders: u32,
    /// How many of them must sign
    #[arg(long, default_value_t = 1, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=16))]
    pub threshold: u32,
    /// Only make the keys, and change no repository
    #[arg(long)]
    pub offline: bool,
    /// Passphrases from files.
    #[command(flatten)]
    pub passphrases: PassphraseFiles,
    /// The repositories whose roots change.
    #[command(flatten)]
    pub repositories: RepositoriesArguments,
}

/// The folders of the key holders that take part.
#[derive(Debug, Args)]
pub struct Holders {
    /// A folder of root keys; repeat for each holder
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    pub root_keys: Vec<PathBuf>,
    /// Passphrases from files.
    #[command(flatten)]
    pub passphrases: PassphraseFiles,
}

/// The new root keys.
#[derive(Debug, Args)]
pub struct NewRoots {
    /// The folder of new root keys, or the public.json of a holder; repeat for each holder
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::AnyPath)]
    pub new_root_keys: Vec<PathBuf>,
    /// How many of the new root keys must sign
    #[arg(long, value_name = "COUNT", requires = "new_root_keys", value_hint = ValueHint::Other)]
    pub new_threshold: Option<u32>,
}

/// The keys that `rotate` replaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Rotated {
    /// The keys of the list of targets
    Targets,
    /// The snapshot's key
    Snapshot,
    /// The timestamp's key
    Timestamp,
    /// All three of them: keys that were stolen with the server become useless
    Online,
    /// The root keys, replaced by those of --new-root-keys
    Root,
    /// The CA of the fleet, on the server; needs no root key
    Ca,
    /// The key that signs the server's answers to clients; needs no root key
    ResponseSigning,
    /// The key that enrolments are encrypted to; needs no root key
    EnrolmentEncryption,
}

impl Rotated {
    /// Whether it is a key of the fleet: the server replaces it without root keys.
    pub fn is_of_fleet(self) -> bool {
        matches!(self, Self::Ca | Self::ResponseSigning | Self::EnrolmentEncryption)
    }

    /// The roles of the repositories whose keys it names.
    pub fn roles(self) -> &'static [Role] {
        match self {
            Self::Targets => &[Role::Targets],
            Self::Snapshot => &[Role::Snapshot],
            Self::Timestamp => &[Role::Timestamp],
            Self::Online => &[Role::Targets, Role::Snapshot, Role::Timestamp],
            Self::Root | Self::Ca | Self::ResponseSigning | Self::EnrolmentEncryption => &[],
        }
    }
}

/// A key holder that takes part: the folder of its keys, and their passphrase.
pub type Signer = (HolderFolder, Passphrase);

impl Holders {
    /// The folders with their passphrases.
    pub fn open(&self) -> Result<Vec<Signer>, Failure> {
        let open = |(index, path): (usize, &PathBuf)| {
            let folder = HolderFolder::new(path);
            if !folder.has_keys() {
                return Err(Failure::bad_input(format!("there are no root keys in {}", path.display()))
                    .with_hint("give --root-keys the folder that `headwater keys init` made"));
            }
            let passphrase = self.passphrases.known(index, path)?;
            Ok((folder, passphrase))
        };
        self.root_keys.iter().enumerate().map(open).collect()
    }
}
