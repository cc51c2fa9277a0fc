//! One change at a time, and how many wait for their turn.

use std::sync::Arc;

use tokio::sync::{Mutex, MutexGuard, OwnedMutexGuard, watch};

/// The turn of a change; others wait for it in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    turn: Arc<Mutex<()>>,
    waiting: watch::Sender<usize>,
}

impl Turns {
    /// Waits for its turn.
    pub async fn take(&self) -> MutexGuard<'_, ()> {
        let _waiting = Waiting::among(&self.waiting);
        self.turn.lock().await
    }

    /// As [`Self::take`], for a task that may outlive the caller.
    pub async fn take_owned(&self) -> OwnedMutexGuard<()> {
        let _waiting = Waiting::among(&self.waiting);
        Arc::clone(&self.turn).lock_owned().await
    }

    /// How many wait.
    pub fn waiting(&self) -> watch::Receiver<usize> {
        self.waiting.subscribe()
    }
}

/// One that waits, until it has its turn or has given up.
struct Waiting<'a>(&'a watch::Sender<usize>);

impl<'a> Waiting<'a> {
    fn among(waiting: &'a watch::Sender<usize>) -> Self {
        waiting.send_modify(|waiting| *waiting += 1);
        Self(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|waiting| *waiting -= 1);
    }
}
