//! The sync with the vendor source that runs, and how far it is.

use std::sync::{Mutex, MutexGuard as Guard};

use headwater_api::v1::SyncProgress;
use tokio::sync::futures::Notified;
use tokio::sync::{MutexGuard, Notify};

/// One sync at a time.
#[derive(Debug, Default)]
pub(super) struct VendorSync {
    turn: tokio::sync::Mutex<()>,
    progress: Mutex<Option<SyncProgress>>,
    stop: Notify,
}

impl VendorSync {
    /// Waits for its turn and shows a sync as running for as long as the answer lives.
    pub async fn begin(&self) -> Running<'_> {
        let turn = self.turn.lock().await;
        *self.lock() = Some(SyncProgress::default());
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
        self.lock().clone()
    }

    /// Changes what is shown of the sync that runs.
    pub fn show(&self, change: impl FnOnce(&mut SyncProgress)) {
        if let Some(progress) = self.lock().as_mut() {
            change(progress);
        }
    }

    fn lock(&self) -> Guard<'_, Option<SyncProgress>> {
        self.progress.lock().expect("nobody panics while holding this lock")
    }
}

/// A sync that is shown as running for as long as this lives: one whose caller hung up is dropped midway.
pub(super) struct Running<'a> {
    sync: &'a VendorSync,
    _turn: MutexGuard<'a, ()>,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        *self.sync.lock() = None;
    }
}
