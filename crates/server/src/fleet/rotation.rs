//! The key that answers are signed with and the one that enrolments are sealed to, replaced while clients and bundles of
//! all ages go on.
//!
//! The new key is in its file before anything is signed that names it: what a crash leaves unsigned, the signing job
//! signs.

use headwater_identity::limits::RESPONSE_SIGNING_KEYS_FORMER_MAX;
use headwater_identity::{EncryptionKey, ResponseSigningKey};
use jiff::Timestamp;
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::enrolment_tokens::admitting;
use super::former;
use super::key_files::{encryption_file, response_signing_file};
use super::service::FleetService;
use crate::caller::Caller;
use crate::data;
use crate::db::{Connection, enrolment_tokens};
use crate::error::{Refusal, Result, key_failed};

impl FleetService {
    /// Replaces the key that answers are signed with. The signed policy names the new one alone; for those who have not got
    /// that policy yet, answers are signed with the former ones, too. Returns the new public key.
    ///
    /// # Errors
    /// A refusal while bundles admit clients that would not believe an answer any more; the disk, the database, or no
    /// randomness.
    pub async fn rotate_response_signing_key(&self, caller: &Caller) -> Result<String> {
        let _change = self.publishing.change().await;
        let mut tx = self.db.begin().await?;
        let (old, folder) = (self.fleet_keys(), self.data.fleet_keys());
        if let Some(replaced) = former::response_signing_key_dropped_next(&folder)? {
            refuse_bundles_since(&mut tx, replaced, caller.now).await?;
        }
        let new = ResponseSigningKey::generate().map_err(key_failed("making a key"))?;
        let public = new.public().to_string();
        former::keep_response_signing_key(&folder, &old.response_signing_key, caller.now)?;
        data::write_file(&response_signing_file(&folder), new.to_pem().expose_secret().as_bytes())?;
        self.set_fleet_keys(old.with_response_signing_key(new, former::response_signing_keys(&folder)?))?;
        let staged = self.source_list.stage_fleet(&mut tx, &[], caller.now).await?;
        let audit_entry =
            caller.audit_entry("fleet.rotate_response_signing_key", old.response_signing_key.fingerprint());
        self.publishing.commit(tx, staged, audit_entry.after(json!({"key": public}))).await?;
        tracing::info!(key = public, "the key that answers are signed with was replaced");
        Ok(public)
    }

    /// Replaces the key that enrolments are sealed to. Bundles that name the former one stay valid until they expire.
    /// Returns the new public key.
    ///
    /// # Errors
    /// As [`FleetService::rotate_response_signing_key`].
    pub async fn rotate_enrolment_encryption_key(&self, caller: &Caller) -> Result<String> {
        let _change = self.publishing.change().await;
        let (old, folder) = (self.fleet_keys(), self.data.fleet_keys());
        let new = EncryptionKey::generate().map_err(key_failed("making a key"))?;
        let public = new.public().to_string();
        let mut tx = self.db.begin().await?;
        if let Some(until) = enrolment_tokens::last_end(&mut tx, caller.now).await? {
            former::keep_encryption_key(&folder, &old.encryption_key, until)?;
        }
        data::write_file(&encryption_file(&folder), new.to_pem().expose_secret().as_bytes())?;
        self.set_fleet_keys(old.with_encryption_key(new, former::encryption_keys(&folder, caller.now)?))?;
        let audit_entry =
            caller.audit_entry("fleet.rotate_enrolment_encryption_key", old.encryption_key.public());
        tx.commit(audit_entry.after(json!({"key": public}))).await?;
        tracing::info!(key = public, "the key that enrolments are sealed to was replaced");
        Ok(public)
    }
}

/// Refuses to drop a response-signing key that was replaced at `replaced`, while bundles made before that admit somebody.
async fn refuse_bundles_since(db: &mut Connection, replaced: Timestamp, now: Timestamp) -> Result<()> {
    let mut tokens = admitting(db, now).await?;
    tokens.retain(|token| token.made <= replaced);
    let (Some(oldest), Some(last)) = (tokens.last(), tokens.iter().map(|token| token.expires).max()) else {
        return Ok(());
    };
    Err(Refusal::invalid(format!(
        "the key that answers are signed with was replaced {RESPONSE_SIGNING_KEYS_FORMER_MAX} times since enrolment token {} was \
         made, and clients that enrol with its bundle would reject answers after one more; rotate again after {last}, or revoke the \
         tokens made until {replaced} ({} of them: `headwater clients tokens`, `headwater clients revoke-token {}`) and \
         make new bundles",
        oldest.number,
        tokens.len(),
        oldest.number,
    ))
    .into())
}
