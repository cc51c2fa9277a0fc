//! Who belongs to the fleet (I3): enrolment, certificates, statements, revocation.
//!
//! Each decision is made apart ([`admission`], [`sequence`]) from rows that were read in the transaction that saves what
//! comes of it. What others must know of it (CAs, response-signing keys, revoked keys) travels in the signed policy: whoever
//! changes it signs that anew in the same step ([`App::stage_fleet`]).

pub mod admission;
mod ca;
pub(crate) mod confidential;
mod enrol;
mod former;
pub mod keys;
mod peers;
pub(crate) mod re_enrolment;
mod refusals;
mod revocation;
mod rotation;
pub mod sequence;
mod statements;
mod tokens;

pub use ca::FormerCas;
pub use peers::Asked;
pub use refusals::Refusals;
pub(crate) use revocation::revoke;

use std::sync::Arc;

use headwater_api::settings::{FleetDocument, RevokedDocument};
use headwater_depot::serve::Tls;
use headwater_policy::Class;
use headwater_repo::Digest;
use jiff::Timestamp;

use self::keys::FleetKeys;
use super::App;
use super::policies::{policy_target, signed_policy};
use crate::access::Caller;
use crate::audit::Audit;
use crate::db::{Tx, identities};
use crate::error::Result;
use crate::limits::REVOKED_SIGNED_MAX;
use crate::publishing::{Staged, failed};

impl App {
    /// The keys as they are now.
    pub(crate) fn fleet_keys(&self) -> Arc<FleetKeys> {
        Arc::clone(&self.fleet.read().expect("nobody panics while holding this lock"))
    }

    /// Takes other keys; the listener shows the new certificate from the next connection on.
    pub(crate) fn set_fleet_keys(&self, keys: FleetKeys) -> Result<()> {
        let tls = keys.tls()?;
        *self.fleet.write().expect("nobody panics while holding this lock") = Arc::new(keys);
        self.fleet_tls.send_replace(tls);
        Ok(())
    }

    /// What the fleet listener speaks, now and later.
    pub(crate) fn fleet_tls(&self) -> Tls {
        self.fleet_tls.subscribe()
    }

    /// Whether class `components` is open to readers without a certificate.
    pub(crate) fn anonymous_components(&self) -> bool {
        self.config.anonymous_components
    }

    /// What the signed policy says of the fleet, as `db` has it.
    pub(crate) async fn fleet_document(
        &self,
        db: &mut crate::db::Connection,
        now: Timestamp,
    ) -> Result<FleetDocument> {
        let keys = self.fleet_keys();
        let cas = crate::db::fleet::cas(db).await?;
        let revoked = identities::revoked_still(db, now, REVOKED_SIGNED_MAX).await?;
        let (given_up, in_use): (Vec<_>, Vec<_>) = cas.into_iter().partition(|row| row.given_up);
        Ok(FleetDocument {
            ca: in_use.into_iter().map(|row| row.certificate).collect(),
            given_up_ca: given_up.into_iter().map(|row| row.certificate).collect(),
            response_signing_keys: vec![keys.answer.public().to_string()],
            revoked: revoked
                .into_iter()
                .map(|row| RevokedDocument { client: row.client, key: row.key })
                .collect(),
            anonymous_components: self.config.anonymous_components,
        })
    }

    /// Signs the policy with what `tx` says of the fleet, and the settings of confidential domains that somebody has
    /// `left` with a new key; none: nothing differs. The caller holds [`Publishing::change`](crate::publishing::Publishing::change).
    pub(crate) async fn stage_fleet(
        &self,
        tx: &mut Tx,
        left: &[String],
        now: Timestamp,
    ) -> Result<Option<Staged>> {
        let saved = self.db.policy_now().await?;
        let document = signed_policy(&saved, self.fleet_document(tx, now).await?);
        let signed = self.publishing.published(Class::Settings).target(&policy_target());
        let mut draft = self.publishing.draft(Class::Settings);
        let same = signed.is_some_and(|(_, digest)| digest == Digest::of(&document));
        if !same {
            draft.add(policy_target(), document).map_err(failed(Class::Settings, "policy"))?;
        }
        let rekeyed = self.rekey(tx, &mut draft, left, now).await?;
        if same && !rekeyed {
            return Ok(None);
        }
        self.publishing.stage(Class::Settings, draft, now).map(Some)
    }

    /// Signs the policy anew if what it says of the fleet is no longer so: a revoked key's certificate has run out.
    /// Says whether it was.
    pub(crate) async fn sign_fleet(&self, now: Timestamp) -> Result<bool> {
        let _change = self.publishing.change().await;
        let mut tx = self.db.begin().await?;
        let staged = self.stage_fleet(&mut tx, &[], now).await?;
        let signed = staged.is_some();
        let audit = match signed {
            true => Caller::server(now).audit_entry("fleet.sign", "the signed policy").into(),
            false => Audit::Exempt("nothing is signed"),
        };
        self.publishing.commit(tx, staged.into_iter().collect(), audit).await?;
        Ok(signed)
    }
}
