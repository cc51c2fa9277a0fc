//! The end of the audit log in the signed policy: the target `audit.json` names the last record, so every client of
//! the fleet has a copy that shows if the log is cut off later. Verifying the log against it is `access`'s.

use headwater_policy::Repository;
use headwater_repo::TargetName;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::failures::of_publisher;
use super::service::PublishingService;
use crate::audit::{Audit, Head};
use crate::db::to_json;
use crate::error::{Error, Result};
use crate::limits;

/// The target that names the end of the log.
const TARGET: &str = "audit.json";
/// Its version.
const FORMAT: u32 = 1;

/// The content of the target.
#[derive(Debug, Serialize, Deserialize)]
pub struct AuditAnchor {
    format: u32,
    /// Number of the last record.
    pub number: u64,
    /// Its hash, hex.
    pub hash: String,
}

impl PublishingService {
    /// Where the log ends, as a target of the policy.
    pub(super) fn audit_anchor_target(&self) -> (TargetName, Vec<u8>) {
        let Head { number, hash } = self.db.last_recorded();
        (target(), to_json(&AuditAnchor { format: FORMAT, number, hash }).into_bytes())
    }

    /// Signs where the log ends, if records have waited for that for a day. Returns whether it did.
    pub(crate) async fn sign_audit_anchor(&self, now: Timestamp) -> Result<bool> {
        let _change = self.change().await;
        let signed = self.audit_anchor()?.map_or(0, |anchor| anchor.number);
        let mut tx = self.db.begin().await?;
        let waiting = tx.audit_after(signed, 1).await?;
        let wait = SignedDuration::from_secs(limits::AUDIT_ANCHOR_SECONDS);
        if waiting.first().is_none_or(|first| now.duration_since(first.record.time) < wait) {
            return Ok(false);
        }
        let staged = self.stage(Repository::Policy, self.draft(Repository::Policy), now)?;
        let exempt = Audit::Exempt("it signs where the log ends, and would be the next to be signed");
        self.commit(tx, vec![staged.without_news()], exempt).await?;
        Ok(true)
    }

    /// Where the log ended when the signed policy was signed.
    pub(crate) fn audit_anchor(&self) -> Result<Option<AuditAnchor>> {
        let repository = Repository::Policy;
        let signed =
            headwater_publisher::target(self.objects(repository), &self.published(repository), &target());
        let Some(bytes) = signed.map_err(|error| of_publisher(repository, error))? else { return Ok(None) };
        let corrupt = |error: serde_json::Error| Error::Corrupt { what: TARGET, reason: error.to_string() };
        serde_json::from_slice(&bytes).map(Some).map_err(corrupt)
    }
}

fn target() -> TargetName {
    TargetName::new(TARGET).expect("a plain file name is a target name")
}
