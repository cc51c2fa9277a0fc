//! What the server does by itself: signing anew before anything expires; the vendor source's schedule, garbage, reports.
//!
//! The clock is read in the loops ([`crate::run`]'s) only. A job that fails is logged,
//! shown in the status, and tried again at the next look.

use headwater_api::v1::JobStatus;
use headwater_policy::Class;
use jiff::{SignedDuration, Timestamp};

use super::App;
use crate::access::By;
use crate::error::{Result, chain};
use crate::limits::GARBAGE_INTERVAL_SECONDS;

/// The jobs, in the order in which they run.
const NAMES: [&str; 5] = ["sign", "vendor", "increments", "retention", "garbage"];

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
                let synced = self.sync_vendor(&By::server(now)).await.map(|result| match result.error {
                    None => format!("{} new releases", result.releases.len()),
                    Some(error) => format!("failed: {error}"),
                });
                self.note("vendor", now, synced);
            }
            Err(error) => self.note("vendor", now, Err(error)),
        }
        if self.is_due("retention", now) {
            let done = self.forget_reports(now).await;
            self.note("retention", now, done);
        }
        if self.is_due("garbage", now) {
            let done = self.collect_garbage(now).await;
            self.note("garbage", now, done);
        }
    }

    /// Makes the increments that lack at `now`.
    pub async fn run_increments(&self, now: Timestamp) {
        if self.workshop.is_stopped() {
            return;
        }
        let made = self.make_increments(now).await;
        self.note("increments", now, made);
    }

    /// What became of each job.
    pub(crate) fn job_board(&self) -> Vec<JobStatus> {
        self.board.lock().expect("nobody panics while holding this lock").jobs.clone()
    }

    async fn sign_what_is_due(&self, now: Timestamp) -> Result<String> {
        let mut done = Vec::new();
        for class in Class::ALL {
            if self.end_broken_rotation(class, now).await? {
                done.push(format!("root of {class}"));
            }
            if let Some(role) = self.sign_again(class, now).await? {
                done.push(format!("{role} of {class}"));
            }
        }
        if self.sign_fleet(now).await? {
            done.push("the policy, for who belongs to the fleet".to_owned());
        }
        if self.renew_chain(now)? {
            done.push("the fleet listener's certificate".to_owned());
        }
        if self.sign_anchor(now).await? {
            done.push("where the audit log ends".to_owned());
        }
        // Last: files that somebody else keeps must hinder nothing of the above.
        if self.renew_console_certificate(now)? {
            done.push("the console's certificate".to_owned());
        }
        Ok(if done.is_empty() {
            "nothing was due".to_owned()
        } else {
            format!("signed anew: {}", done.join(", "))
        })
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
                tracing::error!(job = name, error = chain(&error), "job failed; it is tried again");
                // Paths and statements stay in the log.
                (job.message, job.error) =
                    ("failed".to_owned(), Some(format!("{error}; the server's log says more")));
            }
        }
    }
}
