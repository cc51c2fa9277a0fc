//! The classes that are shared: where their files are, what was served of them, and within which limits.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use headwater_policy::Class;

use super::cache::Cache;
use super::counters::{Counters, Served};
use super::pace::Pace;
use super::serve_limits::ServeLimits;
use crate::files::Access;
use crate::objects::{FolderStore, ObjectStore};

/// What is served, to admitted callers; clones share their state.
#[derive(Debug, Clone)]
pub struct SharedClasses {
    pub(super) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(super) struct Inner {
    shared: RwLock<BTreeMap<Class, Arc<dyn ObjectStore>>>,
    pub(super) cache: Cache,
    pub(super) pace: Pace,
    pub(super) counters: Counters,
}

impl SharedClasses {
    /// No class is shared yet.
    pub fn new(limits: ServeLimits) -> Self {
        Self {
            inner: Arc::new(Inner {
                shared: RwLock::default(),
                cache: Cache::default(),
                pace: Pace::new(limits),
                counters: Counters::default(),
            }),
        }
    }

    /// Shares a class: `folder` holds its `metadata/`, `targets/` and `blobs/`. Takes effect at the next request.
    pub fn share(&self, class: Class, folder: impl Into<PathBuf>) {
        self.share_objects(class, Arc::new(FolderStore::confined(folder, Access::Umask)));
    }

    /// Shares a class: `objects` has its `metadata/`, `targets/` and `blobs/`. Takes effect at the next request.
    pub fn share_objects(&self, class: Class, objects: Arc<dyn ObjectStore>) {
        self.inner.shared.write().unwrap_or_else(PoisonError::into_inner).insert(class, objects);
    }

    /// Shares a class no longer.
    pub fn unshare(&self, class: Class) {
        self.inner.shared.write().unwrap_or_else(PoisonError::into_inner).remove(&class);
    }

    /// Puts other limits in force. Running downloads go on.
    pub fn set_limits(&self, limits: ServeLimits) {
        self.inner.pace.set(limits);
    }

    /// Bytes and requests by client address and class since the start.
    pub fn served(&self) -> Vec<Served> {
        self.inner.counters.all()
    }

    /// Bodies being sent now.
    pub fn downloads(&self) -> usize {
        self.inner.pace.downloads()
    }

    pub(super) fn objects(&self, class: Class) -> Option<Arc<dyn ObjectStore>> {
        self.inner.shared.read().unwrap_or_else(PoisonError::into_inner).get(&class).cloned()
    }
}
