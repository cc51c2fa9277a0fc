//! Taking a key from the fleet: refused here at once, by update agents from the policy that is signed in the same step.

use headwater_api::settings::RevokedDocument;
use headwater_api::v1::RevokedView;
use headwater_identity::KeyFingerprint;
use jiff::Timestamp;
use serde_json::json;

use super::registry::known_client;
use super::service::FleetService;
use crate::audit::Record;
use crate::caller::Caller;
use crate::db::Tx;
use crate::db::identities::{self as rows, IdentityRow, RevokedRow};
use crate::error::{Refusal, Result};
use crate::limits::{REVOKED_SIGNED_MAX, REVOKED_WARNED_MIN};

impl FleetService {
    /// Revokes a client's key. The client stays in the registry, with its reports; to come back it enrols again, by a
    /// token for it alone.
    ///
    /// # Errors
    /// Refusals when it is not known, or has no key.
    pub async fn revoke_client(&self, id: &str, caller: &Caller) -> Result<RevokedView> {
        let now = caller.now;
        let _change = self.publishing.change().await;
        let mut tx = self.db.begin().await?;
        let client = known_client(&mut tx, id).await?;
        let identity = rows::of_client(&mut tx, id).await?.ok_or_else(|| Refusal::NoKey(id.to_owned()))?;
        let revoked = revoke(&mut tx, &identity, now).await?;
        rows::mark_client_revoked(&mut tx, id, now).await?;
        let staged = self.source_list.stage_fleet(&mut tx, std::slice::from_ref(&client.domain), now).await?;
        let readable = self.still_readable(&mut tx, &client).await?;
        let audit_entry = caller
            .audit_entry("client.revoke", id)
            .before(json!({"key": revoked.key, "until": revoked.until}));
        self.publishing.commit(tx, staged, audit_entry).await?;
        tracing::info!(client = client.id, key = revoked.key, "client revoked");
        Ok(RevokedView {
            client: revoked.client,
            key: revoked.key,
            revoked: revoked.revoked,
            until: revoked.until,
            readable,
        })
    }
}

impl FleetService {
    /// Revokes the keys that a signed policy lists as revoked and the database does not know of: it is older, or of a
    /// backup. Returns the clients.
    ///
    /// # Errors
    /// Only when the database fails.
    pub(crate) async fn take_revocations(
        &self,
        revoked: Vec<RevokedDocument>,
        audit_entry: Record,
    ) -> Result<Vec<String>> {
        let now = audit_entry.time;
        let mut tx = self.db.begin().await?;
        let mut clients = Vec::new();
        for RevokedDocument { client, key } in revoked {
            if key.parse::<KeyFingerprint>().is_err() || rows::is_revoked(&mut tx, &key).await? {
                continue;
            }
            match rows::of_key(&mut tx, &key).await? {
                Some(identity) => drop(revoke(&mut tx, &identity, now).await?),
                // It enrolled after the backup: nobody here knows how long its certificate is good.
                None => {
                    let until = now + headwater_identity::limits::CERTIFICATE_LIFE;
                    let row = RevokedRow { key, client: client.clone(), revoked: now, until };
                    rows::revoke(&mut tx, &row).await?;
                }
            }
            // It may be that the client was removed, or has another key since: the copy does not show it.
            rows::mark_client_revoked(&mut tx, &client, now).await?;
            clients.push(client);
        }
        tx.commit(audit_entry.after(clients.clone().into())).await?;
        Ok(clients)
    }

    /// What is to be known of the room for revoked keys in the signed policy.
    pub(crate) async fn revoked_warning(&self, now: Timestamp) -> Result<Option<String>> {
        let count = rows::count_revoked_still(&mut self.db.connection().await?, now).await?;
        Ok(warning(count))
    }
}

/// The sentence alone.
fn warning(revoked: u64) -> Option<String> {
    let max = u64::from(REVOKED_SIGNED_MAX);
    if revoked < u64::from(REVOKED_WARNED_MIN) {
        return None;
    }
    let beyond = match revoked.saturating_sub(max) {
        0 => "beyond that, update agents admit those whose certificates end first, until they do".to_owned(),
        1 => "1 is left out, the one whose certificate ends first, and update agents admit it until it does"
            .to_owned(),
        left_out => format!(
            "{left_out} are left out, those whose certificates end first, and update agents admit them until they do"
        ),
    };
    Some(format!(
        "{revoked} revoked keys have certificates that have not run out, and the signed policy has room for {max}: \
         {beyond} (the server refuses them all); remove or revoke no more clients than necessary until the number falls, \
         which it does as certificates run out, within 90 days"
    ))
}

/// Moves a key from those that are known to those that are good no longer.
pub(crate) async fn revoke(tx: &mut Tx, identity: &IdentityRow, now: Timestamp) -> Result<RevokedRow> {
    let revoked = RevokedRow {
        key: identity.key.clone(),
        client: identity.client.clone(),
        revoked: now,
        until: identity.certificate_end,
    };
    rows::delete(tx, &identity.client).await?;
    rows::revoke(tx, &revoked).await?;
    Ok(revoked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_room_for_revoked_keys_is_warned_of_well_before_it_ends() {
        let check = |revoked: u32, word: Option<&str>| {
            let text = warning(revoked.into());
            assert_eq!(text.is_some(), word.is_some(), "{revoked}: {text:?}");
            assert!(text.unwrap_or_default().contains(word.unwrap_or_default()), "{revoked}");
        };
        check(0, None);
        check(REVOKED_WARNED_MIN - 1, None);
        check(REVOKED_WARNED_MIN, Some("6144 revoked keys"));
        check(REVOKED_SIGNED_MAX, Some("beyond that"));
        check(REVOKED_SIGNED_MAX + 1, Some("1 is left out"));
        check(REVOKED_SIGNED_MAX + 2, Some("2 are left out"));
    }
}
