//! Deltas are made side by side, each in a thread of its own that can be stopped, and proven before anybody names them.

use std::io::Cursor;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;

use headwater_delta::{Control, Decoded, DeltaError, DeltaOptions, decode_delta, encode_delta};
use headwater_depot::Store;
use headwater_depot::store::{Held, UnpackError};
use headwater_repo::{Delta, DeltaFormat, Digest, FileEntry, Inventory, MissingDelta, error_chain};

use super::chain::{ReleaseChain, body_problem};
use super::current::{is_current, load, plan_for};
use super::observer::{DeltaJob, DeltaObserver};
use super::settings::DeltaSettings;
use crate::destination::Destination;
use crate::limits::PUBLISHED_LOOK_INTERVAL;
use crate::{Error, Result};

/// What came of a job.
#[derive(Debug)]
pub(super) enum Made {
    /// It is stored, and kept from being collected until it is noted.
    Delta(Delta, Held),
    /// It would not be smaller.
    Useless,
    /// A body is missing or damaged: a sentence.
    NoBody(String),
    /// It was stopped.
    Stopped,
}

/// A delta by the files that it leads from and to.
type Pair = (Digest, Digest);

/// Makes deltas side by side. What came of each is reported for itself: one that fails spoils no other. When something
/// else is published, those that are not missing any more are stopped.
pub(super) fn make_side_by_side(
    destination: &dyn Destination,
    chain: &ReleaseChain,
    missing: Vec<MissingDelta>,
    settings: &DeltaSettings,
    observer: &dyn DeltaObserver,
) -> Result<Vec<(Pair, Result<Made>)>> {
    let jobs: Vec<Arc<DeltaJob>> = missing.iter().filter_map(|missing| job(chain, missing)).collect();
    let (sender, receiver) = mpsc::channel();
    thread::scope(|scope| {
        let mut made = Vec::new();
        for job in &jobs {
            observer.started(job);
            let sender = sender.clone();
            let work = move || {
                let made = make_one(destination.store(), chain, job, observer);
                observer.ended(job);
                // The receiver waits for every sender.
                let _ = sender.send(((job.base, job.result), made));
            };
            if let Err(source) = thread::Builder::new().name("delta".to_owned()).spawn_scoped(scope, work) {
                observer.ended(job);
                let failed =
                    Error::File { doing: "start a thread for", path: job.path.to_string().into(), source };
                made.push(((job.base, job.result), Err(failed)));
            }
        }
        drop(sender);
        let collected = collect(&receiver, destination, chain, &jobs, settings);
        if collected.is_err() {
            jobs.iter().for_each(|job| job.obsolete.store(true, Ordering::Relaxed));
        }
        made.extend(collected?);
        Ok(made)
    })
}

fn job(chain: &ReleaseChain, missing: &MissingDelta) -> Option<Arc<DeltaJob>> {
    let result = chain.files.get(&missing.result)?;
    Some(Arc::new(DeltaJob {
        component: chain.list.component().clone(),
        path: result.path.clone(),
        size: result.size,
        base: missing.base,
        result: missing.result,
        body: missing.body,
        permille: AtomicU32::new(0),
        obsolete: AtomicBool::new(false),
    }))
}

/// Waits for all jobs, and looks meanwhile whether something else was published.
fn collect(
    receiver: &Receiver<(Pair, Result<Made>)>,
    destination: &dyn Destination,
    chain: &ReleaseChain,
    jobs: &[Arc<DeltaJob>],
    settings: &DeltaSettings,
) -> Result<Vec<(Pair, Result<Made>)>> {
    let mut seen = destination.timestamp_version()?;
    let mut made = Vec::new();
    loop {
        match receiver.recv_timeout(PUBLISHED_LOOK_INTERVAL) {
            Ok(one) => made.push(one),
            Err(RecvTimeoutError::Disconnected) => return Ok(made),
            Err(RecvTimeoutError::Timeout) => {
                let version = destination.timestamp_version()?;
                if version != seen {
                    seen = version;
                    if let Err(error) = stop_obsolete(destination, chain, jobs, settings) {
                        let error = error_chain(&error);
                        tracing::warn!(error, "deltas that may be obsolete are made to their end");
                    }
                }
            }
        }
    }
}

