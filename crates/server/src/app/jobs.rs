//! What the server does by itself: signing anew before anything expires; the vendor source's schedule, garbage, reports,
//! what the disk changed.
//!
//! The clock is read in the loops ([`crate::run`]'s) only. A job that fails is logged,
//! shown in the status, and tried again at the next look.

use headwater_api::v1::{JobStatus, SyncResult};
use headwater_policy::Class;
use headwater_repo::Role;
use jiff::{SignedDuration, Timestamp};

use super::App;
use crate::access::Caller;
use crate::error::{Error, Result, told};
use crate::limits::GARBAGE_INTERVAL_SECONDS;
use headwater_repo::error_chain;

/// The jobs, in the order in which they run.
const NAMES: [&str; 6] = ["sign", "vendor", "deltas", "retention", "garbage", "scrub"];

/// What became of each job; what the status shows.
#[derive(Debug)]
pub struct Board {
    jobs: Vec<JobStatus>,
}

impl Default for Board {
    fn default() -> Self {
        let job = |name: &str| JobStatus {
            name: name.to_owned(),
            last_run: None,
            message: "not yet run".to_owned(),
            error: None,
        };
        Self { jobs: NAMES.into_iter().map(job).collect() }
    }
}

impl App {
    /// Signs anew what is due at `now`.
    pub async fn run_signing(&self, now: Timestamp) {
        let signed = self.sign_what_is_due(now).await;
        self.note("sign", now, signed);
    }

    /// Runs every other job that is due at `now`, one after the other.
    pub async fn run_jobs(&self, now: Timestamp) {
        match self.vendor_due(now).await {
            Ok(false) => {}
            Ok(true) => {
                // It notes itself what came of it.
                let _ = self.sync_vendor(&Caller::server(now)).await;
            }
            Err(error) => self.note("vendor", now, Err(error)),
        }
        if self.is_due("retention", now) {
            let done = self.forget_reports(now).await;
            self.note("retention", now, done);
        }
        if self.is_due("garbage", now) {
            let done = self.publishing.collect_garbage(now).await;
            self.note("garbage", now, done);
        }
        if self.is_due("scrub", now) {
            let done = self.scrub().await;
            self.note("scrub", now, done);
        }
    }

    /// Notes what came of a sync, whoever asked for it.
    fn note_sync(&self, now: Timestamp, synced: &Result<SyncResult>) {
        let mut board = self.board.lock().expect("nobody panics while holding this lock");
        let Some(job) = board.jobs.iter_mut().find(|job| job.name == "vendor") else { return };
        job.last_run = Some(now);
        let failure = match synced {
            Ok(result) => result.error.clone(),
            Err(error) => Some(told(error)),
        };
        job.message = match (&failure, synced) {
            (None, Ok(result)) if result.releases.len() == 1 => "1 new release".to_owned(),
            (None, Ok(result)) => format!("{} new releases", result.releases.len()),
            _ => "failed".to_owned(),
        };
        job.error = failure;
    }

    /// Makes the deltas that are missing at `now`.
    pub async fn run_deltas(&self, now: Timestamp) {
        if let Some(made) = self.publishing.make_due_deltas(now).await {
            self.note("deltas", now, made);
        }
    }

    /// Takes what is new at the vendor source, and notes the outcome in the status.
    ///
    /// # Errors
    /// A refusal when there is no vendor source; failures of our own.
    pub async fn sync_vendor(&self, caller: &Caller) -> Result<SyncResult> {
        let synced = self.publishing.sync_vendor(caller).await;
        if !matches!(synced, Err(Error::Refused(_))) {
            self.note_sync(caller.now, &synced);
        }
        synced
    }

    /// What became of each job.
    pub(crate) fn job_board(&self) -> Vec<JobStatus> {
        self.board.lock().expect("nobody panics while holding this lock").jobs.clone()
    }

    async fn sign_what_is_due(&self, now: Timestamp) -> Result<String> {
        // Nothing that fails hinders what comes after it.
        let mut steps = Vec::new();
        for class in Class::ALL {
            steps.push(self.sign_class(class, now).await);
        }
        let told = |what: &str, done: Result<bool>| done.map(|done| done.then(|| what.to_owned()));
        steps.push(told("the policy, for who belongs to the fleet", self.sign_fleet(now).await));
        steps.push(told("the fleet listener's certificate", self.renew_chain(now)));
        steps.push(told("where the audit log ends", self.publishing.sign_audit_anchor(now).await));
        steps.push(told("the console's certificate", self.renew_console_certificate(now)));
        for error in steps.iter().filter_map(|step| step.as_ref().err()).skip(1) {
            tracing::error!(
                error = error_chain(error),
                "something else could not be signed either; it is tried again"
            );
        }
        let done = steps.into_iter().filter_map(Result::transpose).collect::<Result<Vec<_>>>()?;
        Ok(if done.is_empty() {
            "nothing was due".to_owned()
        } else {
            format!("signed anew: {}", done.join(", "))
        })
    }

    async fn sign_class(&self, class: Class, now: Timestamp) -> Result<Option<String>> {
        let resumed = self.publishing.end_broken_rotation(class, now).await?;
        let role = self.publishing.sign_again(class, now).await?;
        let root = resumed.then_some(Role::Root);
        let signed: Vec<String> =
            root.into_iter().chain(role).map(|role| format!("{role} of {class}")).collect();
        Ok((!signed.is_empty()).then(|| signed.join(", ")))
    }

    async fn vendor_due(&self, now: Timestamp) -> Result<bool> {
        let Some(vendor) = self.db.vendor().await?.filter(|vendor| vendor.schedule_minutes > 0) else {
            return Ok(false);
        };
        let interval = SignedDuration::from_mins(i64::from(vendor.schedule_minutes));
        Ok(vendor.last_started.is_none_or(|last| now.duration_since(last) >= interval))
    }

    fn is_due(&self, name: &str, now: Timestamp) -> bool {
        let interval = SignedDuration::from_secs(GARBAGE_INTERVAL_SECONDS);
        let board = self.board.lock().expect("nobody panics while holding this lock");
        let last = board.jobs.iter().find(|job| job.name == name).and_then(|job| job.last_run);
        last.is_none_or(|last| now.duration_since(last) >= interval)
    }

    fn note(&self, name: &str, now: Timestamp, done: Result<String>) {
        let mut board = self.board.lock().expect("nobody panics while holding this lock");
        let Some(job) = board.jobs.iter_mut().find(|job| job.name == name) else { return };
        job.last_run = Some(now);
        match done {
            Ok(message) => {
                tracing::debug!(job = name, message, "job done");
                (job.message, job.error) = (message, None);
            }
            Err(error) => {
                tracing::error!(job = name, error = error_chain(&error), "job failed; it is tried again");
                (job.message, job.error) = ("failed".to_owned(), Some(told(&error)));
            }
        }
    }
}
