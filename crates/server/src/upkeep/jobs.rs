//! What the server does automatically: signing again before anything expires, the vendor source's schedule, deltas,
//! retention, garbage, scrubbing.
//!
//! The clock is read in the loops ([`crate::run`]'s) only. A job that fails is logged, shown in the status, and tried
//! again at the next tick.

use headwater_api::v1::SyncResult;
use headwater_policy::Repository;
use headwater_repo::{Role, error_chain};
use jiff::{SignedDuration, Timestamp};

use super::service::UpkeepService;
use crate::caller::Caller;
use crate::error::{Error, Result};

impl UpkeepService {
    /// Signs again what is due at `now`.
    pub async fn run_signing(&self, now: Timestamp) {
        let _pass = self.signing.lock().await;
        let signed = match self.publishing.permit_signing() {
            Ok(()) => self.sign_what_is_due(now).await,
            Err(stopped) => Err(stopped),
        };
        self.statuses.note("sign", now, signed);
    }

    /// Runs every other job that is due at `now`, one after the other.
    pub async fn run_jobs(&self, now: Timestamp) {
        self.look_at_disk();
        if self.publishing.permit_signing().is_ok() {
            self.sync_vendor_if_due(now).await;
        }
        if let Some(reason) = self.publishing.deletes_nothing(now) {
            for name in ["retention", "garbage", "scrub"] {
                self.statuses.note_waiting(name, &reason);
            }
            return;
        }
        if self.statuses.is_due("retention", now) {
            let done = self.forget_reports(now).await;
            self.statuses.note("retention", now, done);
        }
        if self.statuses.is_due("garbage", now) {
            let done = self.publishing.collect_garbage(now).await;
            self.statuses.note("garbage", now, done);
        }
        if self.statuses.is_due("scrub", now) {
            let done = self.scrub().await;
            self.statuses.note("scrub", now, done);
        }
    }

    async fn sync_vendor_if_due(&self, now: Timestamp) {
        match self.vendor_due(now).await {
            Ok(false) => {}
            Ok(true) => {
                // It notes its outcome itself.
                let _ = self.sync_vendor(&Caller::server(now)).await;
            }
            Err(error) => self.statuses.note("vendor", now, Err(error)),
        }
    }

    /// Makes the deltas that are missing at `now`.
    pub async fn run_deltas(&self, now: Timestamp) {
        if self.publishing.permit_signing().is_err() {
            return;
        }
        if let Some(made) = self.publishing.make_due_deltas(now).await {
            self.statuses.note("deltas", now, made);
        }
    }

    /// Takes what is new at the vendor source, and notes the outcome in the status.
    ///
    /// # Errors
    /// A refusal when there is no vendor source; failures of our own.
    pub async fn sync_vendor(&self, caller: &Caller) -> Result<SyncResult> {
        self.publishing.permit_signing()?;
        let synced = self.publishing.sync_vendor(caller).await;
        if !matches!(synced, Err(Error::Refused(_))) {
            self.statuses.note_sync(caller.now, &synced);
        }
        if synced.is_ok() {
            // A name that was the organisation's own may be the vendor's now.
            self.source_list.sign_own_components(caller).await;
        }
        synced
    }

    async fn sign_what_is_due(&self, now: Timestamp) -> Result<String> {
        // Nothing that fails hinders what comes after it.
        let mut steps = Vec::new();
        for repository in Repository::ALL {
            steps.push(self.sign_repository(repository, now).await);
        }
        let signed = |what: &str, done: Result<bool>| done.map(|done| done.then(|| what.to_owned()));
        steps.push(signed(
            "the policy, for what it states of the fleet and its components",
            self.source_list.sign_policy_again(&Caller::server(now)).await,
        ));
        steps.push(signed("the fleet listener's certificate", self.fleet.renew_chain(now)));
        steps.push(signed("where the audit log ends", self.publishing.sign_audit_anchor(now).await));
        steps.push(signed("the console's certificate", self.fleet.renew_console_certificate(now)));
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
            format!("signed again: {}", done.join(", "))
        })
    }

    async fn sign_repository(&self, repository: Repository, now: Timestamp) -> Result<Option<String>> {
        let resumed = self.publishing.end_broken_rotation(repository, now).await?;
        let role = self.publishing.sign_again(repository, now).await?;
        let root = resumed.then_some(Role::Root);
        let signed: Vec<String> =
            root.into_iter().chain(role).map(|role| format!("{role} of {repository}")).collect();
        Ok((!signed.is_empty()).then(|| signed.join(", ")))
    }

    async fn vendor_due(&self, now: Timestamp) -> Result<bool> {
        let Some(vendor) = self.db.vendor().await?.filter(|vendor| vendor.schedule_minutes > 0) else {
            return Ok(false);
        };
        let interval = SignedDuration::from_mins(i64::from(vendor.schedule_minutes));
        Ok(vendor.last_started.is_none_or(|last| now.duration_since(last) >= interval))
    }
}
