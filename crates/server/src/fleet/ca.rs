//! Certificates of the fleet: issued, renewed for our own listener, and the CA itself rotated with an overlap.
//!
//! A new CA is vouched for by the one before, and both stand in the signed policy, so clients of every age go on: who
//! has the policy trusts the new one, who has not gets to it over the cross-signed certificates that every chain carries.

use headwater_identity::{Chain, FleetCa, PublicKey, ServedName};
use headwater_policy::ClientId;
use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::fleet_keys::FleetKeys;
use super::key_files::ca_file;
use super::service::FleetService;
use crate::caller::Caller;
use crate::data;
use crate::db::Connection;
use crate::db::fleet::{self as rows, CaRow};
use crate::error::{Error, Refusal, Result, key_failed};
use crate::limits::FLEET_CAS_MAX;

/// What becomes of the CAs before a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FormerCas {
    /// Their certificates stay good until they end.
    StayGood,
    /// They were stolen: nobody admits the holders of their certificates. The new one is vouched for all the same, for
    /// clients that have not learnt of it, and these get another certificate by proving their key.
    Distrusted,
}

impl FleetService {
    /// Makes a new fleet CA. Where those before are distrusted, so are the keys of confidential domains: the database that
    /// has them was stolen, too.
    ///
    /// Returns the number of the new one, which counts from 1.
    ///
    /// # Errors
    /// Refusals where the CA is handed in, or was rotated so often that certificates of the oldest are still about.
    pub async fn rotate_ca(&self, former: FormerCas, caller: &Caller) -> Result<u64> {
        let now = caller.now;
        if self.settings.ca.is_some() {
            return Err(Refusal::invalid(
                "the fleet CA is handed in with fleet_ca; put another file there and start the server again",
            )
            .into());
        }
        let _change = self.publishing.change().await;
        let old = self.fleet_keys();
        let new = FleetCa::make(now).map_err(key_failed("making a fleet CA"))?;
        let cross_signed =
            old.ca.cross_sign(new.certificate(), now).map_err(key_failed("vouching for the new fleet CA"))?;
        let number = old.number + 1;
        let folder = self.data.fleet_keys();
        let (certificate, cross_signed, private) =
            (new.certificate().to_pem(), Some(cross_signed.to_pem()), new.to_pem());
        let row = CaRow { number, certificate, cross_signed, distrusted: false };
        let mut tx = self.db.begin().await?;
        rows::insert_ca(&mut tx, &row, now).await?;
        let mut rekeyed = Vec::new();
        if former == FormerCas::Distrusted {
            rows::distrust_cas_before(&mut tx, number).await?;
            rekeyed.extend(tx.domains().await?.into_iter().map(|row| row.path));
        }
        let in_use = drop_oldest(&mut tx, former, now).await?;
        let keys = old.with_ca(new, &in_use, &self.settings, &self.fleet_url, now)?;
        let staged = self.source_list.stage_fleet(&mut tx, &rekeyed, now).await?;
        let audit_entry = caller.audit_entry("fleet.rotate_ca", number).before(json!({"number": old.number}));
        let audit_entry = audit_entry.after(json!({"former_distrusted": former == FormerCas::Distrusted}));
        // Before it is believed anywhere, and not before everything else could be refused.
        data::write_file(&ca_file(&folder, number), private.expose_secret().as_bytes())?;
        self.publishing.commit(tx, staged, audit_entry).await?;
        self.set_fleet_keys(keys)?;
        let former_key = ca_file(&folder, old.number);
        if let Err(error) = std::fs::remove_file(&former_key) {
            tracing::warn!(%error, file = %former_key.display(), "the former fleet CA's key is of no more use; remove it");
        }
        tracing::info!(number, ?former, "fleet CA rotated");
        Ok(number)
    }

    /// Issues a client's certificate; an update agent's, if it is one by the saved policy: that is good for the
    /// addresses at which others reach it.
    pub(crate) async fn issue(
        &self,
        db: &mut Connection,
        keys: &FleetKeys,
        key: &PublicKey,
        client: &ClientId,
        now: Timestamp,
    ) -> Result<Chain> {
        let agents = db.policy_now().await?.document.update_agents;
        let role = agents.into_iter().find(|agent| agent.id == client.as_str() && !agent.classes.is_empty());
        let addresses = role.map(|agent| agent.addresses).unwrap_or_default();
        let names = addresses
            .iter()
            .map(|address| ServedName::parse(address))
            .collect::<std::result::Result<Vec<_>, _>>();
        let names = names.map_err(key_failed("reading an update agent's addresses"))?;
        keys.ca
            .issue_update_agent(key, client, &names, &keys.cross_signed, now)
            .map_err(key_failed("issuing a client's certificate"))
    }
}

/// Keeps as many CAs as may be in use; returns which are, the newest first. The oldest goes when every certificate that it
/// issued has run out.
async fn drop_oldest(tx: &mut crate::db::Tx, former: FormerCas, now: Timestamp) -> Result<Vec<CaRow>> {
    let mut in_use = rows::cas(tx).await?;
    if in_use.len() <= FLEET_CAS_MAX {
        return Ok(in_use);
    }
    let successor = in_use[FLEET_CAS_MAX - 1].number;
    let made = rows::ca_made(tx, successor).await?;
    let life = SignedDuration::try_from(headwater_identity::limits::CERTIFICATE_LIFE)
        .map_err(|error| Error::Corrupt { what: "life of a certificate", reason: error.to_string() })?;
    if now < made + life && former == FormerCas::StayGood {
        return Err(Refusal::invalid(format!(
            "the fleet CA was rotated {FLEET_CAS_MAX} times within the life of a certificate, and clients still show \
             some of the oldest; rotate again after {}, or distrust all CAs before the new one with `headwater keys rotate ca \
             --at-once`: each client then gets another certificate by its key",
            made + life
        ))
        .into());
    }
    in_use.truncate(FLEET_CAS_MAX);
    rows::delete_cas_before(tx, successor).await?;
    Ok(in_use)
}
