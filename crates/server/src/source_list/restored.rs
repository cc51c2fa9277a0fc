//! Policy and class `settings` of a server that was restored: everything that clients compare goes beyond the lost
//! server's.

use headwater_policy::Repository;
use headwater_repo::{SignedRoot, TargetsDraft};
use jiff::Timestamp;

use super::confidential::domain_bytes;
use super::domain_documents::{Part, documents};
use super::policies::policy_target;
use super::service::SourceListService;
use crate::audit::Record;
use crate::db::domains::DomainRow;
use crate::db::policies::PolicyRow;
use crate::db::{Tx, domains, fleet, policies};
use crate::error::Result;
use crate::publishing::failed;

impl SourceListService {
    /// Publishes the policy of a backup made at `made` under new roots, with every version raised by `step`; class
    /// settings comes after it. The caller holds the turn of those who publish.
    pub(crate) async fn publish_restored_policy(
        &self,
        roots: Vec<SignedRoot>,
        step: u64,
        made: Timestamp,
        audit_entry: Record,
    ) -> Result<()> {
        let now = audit_entry.time;
        let mut tx = self.db.begin().await?;
        let current = tx.policy_now().await?;
        let saved = PolicyRow {
            version: current.version + step,
            saved: now,
            comment: format!("restored from a backup of {made:.0}"),
            ..current
        };
        policies::insert(&mut tx, &saved).await?;
        let mut rows = tx.domains().await?;
        for row in &mut rows {
            row.version += step;
            row.typed_version += step;
            domains::put(&mut tx, row).await?;
            // A thief of the lost server has the keys of confidential domains: they get new ones.
            fleet::delete_domain_keys(&mut tx, &row.path).await?;
        }
        let policy = self.signed_policy(&mut tx, &saved, now).await?;
        let targets = targets(&mut tx, Part::Typed, &rows, now).await?;
        let edit = |draft: &mut TargetsDraft| {
            draft.add(policy_target(), policy).map_err(failed(Repository::Policy, "restoring"))?;
            add(draft, Part::Typed, targets)
        };
        self.publishing.take_roots(Repository::Policy, roots, step, tx, edit, audit_entry).await
    }

    /// Publishes class `settings` under new roots, after the policy.
    pub(crate) async fn publish_restored_settings(
        &self,
        roots: Vec<SignedRoot>,
        step: u64,
        audit_entry: Record,
    ) -> Result<()> {
        let now = audit_entry.time;
        let mut tx = self.db.begin().await?;
        let rows = tx.domains().await?;
        let targets = targets(&mut tx, Part::Free, &rows, now).await?;
        let edit = |draft: &mut TargetsDraft| add(draft, Part::Free, targets);
        self.publishing.take_roots(Part::Free.repository(), roots, step, tx, edit, audit_entry).await
    }
}

/// What stands in the target of each domain.
async fn targets(
    tx: &mut Tx,
    part: Part,
    rows: &[DomainRow],
    now: Timestamp,
) -> Result<Vec<(String, Vec<u8>)>> {
    let mut targets = Vec::new();
    for document in documents(rows)? {
        let bytes = domain_bytes(tx, part, &document, now).await?;
        targets.push((document.domain, bytes));
    }
    Ok(targets)
}

fn add(draft: &mut TargetsDraft, part: Part, targets: Vec<(String, Vec<u8>)>) -> Result<()> {
    targets.into_iter().try_for_each(|(domain, bytes)| {
        draft.add(part.target(&domain), bytes).map_err(failed(part.repository(), "restoring"))
    })
}
