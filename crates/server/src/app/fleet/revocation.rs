//! Taking a key from the fleet: refused here at once, by update agents from the policy that is signed in the same step.

use headwater_api::v1::RevokedView;
use jiff::Timestamp;
use serde_json::json;

use crate::access::By;
use crate::app::App;
use crate::db::Tx;
use crate::db::identities::{self as rows, IdentityRow, RevokedRow};
use crate::error::{Refusal, Result};

impl App {
    /// Revokes a client's key. The client stays in the registry, with its reports; to come back it enrols anew.
    ///
    /// # Errors
    /// Refusals when it is not known, or has no key.
    pub async fn revoke_client(&self, id: &str, by: &By) -> Result<RevokedView> {
        let now = by.now;
        let _change = self.change().await;
        let client = self.known_client(id).await?;
        let mut tx = self.db.begin().await?;
        let identity = rows::of_client(&mut tx, id).await?.ok_or_else(|| Refusal::NotFound {
            what: "key of client",
            name: id.to_owned(),
            way_out: "it was revoked already, or never enrolled; look at the client",
        })?;
        let revoked = revoke(&mut tx, &identity, now).await?;
        let staged = self.stage_fleet(&mut tx, std::slice::from_ref(&client.domain), now).await?;
        let did = by.did("client.revoke", id).before(json!({"key": revoked.key, "until": revoked.until}));
        self.commit(tx, staged.into_iter().collect(), did).await?;
        tracing::info!(client = client.id, key = revoked.key, "client revoked");
        Ok(RevokedView {
            client: revoked.client,
            key: revoked.key,
            revoked: revoked.revoked,
            until: revoked.until,
        })
    }
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
