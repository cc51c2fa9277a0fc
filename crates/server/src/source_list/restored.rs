//! Class `settings` of a server that was restored: everything that clients compare goes beyond the lost server's.

use headwater_policy::Class;
use headwater_repo::SignedRoot;
use jiff::Timestamp;

use super::confidential::domain_bytes;
use super::domain_documents::{documents, domain_target};
use super::policies::{policy_target, signed_policy};
use super::service::SourceList;
use crate::audit::Record;
use crate::db::policies::Saved;
use crate::db::{domains, fleet, policies};
use crate::error::Result;
use crate::publishing::failed;

impl SourceList {
    /// Publishes the settings of a backup made at `made` under new roots, with every version raised by `step`. The caller
    /// holds the turn of those who publish.
    pub(crate) async fn publish_restored(
        &self,
        roots: Vec<SignedRoot>,
        step: u64,
        made: Timestamp,
        audit_entry: Record,
    ) -> Result<()> {
        let now = audit_entry.time;
        let mut tx = self.db.begin().await?;
        let current = tx.policy_now().await?;
        let saved = Saved {
            version: current.version + step,
            saved: now,
            comment: format!("restored from a backup of {made:.0}"),
            ..current
        };
        policies::insert(&mut tx, &saved).await?;
        let mut rows = tx.domains().await?;
        for row in &mut rows {
            row.version += step;
            domains::put(&mut tx, row).await?;
        }
        let mut targets =
            vec![(policy_target(), signed_policy(&saved, self.fleet_document(&mut tx, now).await?))];
        for document in documents(&rows)? {
            // A thief of the lost server has the keys of confidential domains: they get new ones.
            fleet::delete_domain_keys(&mut tx, &document.domain).await?;
            let bytes = domain_bytes(&mut tx, &document, now).await?;
            targets.push((domain_target(&document.domain), bytes));
        }
        let edit = |draft: &mut headwater_repo::Draft| {
            targets.into_iter().try_for_each(|(target, bytes)| {
                draft.add(target, bytes).map_err(failed(Class::Settings, "restoring"))
            })
        };
        self.publishing.take_roots(Class::Settings, roots, step, tx, edit, audit_entry).await
    }
}
