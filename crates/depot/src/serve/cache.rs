//! Small files in memory: metadata and manifests, asked for by everybody all the time.
//!
//! What is cached is checked against the file's identity, size and time on each request, so that a file replaced on the
//! disk is seen at once without any signal.

use std::collections::{HashMap, VecDeque};
use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;

use crate::limits::CACHE_TOTAL_MAX;

/// A small file and its entity tag.
#[derive(Debug, Clone)]
pub(super) struct Cached {
    pub(super) bytes: Bytes,
    pub(super) tag: String,
}

/// What must be as it was for a cached file to hold good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stamp {
    size: u64,
    modified: Option<SystemTime>,
    identity: (u64, u64),
    changed: (i64, i64),
}

#[derive(Debug, Default)]
pub(super) struct Cache {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    files: HashMap<PathBuf, (Stamp, Cached)>,
    /// Oldest first.
    order: VecDeque<PathBuf>,
    total: u64,
}

impl Cache {
    /// The file as cached, if the one on the disk is still the same.
    pub(super) fn get(&self, path: &Path) -> Option<Cached> {
        let stamp = Stamp::of(&fs::metadata(path).ok()?);
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.files.get(path).filter(|(known, _)| *known == stamp).map(|(_, cached)| cached.clone())
    }

    /// Keeps a file that had this stamp before it was read.
    pub(super) fn put(&self, path: PathBuf, stamp: Stamp, cached: Cached) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let size = cached.bytes.len() as u64;
        match state.files.insert(path.clone(), (stamp, cached)) {
            Some((_, old)) => state.total -= old.bytes.len() as u64,
            None => state.order.push_back(path),
        }
        state.total += size;
        while state.total > CACHE_TOTAL_MAX
            && let Some(oldest) = state.order.pop_front()
        {
            if let Some((_, old)) = state.files.remove(&oldest) {
                state.total -= old.bytes.len() as u64;
            }
        }
    }
}

impl Stamp {
    pub(super) fn of(metadata: &Metadata) -> Self {
        #[cfg(unix)]
        let (identity, changed) = {
            use std::os::unix::fs::MetadataExt;
            ((metadata.dev(), metadata.ino()), (metadata.ctime(), metadata.ctime_nsec()))
        };
        #[cfg(not(unix))]
        let (identity, changed) = ((0, 0), (0, 0));
        Self { size: metadata.len(), modified: metadata.modified().ok(), identity, changed }
    }
}
