//! Why a run, the daemon or `status` could not continue. A failure of a source is no error: it is in the report.

use std::io;
use std::path::{Path, PathBuf};

use headwater_depot::StoreError;

use crate::limits::{FREE_BYTES_MIN, FREE_FILES_MIN};
use crate::os;

/// Why the client could not continue.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another run holds the lock.
    #[error("another run of this client is in progress (process {holder}, lock {lock}); wait until it ends", lock = lock.display())]
    Busy {
        /// Its process id, as it wrote it.
        holder: String,
        /// The lock.
        lock: PathBuf,
    },
    /// Another daemon runs with this data folder.
    #[error("another headwater-client uses the data folder {} (process {holder}); stop it, or pass another folder with --data DIR", folder.display())]
    DaemonBusy {
        /// Its process id, as it wrote it.
        holder: String,
        /// The data folder.
        folder: PathBuf,
    },
    /// Root was asked to write in the data folder of another user.
    #[error(transparent)]
    OwnedByAnother(#[from] headwater_depot::files::OwnedByAnother),
    /// The folder is a server's.
    #[error("{} is the data folder of a Headwater server; give this client a folder of its own with --data DIR", .0.display())]
    FolderOfServer(PathBuf),
    /// There is no bundle to start from.
    #[error("the data folder {} has no enrolment bundle yet; enrol with `headwater-client enrol BUNDLE`, or pass one once to `run` or `update` with --bundle FILE (`headwater clients enrol-bundle` makes it)", .0.display())]
    NoBundle(PathBuf),
    /// The bundle that was passed does not exist.
    #[error("the bundle {} does not exist; make it with `headwater clients enrol-bundle`", .0.display())]
    BundleMissing(PathBuf),
    /// A file that the client needs is not understood.
    #[error("cannot understand {}: {problem}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        problem: String,
    },
    /// The state is damaged.
    #[error("{} is damaged: {problem}; the next run moves it aside and starts with an empty state (installed releases stay)", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The data folder is another client's.
    #[error(
        "{} is the data folder of client {kept}, not of {given}; remove the id (--id, or `id` in the configuration file), \
         or pass another data folder with --data DIR",
        folder.display()
    )]
    OtherId {
        /// The data folder.
        folder: PathBuf,
        /// Whose it is.
        kept: String,
        /// The id that was passed.
        given: String,
    },
    /// The client could not enrol.
    #[error("this client is not enrolled: {0}")]
    NotEnrolled(String),
    /// The settings of the domain are confidential and cannot be decrypted here: why not, and what to do.
    #[error("{0}")]
    Sealed(String),
    /// What is to be installed needs more space than is free (P9). No byte of it was fetched.
    #[error(
        "the disk is full for this release: {} needs {wanted} bytes, {FREE_BYTES_MIN} must stay free, {free} are free. Nothing was \
         changed. Free some space; the next run tries again", folder.display()
    )]
    NoRoom {
        /// Where it was to be assembled.
        folder: PathBuf,
        /// Bytes that it takes.
        wanted: u64,
        /// Bytes that are free.
        free: u64,
    },
    /// What is to be installed has more files than the disk can take (P9). Nothing of it was fetched.
    #[error(
        "the disk has too few inodes for this release: {} needs {wanted} files and folders, {FREE_FILES_MIN} must stay free, {free}          are free, however many bytes are. Nothing was changed. Remove files that are not needed (`df -i` shows the inodes), or put          the data folder on a disk with more of them; the next run tries again", folder.display()
    )]
    NoInodes {
        /// Where it was to be assembled.
        folder: PathBuf,
        /// Files and folders that it takes.
        wanted: u64,
        /// Files and folders that can still be made.
        free: u64,
    },
    /// The disk is full or refuses (P9). Nothing was left half changed, and the run ended.
    #[error("{what} {} failed: {}", path.display(), storage_problem(.source))]
    Storage {
        /// The action.
        what: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// A file or folder could not be used for another reason.
    #[error("{what} {} failed", path.display())]
    File {
        /// The action.
        what: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// The domain does not allow people to start runs (N4).
    #[error(
        "the settings of domain {0} do not allow a person to start a run here, so only settings were updated; the daemon \
         (`headwater-client run`) starts the next run automatically"
    )]
    ManualNotAllowed(String),
    /// The run started and could not continue. Its report states what it did.
    #[error("the run ended early")]
    Ended {
        /// What it did.
        report: Box<headwater_api::report::Report>,
        /// What it installed.
        changes: Vec<crate::session::Change>,
        /// Why it could not continue.
        #[source]
        source: Box<Error>,
    },
    /// Something inside failed that should not.
    #[error("{0}")]
    Internal(String),
}

/// What a disk or its permissions refuse, and what to do.
fn storage_problem(error: &io::Error) -> &'static str {
    use io::ErrorKind as Kind;
    match error.kind() {
        Kind::PermissionDenied => {
            "this user may not. Nothing was left half changed. Run the command as the owner of the data folder or as root \
             (`sudo`), or correct owner and mode"
        }
        Kind::StorageFull | Kind::QuotaExceeded => {
            "the disk is full. Nothing was left half changed. Free some space; the next run continues"
        }
        Kind::ReadOnlyFilesystem => {
            "the file system is read-only. Nothing was left half changed. Mount it writable; the next run continues"
        }
        _ => "the disk reports an error. Nothing was left half changed. Look at the system's log (`dmesg`)",
    }
}

impl Error {
    /// Turns a system error into [`Error::Storage`] or [`Error::File`].
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

    /// Whether the client is not enrolled: it tries again soon.
    pub fn is_not_enrolled(&self) -> bool {
        match self {
            Self::NotEnrolled(_) => true,
            Self::Ended { source, .. } => source.is_not_enrolled(),
            _ => false,
        }
    }

    /// Whether a release does not fit on the disk: what needs less still may.
    pub fn is_no_room(&self) -> bool {
        matches!(self, Self::NoRoom { .. } | Self::NoInodes { .. })
    }

    /// Whether it is the disk's or the permissions' fault (exit code 4).
    pub fn is_storage(&self) -> bool {
        match self {
            Self::Storage { .. } | Self::OwnedByAnother(_) => true,
            other if other.is_no_room() => true,
            Self::Ended { source, .. } => source.is_storage(),
            _ => false,
        }
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Disk { action, path, source } => Self::file(action, &path)(source),
            other @ (StoreError::Quota { .. } | StoreError::WrongDigest { .. }) => {
                Self::Internal(other.to_string())
            }
            StoreError::Damaged { path, reason } => Self::Malformed { path, problem: reason },
        }
    }
}
