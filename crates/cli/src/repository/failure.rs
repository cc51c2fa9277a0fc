//! What a failure to publish means on the command line, and what to do about it.

use headwater_depot::StoreError;
use headwater_publisher::Error;
use headwater_repo::{Role, WriteError, error_chain};

use crate::api_client::ROOT_KEYS_HINT;
use crate::terminal::failure::{Exit, Failure};

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let message = error_chain(&error);
        match error {
            Error::Write(error) => refused(error),
            Error::File { doing, path, source } => Self::file(doing, &path, &source),
            Error::Store(StoreError::Disk { action, path, source }) => Self::file(action, &path, &source),
            Error::UnknownComponent(_) => {
                Self::bad_input(message).with_hint("`headwater repo show` lists what is published")
            }
            Error::VersionTaken { .. } | Error::VersionUsed { .. } | Error::VersionWithdrawn { .. } => {
                Self::failed(message).with_hint("give another --version")
            }
            Error::ContentMissing { .. } => Self::failed(message)
                .with_hint("publish that release again, the same content under the same version"),
            Error::Missing(_) | Error::Damaged(_) => {
                Self::failed(message).with_hint("restore it from a copy of the repository")
            }
            Error::NoTimestamp(_) => {
                Self::failed(message).with_hint("`headwater repo refresh` signs another")
            }
            Error::NoRepository(_) => Self::bad_input(message)
                .with_hint("`headwater repo init` makes one; --class names another class"),
            Error::RepositoryExists(_) => Self::bad_input(message)
                .with_hint("give another folder, or maintain it with publish, refresh and rotate"),
            Error::NoKeyFolder(_) => {
                Self::bad_input(message).with_hint("give --keys the folder that `headwater repo init` made")
            }
            Error::KeysInUse(_) => {
                Self::failed(message).with_hint("wait until it has ended, then run the command again")
            }
            Error::OwnedByAnother(_) => Self::new(Exit::Disk, message),
            Error::KeysOfAnother(_) => Self::bad_input(message).with_hint("give --keys a folder of its own"),
            Error::Keys(_) | Error::BadPath { .. } | Error::Unstartable(_) | Error::TooLarge { .. } => {
                Self::bad_input(message)
            }
            _ => Self::failed(message),
        }
    }
}

/// A refusal to sign or stage: most often because a key is missing.
pub fn refused(error: WriteError) -> Failure {
    let failure = Failure::failed(error_chain(&error));
    match error {
        WriteError::KeysMissing { role: Role::Root, .. } => failure.with_hint(ROOT_KEYS_HINT),
        WriteError::KeysMissing { role, .. } => failure
            .with_hint(format!("copy the {role} key into the folder of --keys, then run the command again")),
        WriteError::Content(_) | WriteError::Invalid(_) => Failure::bad_input(failure.message),
        _ => failure,
    }
}
