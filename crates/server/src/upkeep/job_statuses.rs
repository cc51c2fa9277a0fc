//! The outcome of each job, for the status.

use std::sync::{Mutex, MutexGuard};

use headwater_api::v1::{JobStatus, SyncResult};
use headwater_repo::error_chain;
use jiff::{SignedDuration, Timestamp};

use crate::error::{Result, summary};
use crate::limits::UPKEEP_INTERVAL_SECONDS;

/// The jobs, in the order in which the status lists them.
const NAMES: [&str; 6] = ["sign", "vendor", "deltas", "retention", "garbage", "scrub"];

/// The outcome of each job.
#[derive(Debug)]
pub(super) struct JobStatuses(Mutex<Vec<JobStatus>>);

impl Default for JobStatuses {
    fn default() -> Self {
        let job = |name: &str| JobStatus {
            name: name.to_owned(),
            last_run: None,
            message: "not yet run".to_owned(),
            error: None,
            failing_since: None,
        };
        Self(Mutex::new(NAMES.into_iter().map(job).collect()))
    }
}

impl JobStatuses {
    /// All of them.
    pub fn all(&self) -> Vec<JobStatus> {
        self.jobs().clone()
    }

    /// Whether a job that runs every hour is due.
    pub fn is_due(&self, name: &str, now: Timestamp) -> bool {
        let interval = SignedDuration::from_secs(UPKEEP_INTERVAL_SECONDS);
        let last = self.jobs().iter().find(|job| job.name == name).and_then(|job| job.last_run);
        last.is_none_or(|last| now.duration_since(last) >= interval)
    }

    /// Notes and logs the outcome of a job: what was done, in a sentence.
    pub fn note(&self, name: &str, now: Timestamp, done: Result<String>) {
        let before = self.jobs().iter().find(|job| job.name == name).and_then(|job| job.error.clone());
        let (message, error) = match done {
            Ok(message) => {
                match before {
                    Some(_) => tracing::info!(job = name, message, "job works again"),
                    None => tracing::debug!(job = name, message, "job done"),
                }
                (message, None)
            }
            Err(error) => {
                let (summary, error) = (summary(&error), error_chain(&error));
                // A job that fails at every tick for the same reason is logged once.
                if before.as_ref() == Some(&summary) {
                    tracing::debug!(job = name, error, "job failed again");
                } else {
                    tracing::error!(job = name, error, "job failed; it is tried again");
                }
                ("failed".to_owned(), Some(summary))
            }
        };
        self.set(name, now, message, error);
    }

    /// Notes that a job waits, and why; it stays due.
    pub fn note_waiting(&self, name: &str, reason: &str) {
        if let Some(job) = self.jobs().iter_mut().find(|job| job.name == name) {
            reason.clone_into(&mut job.message);
        }
    }

    /// Notes the outcome of a sync with the vendor source, whether the schedule or an administrator started it.
    pub fn note_sync(&self, now: Timestamp, synced: &Result<SyncResult>) {
        let failure = match synced {
            Ok(result) => result.error.clone(),
            Err(error) => Some(summary(error)),
        };
        let message = match (&failure, synced) {
            (None, Ok(result)) => new_releases(result.releases.len()),
            (Some(_), Ok(result)) if !result.rejected.is_empty() => {
                format!("{}, {} rejected", new_releases(result.releases.len()), result.rejected.len())
            }
            _ => "failed".to_owned(),
        };
        self.set("vendor", now, message, failure);
    }

    fn set(&self, name: &str, now: Timestamp, message: String, error: Option<String>) {
        if let Some(job) = self.jobs().iter_mut().find(|job| job.name == name) {
            job.failing_since = error.is_some().then(|| job.failing_since.unwrap_or(now));
            (job.last_run, job.message, job.error) = (Some(now), message, error);
        }
    }

    fn jobs(&self) -> MutexGuard<'_, Vec<JobStatus>> {
        self.0.lock().expect("nobody panics while holding this lock")
    }
}

fn new_releases(count: usize) -> String {
    match count {
        0 => "no new releases".to_owned(),
        1 => "1 new release".to_owned(),
        count => format!("{count} new releases"),
    }
}
