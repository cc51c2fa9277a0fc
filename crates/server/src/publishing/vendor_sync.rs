//! The sync with the vendor source that runs, and how far it is.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Mutex, MutexGuard as Guard};

use headwater_api::v1::SyncProgress;
use headwater_repo::{ComponentName, Digest};
use tokio::sync::futures::Notified;
use tokio::sync::{MutexGuard, Notify, watch};

use crate::limits::VENDOR_COMPONENTS_MAX;

/// One sync at a time.
#[derive(Debug, Default)]
pub(super) struct VendorSync {
    turn: tokio::sync::Mutex<()>,
    progress: watch::Sender<Option<SyncProgress>>,
    stop: Notify,
    content: Mutex<Content>,
}

/// What syncs learnt of content.
#[derive(Debug, Default)]
struct Content {
    /// The manifest, deltas apart, of each component's release that was verified in full last: decoding it in every sync again
    /// would find nothing else.
    verified: BTreeMap<ComponentName, Digest>,
    /// Blobs that rejected releases brought.
    rejected: HashSet<Digest>,
}

impl VendorSync {
    /// Waits for its turn and shows a sync as running for as long as the answer lives.
    pub async fn begin(&self) -> Running<'_> {
        let turn = self.turn.lock().await;
        self.progress.send_replace(Some(SyncProgress::default()));
        Running { sync: self, _turn: turn }
    }

    /// Ends when [`Self::stop`] is called after this was.
    pub fn stopped(&self) -> Notified<'_> {
        self.stop.notified()
    }

    /// Stops the sync that runs.
    pub fn stop(&self) {
        self.stop.notify_waiters();
    }

    /// How far the sync is; `None` if none runs.
    pub fn progress(&self) -> Option<SyncProgress> {
        self.progress.borrow().clone()
    }

    /// The same, whenever it changes.
    pub fn watch_progress(&self) -> watch::Receiver<Option<SyncProgress>> {
        self.progress.subscribe()
    }

    /// Changes what is shown of the sync that runs.
    pub fn show(&self, change: impl FnOnce(&mut SyncProgress)) {
        self.progress.send_modify(|progress| {
            if let Some(progress) = progress {
                change(progress);
            }
        });
    }

    /// Whether this was the component's release that was verified last.
    pub fn is_verified(&self, name: &ComponentName, manifest: &Digest) -> bool {
        self.content().verified.get(name) == Some(manifest)
    }

    /// Notes that a release was verified in full.
    pub fn note_verified(&self, name: ComponentName, manifest: Digest) {
        let mut content = self.content();
        if content.verified.len() >= VENDOR_COMPONENTS_MAX && !content.verified.contains_key(&name) {
            content.verified.clear();
        }
        content.verified.insert(name, manifest);
    }

    /// Notes what a rejected release brought.
    pub fn note_rejected(&self, blobs: impl IntoIterator<Item = Digest>) {
        self.content().rejected.extend(blobs);
    }

    /// What rejected releases brought since this was called last.
    pub fn take_rejected(&self) -> HashSet<Digest> {
        std::mem::take(&mut self.content().rejected)
    }

    fn content(&self) -> Guard<'_, Content> {
        self.content.lock().expect("nobody panics while holding this lock")
    }
}

/// A sync that is shown as running for as long as this lives: one whose caller hung up is dropped midway.
pub(super) struct Running<'a> {
    sync: &'a VendorSync,
    _turn: MutexGuard<'a, ()>,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.sync.progress.send_replace(None);
    }
}