/// Stops what nobody needs any more.
fn stop_obsolete(
    destination: &dyn Destination,
    chain: &ReleaseChain,
    jobs: &[Arc<DeltaJob>],
    settings: &DeltaSettings,
) -> Result<()> {
    if is_current(destination, chain)? {
        return Ok(());
    }
    let now = load(destination, chain.list.component(), settings.releases)?;
    let planned = match &now {
        None => None,
        Some(now) => Some(plan_for(destination, now, &Inventory::new(), settings)?),
    };
    for job in jobs {
        let mut missing = planned.iter().flat_map(|planned| planned.plan.missing());
        if !missing.any(|missing| (missing.base, missing.result) == (job.base, job.result)) {
            job.obsolete.store(true, Ordering::Relaxed);
        }
    }
    Ok(())
}

/// An encoding that is watched, and can be stopped.
struct Watched<'a> {
    job: &'a DeltaJob,
    observer: &'a dyn DeltaObserver,
}

impl Control for Watched<'_> {
    fn cancelled(&self) -> bool {
        self.observer.is_stopped() || self.job.obsolete.load(Ordering::Relaxed)
    }

    fn progress(&self, done: u32) {
        self.job.permille.store(done, Ordering::Relaxed);
        self.observer.advanced(self.job);
    }
}

fn make_one(
    store: &Store,
    chain: &ReleaseChain,
    job: &DeltaJob,
    observer: &dyn DeltaObserver,
) -> Result<Made> {
    let watched = Watched { job, observer };
    if watched.cancelled() {
        return Ok(Made::Stopped);
    }
    let (Some(base), Some(result)) = (chain.files.get(&job.base), chain.files.get(&job.result)) else {
        return Ok(Made::Useless);
    };
    let (old, new) = match (content(store, base)?, content(store, result)?) {
        (Ok(old), Ok(new)) => (old, new),
        (Err(reason), _) | (_, Err(reason)) => return Ok(Made::NoBody(reason)),
    };
    let options = DeltaOptions::beside(job.body);
    let made = match encode_delta(&old, &new, &options, &watched) {
        Ok(Some(made)) => made,
        Ok(None) => return Ok(Made::Useless),
        Err(DeltaError::Cancelled) => return Ok(Made::Stopped),
        Err(source) => return Err(Error::Encode { path: job.path.clone(), source }),
    };
    if let Err(error) = prove(&made, &old, result, options.memory_max) {
        // Never named: clients have the full body.
        let error = error_chain(&error);
        tracing::error!(base = %job.base, result = %job.result, error, "a delta that was made does not decode");
        return Ok(Made::Useless);
    }
    let sha256 = Digest::from(made.body.sha256);
    let held = store.hold(sha256);
    // One that the disk changed is replaced.
    store.verify(&sha256)?;
    store.put(&made.bytes)?;
    let delta = Delta {
        base: job.base,
        sha256,
        size: made.body.size,
        format: DeltaFormat::Headwater1,
        memory: made.body.memory,
    };
    Ok(Made::Delta(delta, held))
}

/// Decodes a delta as a client would.
fn prove(
    made: &headwater_delta::Delta,
    base: &[u8],
    result: &FileEntry,
    memory_max: u64,
) -> std::result::Result<(), headwater_delta::DecodeError> {
    let file = Decoded { sha256: *result.sha256.as_bytes(), size: result.size };
    let mut stored = Cursor::new(&made.bytes);
    decode_delta(&mut stored, &made.body, base, &file, memory_max, std::io::sink())
}

/// A file from its stored body, or why that cannot be used.
fn content(store: &Store, file: &FileEntry) -> Result<std::result::Result<Vec<u8>, String>> {
    let mut bytes = Vec::new();
    let location = store.location(&file.body.sha256);
    let was_there = store.has(&file.body.sha256);
    match store.unpack(file, &mut bytes) {
        Ok(()) => Ok(Ok(bytes)),
        // A damaged one is removed when it is found.
        Err(UnpackError::NotThere(_)) if was_there => {
            Ok(Err(format!("{location}, a body of {}, is not what was signed", file.path)))
        }
        Err(UnpackError::NotThere(_)) => Ok(Err(body_problem(store, file))),
        Err(UnpackError::Store(error)) => Err(error.into()),
        Err(error) => Ok(Err(format!("{location}: {}", error_chain(&error)))),
    }
}
