//! What keeps the server from doing its work, or soon will, in one list: for the status and `/health`. What an administrator
//! has to do otherwise is in the status's `warnings`.

use std::cmp::Reverse;

use headwater_api::v1::{DiskStatus, Health, JobStatus, ServerProblem, Severity};
use headwater_repo::error_chain;
use jiff::Timestamp;

use super::disk;
use super::service::UpkeepService;

impl UpkeepService {
    /// The disks of the data folder; empty if the system refuses, which is logged.
    pub(super) fn disks(&self) -> Vec<DiskStatus> {
        let folders = [self.data.root().to_owned(), self.data.root().join("repository")];
        disk::disks(&folders).unwrap_or_else(|error| {
            tracing::warn!(error = error_chain(&error), "the room on the disk is not known");
            Vec::new()
        })
    }

    /// Everything that is wrong at `now`, the worst first.
    pub(super) fn problems(
        &self,
        disks: &[DiskStatus],
        jobs: &[JobStatus],
        now: Timestamp,
    ) -> Vec<ServerProblem> {
        let mut problems = Vec::new();
        let problem = |code: &str, severity, since, message| ServerProblem {
            code: code.to_owned(),
            severity,
            since,
            message,
        };
        let hold = self.publishing.hold();
        if let Some(hold) = &hold {
            problems.push(problem("signing_stopped", Severity::Failed, Some(hold.since), hold.message()));
        }
        let odd = self.publishing.odd();
        if let Some(until) = self.publishing.deletes_nothing_until(now)
            && !odd.is_empty()
        {
            let message = format!("{}. Nothing is deleted before {until:.0}", odd.join("; "));
            problems.push(problem("odd_start", Severity::Warning, Some(self.started), message));
        }
        problems.extend(disks.iter().flat_map(disk::problems));
        for job in jobs {
            // While signing is stopped, that is the reason.
            let Some(error) = job.error.as_ref().filter(|_| hold.is_none()) else { continue };
            let severity = if job.name == "sign" { Severity::Failed } else { Severity::Warning };
            let message = format!("job {} fails: {error}", job.name);
            problems.push(problem("job_failed", severity, job.failing_since, message));
        }
        problems.extend(self.fleet.clients_ahead());
        problems.sort_by_key(|problem| Reverse(problem.severity));
        problems
    }

    /// Whether the server works, for a monitor: codes, no details.
    pub fn health(&self, now: Timestamp) -> Health {
        let problems = self.problems(&self.disks(), &self.statuses.all(), now);
        let status = match problems.first().map(|problem| problem.severity) {
            None => "ok",
            Some(Severity::Warning) => "warning",
            Some(Severity::Failed) => "failed",
        };
        let mut codes: Vec<String> = problems.into_iter().map(|problem| problem.code).collect();
        codes.sort();
        codes.dedup();
        Health { status: status.to_owned(), problems: codes }
    }

    /// Logs the room on the disk where it has become a problem, or is one no longer.
    pub(super) fn look_at_disk(&self) {
        let problems: Vec<ServerProblem> = self.disks().iter().flat_map(disk::problems).collect();
        let codes: Vec<_> = problems.iter().map(|it| (it.code.clone(), it.severity)).collect();
        let mut logged = self.disk_logged.lock().expect("nobody panics while holding this lock");
        for problem in &problems {
            if logged.contains(&(problem.code.clone(), problem.severity)) {
                continue;
            }
            match problem.severity {
                Severity::Warning => tracing::warn!("{}", problem.message),
                Severity::Failed => tracing::error!("{}", problem.message),
            }
        }
        if problems.is_empty() && !logged.is_empty() {
            tracing::info!("the disk has room again");
        }
        *logged = codes;
    }
}
