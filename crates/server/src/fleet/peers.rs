//! Who is at the other end of a connection, and whether it may be there.

use std::net::IpAddr;

use headwater_api::v1::UnknownClientView;
use headwater_identity::Peer;
use headwater_policy::ClientId;
use jiff::Timestamp;

use super::service::FleetService;
use super::unknown_once::once_each;
use crate::audit::Audit;
use crate::db::unknown_clients::UnknownClient;
use crate::db::{identities, unknown_clients};
use crate::error::{Error, Refusal, Result};

impl FleetService {
    /// The client that showed this certificate (DER), if it is known and was not revoked. Asked for each request, so
    /// that a revocation counts on open connections too.
    ///
    /// # Errors
    /// [`Refusal::CertificateNeeded`], [`Refusal::CaDistrusted`], [`Refusal::KeyRevoked`], [`Refusal::NotEnrolled`].
    pub async fn known_peer(&self, certificate: &[u8], from: IpAddr, now: Timestamp) -> Result<Peer> {
        let peer = Peer::from_der(certificate).map_err(|_| Refusal::CertificateNeeded)?;
        if !peer.is_good_at(now) {
            return Err(Refusal::CertificateNeeded.into());
        }
        if self.fleet_keys().is_of_distrusted_ca(certificate) {
            return Err(Refusal::CaDistrusted.into());
        }
        let key = peer.key.to_string();
        let mut db = self.db.connection().await?;
        let known = identities::of_key(&mut db, &key).await?;
        if known.is_some_and(|identity| identity.client == peer.client.as_str()) {
            return Ok(peer);
        }
        let revoked = identities::is_revoked(&mut db, &key).await?;
        drop(db);
        let (reason, refusal) = match revoked {
            true => ("revoked", Refusal::KeyRevoked),
            false => ("unknown", Refusal::NotEnrolled(peer.client.to_string())),
        };
        let unknown_client = UnknownClient { client: peer.client.as_str(), key: &key, reason, proof: None };
        self.note_unknown_client(unknown_client, from, now).await?;
        Err(refusal.into())
    }

    /// Who may speak for `client`: itself, or an update agent by the saved policy.
    pub(crate) async fn may_speak_for(&self, peer: &Peer, client: &ClientId) -> Result<()> {
        if peer.client == *client {
            return Ok(());
        }
        match self.is_update_agent(&peer.client).await? {
            true => Ok(()),
            false => Err(Refusal::NotACarrier(peer.client.to_string()).into()),
        }
    }

    /// Whether this is the certificate of one that speaks for others.
    pub(crate) async fn is_carrier(&self, certificate: &[u8], from: IpAddr, now: Timestamp) -> Result<bool> {
        match self.known_peer(certificate, from, now).await {
            Ok(peer) => self.is_update_agent(&peer.client).await,
            Err(Error::Refused(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn is_update_agent(&self, client: &ClientId) -> Result<bool> {
        let agents = self.db.policy_now().await?.document.update_agents;
        Ok(agents.iter().any(|agent| agent.id == client.as_str() && !agent.classes.is_empty()))
    }

    /// Those who ask and are not known, who asked last first.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn unknown_clients(&self) -> Result<Vec<UnknownClientView>> {
        Ok(once_each(unknown_clients::all(&mut self.db.connection().await?).await?))
    }

    /// Writes down that an unknown client asked, not too often.
    pub(crate) async fn note_unknown_client(
        &self,
        unknown_client: UnknownClient<'_>,
        from: IpAddr,
        now: Timestamp,
    ) -> Result<()> {
        let times = {
            let mut asked = self.unknown_requests.lock().expect("nobody panics while holding this lock");
            asked.count(unknown_client.client, unknown_client.key, unknown_client.proof.is_some(), now)
        };
        let Some(times) = times else { return Ok(()) };
        let mut tx = self.db.begin().await?;
        let address = from.to_canonical().to_string();
        unknown_clients::note(&mut tx, &unknown_client, &address, times, now).await?;
        tx.commit(Audit::Exempt("unknown clients have a list of their own")).await?;
        let UnknownClient { client, key, reason, .. } = unknown_client;
        tracing::info!(client, key, reason, address, "an unknown client asked");
        Ok(())
    }
}
