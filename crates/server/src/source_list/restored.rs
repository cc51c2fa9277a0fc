//! Policy and class `settings` of a server that was restored, or that adopts what is published: everything that clients
//! compare is raised beyond what may have been signed elsewhere.

use headwater_policy::Repository;
use headwater_publisher::ChangeLock;
use headwater_publisher::roots::NewRoots;
use headwater_repo::{SignedRoot, TargetName};
use jiff::Timestamp;

use super::confidential::domain_bytes;
use super::domain_documents::{Part, documents};
use super::policies::policy_target;
use super::service::SourceListService;
use crate::audit::Record;
use crate::caller::Caller;
use crate::db::domains::DomainRow;
use crate::db::policies::PolicyRow;
use crate::db::{Tx, domains, fleet, policies};
use crate::error::Result;

impl SourceListService {
    /// Publishes the newest saved policy as a version with this comment, under the new roots if there are any, with every
    /// version raised by `step`; class settings comes after it. The caller holds the turn of those who publish.
    pub(crate) async fn publish_raised_policy(
        &self,
        change: &ChangeLock,
        roots: Vec<SignedRoot>,
        step: u64,
        comment: String,
        audit_entry: Record,
    ) -> Result<()> {
        let now = audit_entry.time;
        let mut tx = self.db.begin().await?;
        let current = tx.policy_now().await?;
        let saved = PolicyRow {
            version: current.version + step,
            saved: now,
            saved_by: audit_entry.who.clone(),
            comment,
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
        let mut targets = targets(&mut tx, Part::Typed, &rows, now).await?;
        targets.push((policy_target(), policy));
        self.publish_raised(
            change,
            Repository::Policy,
            NewRoots { roots, version_bump: step, targets },
            (tx, audit_entry),
        )
        .await
    }

    /// Publishes class `settings` likewise, after the policy.
    pub(crate) async fn publish_raised_settings(
        &self,
        change: &ChangeLock,
        roots: Vec<SignedRoot>,
        step: u64,
        audit_entry: Record,
    ) -> Result<()> {
        let now = audit_entry.time;
        let mut tx = self.db.begin().await?;
        let rows = tx.domains().await?;
        let targets = targets(&mut tx, Part::Free, &rows, now).await?;
        let new = NewRoots { roots, version_bump: step, targets };
        self.publish_raised(change, Part::Free.repository(), new, (tx, audit_entry)).await
    }

    async fn publish_raised(
        &self,
        change: &ChangeLock,
        repository: Repository,
        new: NewRoots,
        (tx, audit_entry): (Tx, Record),
    ) -> Result<()> {
        let now = audit_entry.time;
        let destination =
            self.publishing.destination(repository, &Caller::server(now)).saving(tx, audit_entry);
        self.publishing.publish_under(change, destination, new, now).await
    }
}

/// What stands in the target of each domain.
async fn targets(
    tx: &mut Tx,
    part: Part,
    rows: &[DomainRow],
    now: Timestamp,
) -> Result<Vec<(TargetName, Vec<u8>)>> {
    let mut targets = Vec::new();
    for document in documents(rows)? {
        let bytes = domain_bytes(tx, part, &document, now).await?;
        targets.push((part.target(&document.domain), bytes));
    }
    Ok(targets)
}
