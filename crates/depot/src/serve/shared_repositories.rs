//! The repositories that are shared: where their files are, what was served of them, and within which limits.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use headwater_policy::Repository;

use super::cache::Cache;
use super::counters::{Counters, Served};
use super::pace::SendPace;
use super::serve_limits::ServeLimits;
use crate::files::FileAccess;
use crate::objects::{FolderStore, ObjectStore};

/// What is served, to admitted callers; clones share their state.
#[derive(Debug, Clone)]
pub struct SharedRepositories {
    pub(super) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(super) struct Inner {
    shared: RwLock<BTreeMap<Repository, Arc<dyn ObjectStore>>>,
    pub(super) cache: Cache,
    pub(super) pace: SendPace,
    pub(super) counters: Counters,
}

impl SharedRepositories {
    /// Nothing is shared yet.
    pub fn new(limits: ServeLimits) -> Self {
        Self {
            inner: Arc::new(Inner {
                shared: RwLock::default(),
                cache: Cache::default(),
                pace: SendPace::new(limits),
                counters: Counters::default(),
            }),
        }
    }

    /// Shares a repository: `folder` holds its `metadata/`, `targets/` and `blobs/`. Takes effect at the next request.
    pub fn share(&self, repository: impl Into<Repository>, folder: impl Into<PathBuf>) {
        self.share_objects(repository, Arc::new(FolderStore::confined(folder, FileAccess::Umask)));
    }

    /// Shares a repository: `objects` has its `metadata/`, `targets/` and `blobs/`. Takes effect at the next request.
    pub fn share_objects(&self, repository: impl Into<Repository>, objects: Arc<dyn ObjectStore>) {
        let mut shared = self.inner.shared.write().unwrap_or_else(PoisonError::into_inner);
        shared.insert(repository.into(), objects);
    }

    /// Shares a repository no longer.
    pub fn unshare(&self, repository: impl Into<Repository>) {
        self.inner.shared.write().unwrap_or_else(PoisonError::into_inner).remove(&repository.into());
    }

    /// Puts other limits in force. Running downloads go on.
    pub fn set_limits(&self, limits: ServeLimits) {
        self.inner.pace.set(limits);
    }

    /// Bytes and requests by client address and repository since the start.
    pub fn served(&self) -> Vec<Served> {
        self.inner.counters.all()
    }

    /// Bodies being sent now.
    pub fn downloads(&self) -> usize {
        self.inner.pace.downloads()
    }

    pub(super) fn objects(&self, repository: Repository) -> Option<Arc<dyn ObjectStore>> {
        self.inner.shared.read().unwrap_or_else(PoisonError::into_inner).get(&repository).cloned()
    }
}
