//! What the signed policy states of the fleet: CAs, the response-signing key, revoked keys.
//!
//! All of it but the key is read from the database, in the transaction that changes it. The key is `fleet`'s, which
//! announces here which one it is now.

use headwater_api::settings::{FleetDocument, RevokedDocument};
use headwater_policy::{Class, Repository};
use headwater_repo::{Digest, error_chain};
use jiff::Timestamp;

use super::policies::policy_target;
use super::service::SourceListService;
use crate::audit::Audit;
use crate::caller::Caller;
use crate::db::{Connection, Tx, identities};
use crate::error::Result;
use crate::limits::REVOKED_SIGNED_MAX;
use crate::publishing::{StagedPublication, failed};

impl SourceListService {
    /// What the signed policy states of the fleet, as `db` has it.
    pub(super) async fn fleet_document(&self, db: &mut Connection, now: Timestamp) -> Result<FleetDocument> {
        let cas = crate::db::fleet::cas(db).await?;
        let revoked = identities::revoked_still(db, now, REVOKED_SIGNED_MAX).await?;
        let (distrusted, in_use): (Vec<_>, Vec<_>) = cas.into_iter().partition(|row| row.distrusted);
        Ok(FleetDocument {
            ca: in_use.into_iter().map(|row| row.certificate).collect(),
            distrusted_ca: distrusted.into_iter().map(|row| row.certificate).collect(),
            response_signing_keys: vec![self.response_signing_key.borrow().clone()],
            revoked: revoked
                .into_iter()
                .map(|row| RevokedDocument { client: row.client, key: row.key })
                .collect(),
            roots: self.publishing.root_versions(),
            anonymous_components: self.anonymous_components,
        })
    }

    /// Signs the policy with the fleet and the organisation's own components as they are in `tx`, and the settings of
    /// confidential domains that a client has `left` with a new key; nothing if nothing differs. The caller holds
    /// [`crate::publishing::PublishingService::change`].
    pub(crate) async fn stage_fleet(
        &self,
        tx: &mut Tx,
        left: &[String],
        now: Timestamp,
    ) -> Result<Vec<StagedPublication>> {
        let saved = tx.policy_now().await?;
        let document = self.signed_policy(tx, &saved, now).await?;
        let signed = self.publishing.published(Repository::Policy).target(&policy_target());
        let mut draft = self.publishing.draft(Repository::Policy);
        let mut free = self.publishing.draft(Class::Settings);
        let same = signed.is_some_and(|(_, digest)| digest == Digest::of(&document));
        if !same {
            draft.add(policy_target(), document).map_err(failed(Repository::Policy, "policy"))?;
        }
        let rekeyed = self.rekey(tx, (&mut draft, &mut free), left, now).await?;
        let mut staged = Vec::new();
        if !same || rekeyed {
            staged.push(self.publishing.stage(Repository::Policy, draft, now)?);
        }
        if rekeyed {
            staged.push(self.publishing.stage(Class::Settings, free, now)?);
        }
        Ok(staged)
    }

    /// Signs the policy again after the organisation's own components may have changed. A failure is logged: what was done
    /// is done, and the signing job tries again.
    pub(crate) async fn sign_own_components(&self, caller: &Caller) {
        if let Err(error) = self.sign_policy_again(caller).await {
            tracing::warn!(
                error = error_chain(&error),
                "the policy does not state the present components yet; signing it is tried again"
            );
        }
    }

    /// Signs the policy again if what it states beside what was saved has changed: a revoked key's certificate has run
    /// out, a component of the organisation's was published or removed (P4a). Returns whether it did.
    pub(crate) async fn sign_policy_again(&self, caller: &Caller) -> Result<bool> {
        let _change = self.publishing.change().await;
        let mut tx = self.db.begin().await?;
        let staged = self.stage_fleet(&mut tx, &[], caller.now).await?;
        let signed = !staged.is_empty();
        let audit = match signed {
            true => caller.audit_entry("policy.sign_again", "the signed policy").into(),
            false => Audit::Exempt("nothing is signed"),
        };
        self.publishing.commit(tx, staged, audit).await?;
        Ok(signed)
    }
}
