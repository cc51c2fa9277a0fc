//! Where deltas are made: threads of low priority, that hear when to stop and say how far they are.

use std::collections::{BTreeMap, HashMap};
use std::io::Cursor;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use headwater_delta::{Control, Decoded, DeltaError, DeltaOptions, decode_delta, encode_delta};
use headwater_depot::Store;
use headwater_depot::store::Held;
use headwater_policy::Class;
use headwater_repo::{ComponentName, Delta, DeltaFormat, Digest, FileEntry, FilePath, MissingDelta};
use jiff::Timestamp;
use tokio::sync::Notify;

use crate::error::{Error, Result};
use crate::limits::{DELTA_NICENESS, DELTAS_RETRY_MAX, JOB_TICK};
use crate::publishing::archive::store_failed;

/// What is going on, and who may say that it is not to.
#[derive(Debug, Default)]
pub struct DeltaWorker {
    running: tokio::sync::Mutex<()>,
    wake: Notify,
    tell: Notify,
    stop: Arc<AtomicBool>,
    state: Mutex<State>,
}

/// Which components need nothing, as they were then; which could not be made something for; and what is being made.
#[derive(Debug, Default)]
pub(super) struct State {
    done: BTreeMap<(Class, ComponentName), Done>,
    failed: BTreeMap<(Class, ComponentName), String>,
    /// How many tries in a row failed, and until when the next one waits.
    failures: u32,
    rests_until: Option<Timestamp>,
    pub working: Vec<Arc<Progress>>,
}

/// A component that needs nothing, as long as it is signed so.
#[derive(Debug)]
struct Done {
    state: (Digest, Digest),
    /// Files to which there is nothing for lack of memory.
    too_large: Vec<String>,
}

/// A delta to be made.
#[derive(Debug, Clone, Copy)]
pub struct Job {
    /// The older file.
    pub base: Digest,
    /// The newer one.
    pub result: Digest,
    /// Bytes of the full body that it is to be smaller than.
    pub body: u64,
}

/// What came of a job.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It is stored, and kept from being collected until it is noted.
    Made(Delta, Held),
    /// It would not be smaller.
    Useless,
    /// Somebody said stop.
    Stopped,
}

/// A delta being made.
#[derive(Debug)]
pub(super) struct Progress {
    pub job: Job,
    pub component: (Class, ComponentName),
    /// Of the newer file.
    pub path: FilePath,
    permille: AtomicU32,
    stop: Arc<AtomicBool>,
    obsolete: AtomicBool,
}

impl Progress {
    /// Of 1000 parts.
    pub fn permille(&self) -> u32 {
        self.permille.load(Ordering::Relaxed)
    }
}

impl Control for Progress {
    fn cancelled(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || self.obsolete.load(Ordering::Relaxed)
    }

    fn progress(&self, done: u32) {
        self.permille.store(done, Ordering::Relaxed);
    }
}

impl DeltaWorker {
    /// Asks for a look at what lacks, for something was published.
    pub fn wake(&self) {
        self.state().rests_until = None;
        self.wake.notify_one();
        self.tell.notify_one();
    }

    /// Waits, while something is being made, until something is published.
    pub(super) async fn told(&self) {
        self.tell.notified().await;
    }

    /// Stops what is being made, but for what is still wanted.
    pub(super) fn stop_but(&self, wanted: impl Fn(&Job) -> bool) {
        for progress in self.state().working.iter().filter(|progress| !wanted(&progress.job)) {
            progress.obsolete.store(true, Ordering::Relaxed);
        }
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
    pub(super) fn done(
        &self,
        class: Class,
        name: &ComponentName,
        state: (Digest, Digest),
    ) -> Option<Vec<String>> {
        let all = self.state();
        let done = all.done.get(&(class, name.clone()))?;
        (done.state == state).then(|| done.too_large.clone())
    }

    pub(super) fn note_done(
        &self,
        class: Class,
        name: &ComponentName,
        state: (Digest, Digest),
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

    /// Makes deltas side by side. What came of each is told for itself: one that fails spoils no other.
    pub(super) async fn make(
        &self,
        (class, name): (Class, &ComponentName),
        store: &Store,
        files: &HashMap<Digest, FileEntry>,
        jobs: Vec<MissingDelta>,
    ) -> Result<Vec<(Job, Result<Outcome>)>> {
        let mut running = Vec::new();
        for job in jobs.into_iter().map(Job::from) {
            let (Some(base), Some(result)) = (files.get(&job.base), files.get(&job.result)) else { continue };
            let progress = Arc::new(Progress {
                job,
                component: (class, name.clone()),
                path: result.path.clone(),
                permille: AtomicU32::new(0),
                stop: Arc::clone(&self.stop),
                obsolete: AtomicBool::new(false),
            });
            self.state().working.push(Arc::clone(&progress));
            let (store, base, result) = (store.clone(), base.clone(), result.clone());
            let told = politely(move || make_one(class, &store, &base, &result, &progress))?;
            running.push((job, told));
        }
        let mut outcomes = Vec::new();
        for (job, told) in running {
            outcomes.push((job, told.await));
        }
        self.state().working.clear();
        Ok(outcomes)
    }
}

/// Does something in a thread of its own: what is made low in priority stays so until the thread ends.
pub(super) fn politely<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<impl Future<Output = T>> {
    let (tell, told) = tokio::sync::oneshot::channel();
    let spawned = std::thread::Builder::new().name("delta".to_owned()).spawn(move || {
        // Best effort: without it, it is only less polite.
        let _ = rustix::process::nice(DELTA_NICENESS);
        let _ = tell.send(work());
    });
    spawned.map_err(|source| Error::Disk { doing: "cannot start a thread".to_owned(), source })?;
    Ok(async { told.await.expect("making deltas does not panic") })
}

fn make_one(
    class: Class,
    store: &Store,
    base: &FileEntry,
    result: &FileEntry,
    progress: &Progress,
) -> Result<Outcome> {
    let (base, new) = (content(store, base)?, content(store, result)?);
    let options = DeltaOptions::beside(progress.job.body);
    let made = match encode_delta(&base, &new, &options, progress) {
        Ok(Some(made)) => made,
        Ok(None) => return Ok(Outcome::Useless),
        Err(DeltaError::Cancelled) => return Ok(Outcome::Stopped),
        Err(DeltaError::Io(source)) => {
            return Err(Error::Disk { doing: "cannot make a delta".to_owned(), source });
        }
    };
    let file = Decoded { sha256: *result.sha256.as_bytes(), size: result.size };
    let decoded = decode_delta(
        &mut Cursor::new(&made.bytes),
        &made.body,
        &base[..],
        &file,
        options.memory_max,
        std::io::sink(),
    );
    if let Err(error) = decoded {
        // Never named: the file is had another way.
        tracing::error!(base = %progress.job.base, result = %progress.job.result, %error, "a delta that was made does not decode");
        return Ok(Outcome::Useless);
    }
    let sha256 = Digest::from(made.body.sha256);
    let held = store.hold(sha256);
    store.put(&made.bytes).map_err(|error| store_failed(class, error))?;
    let delta = Delta {
        base: progress.job.base,
        sha256,
        size: made.body.size,
        format: DeltaFormat::Headwater1,
        memory: made.body.memory,
    };
    Ok(Outcome::Made(delta, held))
}

fn content(store: &Store, file: &FileEntry) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    store.unpack(file, &mut bytes).map_err(|error| Error::Disk {
        doing: format!("cannot read {} from its body", file.path),
        source: std::io::Error::other(error),
    })?;
    Ok(bytes)
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
