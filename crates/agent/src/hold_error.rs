//! Why a repository cannot be held.

use std::io;

use headwater_depot::{FetchError, StoreError};
use headwater_policy::Repository;

/// Why a repository cannot be held now. The former content is still served.
#[derive(Debug, thiserror::Error)]
pub enum HoldError {
    /// It would be more than the quota allows (U4).
    #[error(
        "holding it takes {wanted} more bytes; {held} of the quota of {quota} bytes are in use. Raise update_agent_quota_mib, or \
         share fewer classes"
    )]
    Quota {
        /// Bytes more.
        wanted: u64,
        /// Bytes held for all repositories.
        held: u64,
        /// Bytes that may be held.
        quota: u64,
    },
    /// The disk has no room for it.
    #[error(
        "holding it takes {wanted} more bytes; {free} are free on the disk, of which {reserve} stay free for this computer's own work. \
         Free some disk space, or share fewer classes"
    )]
    NoRoom {
        /// Bytes more.
        wanted: u64,
        /// Bytes free.
        free: u64,
        /// Of these, bytes that must stay free.
        reserve: u64,
    },
    /// The disk can take no more files.
    #[error(
        "holding it takes {wanted} more files; the disk has {free} free inodes, of which {reserve} stay free for this computer's own \
         work. Remove files that are not needed (`df -i` shows the inodes), or share fewer classes"
    )]
    NoInodes {
        /// Files more.
        wanted: u64,
        /// Files that can still be made.
        free: u64,
        /// Of these, files that must stay free.
        reserve: u64,
    },
    /// No source has what is missing.
    #[error("cannot fetch what is missing")]
    Fetch(#[from] FetchError),
    /// The disk refuses.
    #[error("the disk refuses")]
    Store(#[from] StoreError),
    /// The served tree cannot be written.
    #[error("cannot write the served folder of {repository}")]
    Tree {
        /// The repository.
        repository: Repository,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// Signed content that this program does not understand.
    #[error("cannot understand the signed content: {0}")]
    Content(String),
}
