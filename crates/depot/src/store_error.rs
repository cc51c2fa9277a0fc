//! The errors of the store.

use std::io;
use std::path::{Path, PathBuf};

use headwater_repo::Digest;

/// Storing or reading failed: by the disk or the quota, never by a source.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The operating system refused: full, read-only, no permission, broken.
    #[error("cannot {action} {}", path.display())]
    Disk {
        /// What was tried.
        action: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// The bytes would not fit in the quota (U4).
    #[error(
        "{wanted} bytes do not fit: {used} of the quota of {quota} bytes are in use; raise the quota or free some"
    )]
    Quota {
        /// Bytes asked for.
        wanted: u64,
        /// Bytes in use or promised.
        used: u64,
        /// Bytes allowed in all.
        quota: u64,
    },
    /// What was kept is not what this program wrote.
    #[error("{} is damaged: {reason}; remove it and start again from the enrolment bundle", path.display())]
    Damaged {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The bytes are not the ones that the digest names.
    #[error("bytes written for blob {wanted} have the digest {got}")]
    WrongDigest {
        /// The digest they were to have.
        wanted: Digest,
        /// The digest they have.
        got: Digest,
    },
}

/// Names the action and the path of a failed system call.
pub(crate) fn disk(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError + use<> {
    let path = path.to_owned();
    move |source| StoreError::Disk { action, path, source }
}
