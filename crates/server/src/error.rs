//! What a use case fails with: a [`Refusal`] that names what the caller can do, or a fault of the server itself.
//!
//! Statuses, codes and what outsiders learn stand in one table: `rest/errors.rs`.

mod refusal;
mod sign_in;

use std::path::PathBuf;

use headwater_identity::IdentityError;

pub use self::refusal::{DraftLabel, Refusal};
pub use self::sign_in::{NotVouched, ProviderFault};

/// Why a use case was not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The caller can do something about it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The disk is full or refuses.
    #[error("data folder: {doing}")]
    Disk {
        /// What was tried.
        doing: String,
        /// Why it failed.
        source: std::io::Error,
    },
    /// Another server runs on the data folder.
    #[error("{} is in use by another server; stop it, or give another data folder", .folder.display())]
    FolderInUse {
        /// The folder.
        folder: PathBuf,
    },
    /// The data folder is no server's, or what is in it cannot be used.
    #[error("{reason}; {hint}")]
    DataFolder {
        /// What is wrong.
        reason: String,
        /// What to do.
        hint: &'static str,
    },
    /// Root runs this in the data folder of another user.
    #[error(transparent)]
    OwnedByAnother(#[from] headwater_depot::files::OwnedByAnother),
    /// Others than its owner may write in the data folder.
    #[error(
        "others than its owner may write in {} (mode {mode:o}), and so could put other keys in place; \
         `chmod 700 {}` makes it the server's own", .folder.display(), .folder.display()
    )]
    FolderShared {
        /// The folder.
        folder: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// A file of the repository that is signed and was written is not there any more.
    #[error(
        "{path} is missing from the data folder, though it is signed; stop the server, put the file back from a \
         backup of the data folder, and start it again"
    )]
    Lost {
        /// The file, below the data folder.
        path: String,
    },
    /// The database failed.
    #[error(transparent)]
    Database(headwater_database::Error),
    /// Metadata could not be made or signed.
    #[error("repository {repository}: {doing}: {reason}")]
    Repository {
        /// The repository.
        repository: headwater_policy::Repository,
        /// What was tried.
        doing: &'static str,
        /// Why it failed.
        reason: String,
    },
    /// A key or certificate of the fleet is missing, unreadable or was refused.
    #[error("keys of the fleet: {doing}: {reason}")]
    FleetKey {
        /// What was tried.
        doing: String,
        /// Why it failed.
        reason: String,
    },
    /// Something that this program wrote itself cannot be read back.
    #[error("stored {what} cannot be read: {reason}")]
    Corrupt {
        /// What.
        what: &'static str,
        /// Why.
        reason: String,
    },
    /// The process was interrupted here: by a fail point, which only builds for tests have.
    #[error("interrupted")]
    Interrupted,
    /// A backup that cannot be made or restored.
    #[error("{reason}")]
    Backup {
        /// Why, and what would do.
        reason: String,
    },
    /// The keys in a backup do not open.
    #[error("the backup's keys cannot be opened: {0}; give the passphrase that the backup was made with")]
    BackupPassphrase(headwater_repo::KeyError),
}

impl From<headwater_database::Error> for Error {
    fn from(error: headwater_database::Error) -> Self {
        match error {
            headwater_database::Error::Corrupt { what, reason } => Self::Corrupt { what, reason },
            other => Self::Database(other),
        }
    }
}

impl Error {
    /// The database is damaged.
    #[must_use]
    pub fn is_database_damaged(&self) -> bool {
        matches!(self, Self::Database(error) if error.is_damaged())
    }

    /// The database could not write because of the disk.
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        matches!(self, Self::Database(error) if error.is_disk_full())
    }
}

/// Result of a use case.
pub type Result<T> = std::result::Result<T, Error>;

/// Adds what was tried on the disk.
pub trait Doing<T> {
    /// Turns an I/O error into [`Error::Disk`].
    fn doing(self, what: impl FnOnce() -> String) -> Result<T>;
}

impl<T> Doing<T> for std::io::Result<T> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|source| Error::Disk { doing: what(), source })
    }
}

/// An error for those who look at the status, with the system's own words about a disk. Paths and statements stay in
/// the log.
pub fn summary(error: &Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    let system = cause.downcast_ref::<std::io::Error>().filter(|cause| cause.raw_os_error().is_some());
    let system = system.map_or_else(String::new, |system| format!(": {system}"));
    format!("{error}{system}; see the server's log")
}

/// A failure with a key or certificate of the fleet as the server's own.
pub fn key_failed(doing: &'static str) -> impl FnOnce(IdentityError) -> Error {
    move |error| Error::FleetKey { doing: doing.to_owned(), reason: error.to_string() }
}
