//! The record of a run's attempts: one for each source that was asked for a class (P12).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use headwater_api::report::{Attempt, AttemptResult, Reason};
use jiff::Timestamp;
use tokio::time::Instant;

use super::fault::Fault;
use super::http::Activity;
use crate::source::Source;

/// Wall-clock time that goes on from one reading: this crate reads no clock but the monotonic one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    now: Timestamp,
    at: Instant,
}

impl Clock {
    pub(crate) fn starting(now: Timestamp) -> Self {
        Self { now, at: Instant::now() }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.at_instant(Instant::now())
    }

    fn at_instant(&self, instant: Instant) -> Timestamp {
        let elapsed = jiff::SignedDuration::try_from(instant.saturating_duration_since(self.at));
        elapsed.ok().and_then(|elapsed| self.now.checked_add(elapsed).ok()).unwrap_or(self.now)
    }
}

/// Attempts by source, in the order they began.
#[derive(Debug)]
pub(crate) struct Log {
    clock: Clock,
    from_version: u64,
    records: Mutex<Vec<Record>>,
}

#[derive(Debug)]
struct Record {
    source: usize,
    started: Instant,
    ended: Instant,
    activity: Arc<Activity>,
    to_version: u64,
    /// It gave metadata or content that was taken.
    metadata: Metadata,
    content: bool,
    fault: Option<(Reason, String)>,
}

/// What became of a source's metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Metadata {
    NotTaken,
    TakenSame,
    TakenNewer,
    PassedOver,
}

impl Log {
    pub(crate) fn new(clock: Clock, from_version: u64) -> Self {
        Self { clock, from_version, records: Mutex::default() }
    }

    /// The source is asked for something; its bytes are counted in what is returned.
    pub(crate) fn begin(&self, source: usize) -> Arc<Activity> {
        self.with(source, |record| Arc::clone(&record.activity))
    }

    /// Its metadata was taken; what it failed at before no longer counts, unless it was taken although it is stale.
    pub(crate) fn taken(&self, source: usize, version: u64, stale: bool) {
        let newer = version > self.from_version;
        self.with(source, |record| {
            record.to_version = version;
            if !stale {
                record.fault = None;
            }
            record.metadata = if newer { Metadata::TakenNewer } else { Metadata::TakenSame };
        });
    }

    /// It answered well with that version, before anybody decided whether to take it.
    pub(crate) fn answered(&self, source: usize, version: u64) {
        self.with(source, |record| record.to_version = version);
    }

    /// Content came from it and was right; with `after_all`, what it was blamed for before.
    pub(crate) fn gave(&self, source: usize, after_all: bool) {
        self.with(source, |record| {
            record.content = true;
            if after_all {
                record.fault = None;
            }
        });
    }

    pub(crate) fn failed(&self, source: usize, fault: &Fault) {
        self.with(source, |record| record.fault = Some((fault.reason, fault.detail.clone())));
    }

    /// Another source was taken before this one had answered.
    pub(crate) fn passed_over(&self, source: usize, reason: Reason, detail: &str) {
        self.with(source, |record| {
            record.metadata = Metadata::PassedOver;
            record.fault = Some((reason, detail.to_owned()));
        });
    }

    /// The attempts so far, as a report has them.
    pub(crate) fn attempts(&self, sources: &[Source]) -> Vec<Attempt> {
        self.lock().iter().map(|record| self.attempt(record, &sources[record.source])).collect()
    }

    fn attempt(&self, record: &Record, source: &Source) -> Attempt {
        let gave = record.content || record.metadata == Metadata::TakenNewer;
        let result = match (&record.fault, record.metadata) {
            (Some(_), Metadata::PassedOver) if !record.content => AttemptResult::PassedOver,
            // It was taken although it is stale: nobody had anything fresher.
            (Some((Reason::Stale, _)), Metadata::TakenNewer) => AttemptResult::Used,
            (Some((Reason::Stale, _)), Metadata::TakenSame) => AttemptResult::Current,
            (Some((Reason::Silent, _)), _) if gave => AttemptResult::PassedOver,
            // It may have given a part; it was unable all the same (P9).
            (Some(_), _) => AttemptResult::Failed,
            (None, _) if gave => AttemptResult::Used,
            (None, Metadata::TakenSame) => AttemptResult::Current,
            (None, _) => AttemptResult::PassedOver,
        };
        let (reason, detail) = record.fault.clone().map_or((None, String::new()), |(r, d)| (Some(r), d));
        let took = record.ended.saturating_duration_since(record.started);
        Attempt {
            source: source.key().to_owned(),
            url: source.url().to_owned(),
            entry: source.entry(),
            class: source.repository().to_owned(),
            result,
            reason,
            detail,
            bytes: record.activity.bytes(),
            delta_bytes: record.activity.of_deltas(),
            started: self.clock.at_instant(record.started),
            duration_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            from_version: self.from_version,
            to_version: record.to_version,
        }
    }

    fn with<T>(&self, source: usize, change: impl FnOnce(&mut Record) -> T) -> T {
        let now = Instant::now();
        let mut records = self.lock();
        let at = records.iter().position(|record| record.source == source).unwrap_or_else(|| {
            records.push(Record {
                source,
                started: now,
                ended: now,
                activity: Arc::new(Activity::new()),
                to_version: 0,
                metadata: Metadata::NotTaken,
                content: false,
                fault: None,
            });
            records.len() - 1
        });
        let record = &mut records[at];
        record.ended = now;
        change(record)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Record>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
