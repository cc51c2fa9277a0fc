//! Why a run, the daemon or `status` could not go on at all. What went wrong at a source is no error: it is in
//! the report.

use std::io;
use std::path::{Path, PathBuf};

use crate::limits::FREE_BYTES_MIN;
use crate::os;

/// Why the client could not go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another run holds the lock.
    #[error("another run of this client is going on (process {holder}, lock {lock}); wait for it to end", lock = lock.display())]
    Busy {
        /// Its process id, as it wrote it.
        holder: String,
        /// The lock.
        lock: PathBuf,
    },
    /// Another daemon runs with this data folder.
    #[error("another headwater-client runs with {} (process {holder}); stop it first, or give --data DIR", folder.display())]
    DaemonBusy {
        /// Its process id, as it wrote it.
        holder: String,
        /// The data folder.
        folder: PathBuf,
    },
    /// There is nothing to start from.
    #[error("{} has no bundle yet: give --bundle FILE once (`headwater clients enrol-bundle` makes it)", .0.display())]
    NoBundle(PathBuf),
    /// The bundle that was given is not there.
    #[error("the bundle {} is not there; make it with `headwater clients enrol-bundle`", .0.display())]
    BundleMissing(PathBuf),
    /// A file that the client needs is not understood.
    #[error("{} is not understood: {problem}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        problem: String,
    },
    /// What the client remembers is damaged.
    #[error("{} is damaged: {problem}; the next run puts it aside and starts afresh (what is installed stays)", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The data folder is another client's.
    #[error(
        "{} is the data folder of client {kept}, not of {given}: leave the id out (--id, or `id` in the configuration \
         file), or give a data folder of its own with --data DIR",
        folder.display()
    )]
    OtherId {
        /// The data folder.
        folder: PathBuf,
        /// Whose it is.
        kept: String,
        /// Who was to use it.
        given: String,
    },
    /// The client could not enrol.
    #[error("this client is not enrolled: {0}")]
    NotEnrolled(String),
    /// The settings of the domain are confidential and cannot be opened here; why not, and what helps.
    #[error("{0}")]
    Sealed(String),
    /// What is to be installed is larger than what is free (P9): no byte of it was fetched.
    #[error(
        "the disk is full for it: {} needs {wanted} bytes, {FREE_BYTES_MIN} must stay free, {free} are free; nothing was \
         half changed: free some space, and the next run takes it", folder.display()
    )]
    NoRoom {
        /// Where it was to be assembled.
        folder: PathBuf,
        /// Bytes that it takes.
        wanted: u64,
        /// Bytes that are free.
        free: u64,
    },
    /// The disk is full or refuses (P9): nothing was half changed, and the run ended.
    #[error(
        "{what} {} failed: the disk is full, or permission is missing; nothing was half changed: free some space, or let this client \
         write there (owner, mode, a mount that is not read-only), and the next run goes on", path.display()
    )]
    Storage {
        /// What was being done.
        what: &'static str,
        /// To which file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file or folder could not be used for another reason.
    #[error("{what} {} failed", path.display())]
    File {
        /// What was being done.
        what: &'static str,
        /// To which file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The domain does not let people start runs (N4).
    #[error(
        "the settings of domain {0} do not let a person start a run here, so only settings were updated; the daemon (`headwater-client run`) starts the next run by itself"
    )]
    ManualNotAllowed(String),
    /// The run began and could not go on; what it did is in its report.
    #[error("the run ended early")]
    Ended {
        /// What it did.
        report: Box<headwater_api::report::Report>,
        /// Why it could not go on.
        #[source]
        source: Box<Error>,
    },
    /// Something inside failed that should not.
    #[error("{0}")]
    Internal(String),
}

impl Error {
    /// Turns what the system said into [`Error::Storage`] or [`Error::File`].
    pub fn file(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| {
            if os::is_storage_fault(&source) {
                Self::Storage { what, path, source }
            } else {
                Self::File { what, path, source }
            }
        }
    }

    /// Whether the client is not a member of the fleet yet: to be tried again soon.
    pub fn is_not_enrolled(&self) -> bool {
        match self {
            Self::NotEnrolled(_) => true,
            Self::Ended { source, .. } => source.is_not_enrolled(),
            _ => false,
        }
    }

    /// Whether it is the disk's or the permissions' fault (exit code 4).
    pub fn is_storage(&self) -> bool {
        match self {
            Self::Storage { .. } | Self::NoRoom { .. } => true,
            Self::Ended { source, .. } => source.is_storage(),
            _ => false,
        }
    }
}
