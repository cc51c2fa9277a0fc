//! What is remembered of making deltas: what is being made, what is done, what failed; and whether it is paused.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use headwater_policy::Class;
use headwater_publisher::deltas::{ChainState, DeltaJob, DeltaObserver};
use headwater_repo::ComponentName;
use jiff::Timestamp;
use tokio::sync::{Notify, watch};

use crate::error::{Error, Result};
use crate::limits::{DELTAS_RETRY_MAX, JOB_TICK};

/// What is going on, and whether it is paused.
#[derive(Debug, Default)]
pub struct DeltaWorker {
    running: tokio::sync::Mutex<()>,
    wake: Notify,
    stop: AtomicBool,
    state: Mutex<State>,
    pub(super) in_progress: watch::Sender<Vec<DeltaInProgress>>,
}

/// Which components need nothing, as they were then, and for which making deltas failed.
#[derive(Debug, Default)]
pub(super) struct State {
    done: BTreeMap<(Class, ComponentName), Done>,
    failed: BTreeMap<(Class, ComponentName), String>,
    /// How many tries in a row failed, and until when the next one waits.
    failures: u32,
    rests_until: Option<Timestamp>,
}

/// A component that needs nothing, as long as it is signed so.
#[derive(Debug)]
struct Done {
    state: ChainState,
    /// Files to which there is nothing for lack of memory.
    too_large: Vec<String>,
}

/// A delta that is being made.
#[derive(Debug)]
pub struct DeltaInProgress {
    /// The class of its component.
    pub class: Class,
    /// Its files, and how far it is.
    pub job: Arc<DeltaJob>,
}

/// Notes for the worker what is being made in a class.
pub(super) struct Observer<'a> {
    pub worker: &'a DeltaWorker,
    pub class: Class,
}

impl DeltaObserver for Observer<'_> {
    fn is_stopped(&self) -> bool {
        self.worker.is_stopped()
    }

    fn started(&self, job: &Arc<DeltaJob>) {
        let delta = DeltaInProgress { class: self.class, job: Arc::clone(job) };
        self.worker.in_progress.send_modify(|all| all.push(delta));
    }

    fn advanced(&self, _: &DeltaJob) {
        // The job has the number itself: only who watches it learns something.
        self.worker.in_progress.send_modify(|_| ());
    }

    fn ended(&self, job: &Arc<DeltaJob>) {
        self.worker.in_progress.send_modify(|all| all.retain(|delta| !Arc::ptr_eq(&delta.job, job)));
    }
}

impl DeltaWorker {
    /// Asks for missing deltas to be made, because something was published.
    pub fn wake(&self) {
        self.state().rests_until = None;
        self.wake.notify_one();
    }

    /// Waits until somebody asks for a look.
    pub async fn woken(&self) {
        self.wake.notified().await;
    }

    /// Breaks off what is being made, until [`Self::resume`] or the next start. What was made is kept.
    pub fn pause(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Goes on.
    pub fn resume(&self) {
        self.stop.store(false, Ordering::Relaxed);
        self.wake();
    }

    /// Whether nothing is to be made now.
    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    pub(super) async fn only_one(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.running.lock().await
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where nothing is to be done for a component as it is signed: the files that are too large.
    pub(super) fn done(&self, class: Class, name: &ComponentName, state: ChainState) -> Option<Vec<String>> {
        let all = self.state();
        let done = all.done.get(&(class, name.clone()))?;
        (done.state == state).then(|| done.too_large.clone())
    }

    pub(super) fn note_done(
        &self,
        class: Class,
        name: &ComponentName,
        state: ChainState,
        too_large: Vec<String>,
    ) {
        self.state().done.insert((class, name.clone()), Done { state, too_large });
    }

    /// A component is looked at again, though nothing else is signed of it.
    pub fn forget_done(&self, class: Class, name: &ComponentName) {
        self.state().done.remove(&(class, name.clone()));
    }

    /// What came of the last look at a component: nothing, or why it failed.
    pub(super) fn note_look(&self, class: Class, name: &ComponentName, failure: Option<String>) {
        let component = (class, name.clone());
        let mut state = self.state();
        match failure {
            Some(reason) => state.failed.insert(component, reason),
            None => state.failed.remove(&component),
        };
    }

    pub(super) fn failure(&self, class: Class, name: &ComponentName) -> Option<String> {
        self.state().failed.get(&(class, name.clone())).cloned()
    }

    /// What came of a try: after each that fails the next waits twice as long, until something is published or resumed.
    pub fn note_try(&self, failed: bool, now: Timestamp) {
        let mut state = self.state();
        if failed {
            let wait = JOB_TICK.saturating_mul(1 << state.failures.min(16)).min(DELTAS_RETRY_MAX);
            state.failures = state.failures.saturating_add(1);
            state.rests_until = now.checked_add(wait).ok();
        } else {
            (state.failures, state.rests_until) = (0, None);
        }
    }

    /// Whether the next try waits still.
    pub fn rests(&self, now: Timestamp) -> bool {
        self.state().rests_until.is_some_and(|until| now < until)
    }
}

/// Does something in a thread of its own, of low priority (`niceness`), as are the threads that it starts.
pub(super) fn in_background<T: Send + 'static>(
    niceness: i32,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<impl Future<Output = T>> {
    let (sender, done) = tokio::sync::oneshot::channel();
    let spawned = std::thread::Builder::new().name("delta".to_owned()).spawn(move || {
        // Best effort: without it, it is only less polite.
        let _ = rustix::process::nice(niceness);
        let _ = sender.send(work());
    });
    spawned.map_err(|source| Error::Disk { doing: "cannot start a thread".to_owned(), source })?;
    Ok(async { done.await.expect("making deltas does not panic") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_that_fail_come_ever_less_often_until_one_succeeds_or_something_is_published() {
        let delta_worker = DeltaWorker::default();
        let now = Timestamp::UNIX_EPOCH;
        let rests = |seconds: u64| delta_worker.rests(now + std::time::Duration::from_secs(seconds));
        let max = DELTAS_RETRY_MAX.as_secs();
        for wait in [30, 60, 120, 240, 480, max, max] {
            assert!(!rests(max));
            delta_worker.note_try(true, now);
            assert!(rests(wait - 1) && !rests(wait), "{wait}");
        }
        delta_worker.wake();
        assert!(!rests(0));
        delta_worker.note_try(false, now);
        delta_worker.note_try(true, now);
        assert!(!rests(30));
    }
}
