//! Small files in memory: metadata and manifests, asked for by everybody all the time.
//!
//! What is cached is checked against the object's [`Stamp`] on each request, so that one that was replaced is seen at once
//! without any signal.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use headwater_policy::Repository;

use crate::limits::CACHE_TOTAL_MAX;
use crate::objects::Stamp;

/// An object of a class, by its path.
pub(super) type Key = (Repository, String);

/// A small file and its entity tag.
#[derive(Debug, Clone)]
pub(super) struct Cached {
    pub(super) bytes: Bytes,
    pub(super) tag: String,
}

#[derive(Debug, Default)]
pub(super) struct Cache {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    files: HashMap<Key, (Stamp, Cached)>,
    /// Oldest first.
    order: VecDeque<Key>,
    total: u64,
}

impl Cache {
    /// The object as cached, if the one at rest still has this stamp.
    pub(super) fn get(&self, key: &Key, stamp: &Stamp) -> Option<Cached> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.files.get(key).filter(|(known, _)| known == stamp).map(|(_, cached)| cached.clone())
    }

    /// Keeps an object that had this stamp before it was read.
    pub(super) fn put(&self, key: Key, stamp: Stamp, cached: Cached) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let size = cached.bytes.len() as u64;
        match state.files.insert(key.clone(), (stamp, cached)) {
            Some((_, old)) => state.total -= old.bytes.len() as u64,
            None => state.order.push_back(key),
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
