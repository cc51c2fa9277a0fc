//! Who is at the other end of a connection, and whether it may be there.

use std::collections::HashMap;
use std::net::IpAddr;

use headwater_api::v1::UnknownClientView;
use headwater_identity::Peer;
use headwater_policy::ClientId;
use jiff::{SignedDuration, Timestamp};

use crate::app::App;
use crate::audit::Audit;
use crate::db::limits::{UNKNOWN_CLIENTS_MAX, UNKNOWN_CLIENTS_PROVEN_MAX};
use crate::db::unknown_clients::UnknownClient;
use crate::db::{identities, unknown_clients};
use crate::error::{Error, Refusal, Result};
use crate::limits;

/// As many as are written down.
const ASKED_MAX: usize = (UNKNOWN_CLIENTS_MAX + UNKNOWN_CLIENTS_PROVEN_MAX) as usize;

/// UnknownClients that asked since they were last written down, by id, key and whether they proved it: the database is not written for each request.
#[derive(Debug, Default)]
pub struct Asked {
    by_key: HashMap<(String, String, bool), (Timestamp, u64)>,
    /// How many came for the first time since then.
    new: (Timestamp, u32),
}

impl Asked {
    /// Counts one; says how many are to be written down now, if it is time.
    fn count(&mut self, client: &str, key: &str, is_proven: bool, now: Timestamp) -> Option<u64> {
        let pause = SignedDuration::from_secs(limits::STRANGER_PAUSE_SECONDS);
        let is_over = |since: Timestamp| now.duration_since(since).abs() >= pause;
        let who = (client.to_owned(), key.to_owned(), is_proven);
        let Some((written, pending)) = self.by_key.get_mut(&who) else {
            if is_over(self.new.0) {
                self.new = (now, 0);
            }
            // Whoever makes up an id for each request must not have a write for each.
            if !is_proven {
                if self.new.1 >= limits::STRANGERS_NEW_MAX {
                    return None;
                }
                self.new.1 += 1;
            }
            if self.by_key.len() >= ASKED_MAX {
                self.by_key.clear();
            }
            self.by_key.insert(who, (now, 0));
            return Some(1);
        };
        *pending += 1;
        if !is_over(*written) {
            return None;
        }
        *written = now;
        Some(std::mem::take(pending))
    }
}

impl App {
    /// The client that showed this certificate (DER), if it is known and was not revoked. Asked for each request, so
    /// that a revocation counts on open connections too.
    ///
    /// # Errors
    /// [`Refusal::CertificateNeeded`], [`Refusal::CaGivenUp`], [`Refusal::KeyRevoked`], [`Refusal::NotEnrolled`].
    pub async fn known_peer(&self, certificate: &[u8], from: IpAddr, now: Timestamp) -> Result<Peer> {
        let peer = Peer::from_der(certificate).map_err(|_| Refusal::CertificateNeeded)?;
        if !peer.is_good_at(now) {
            return Err(Refusal::CertificateNeeded.into());
        }
        if self.fleet_keys().is_of_given_up_ca(certificate) {
            return Err(Refusal::CaGivenUp.into());
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
        Ok(unknown_clients::all(&mut self.db.connection().await?).await?)
    }

    /// Writes down that an unknown client asked, not too often.
    pub(crate) async fn note_unknown_client(
        &self,
        unknown_client: UnknownClient<'_>,
        from: IpAddr,
        now: Timestamp,
    ) -> Result<()> {
        let times = {
            let mut asked = self.asked.lock().expect("nobody panics while holding this lock");
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_without_end_is_written_down_now_and_then() {
        let start = Timestamp::UNIX_EPOCH;
        let at = |seconds| start + SignedDuration::from_secs(seconds);
        let mut asked = Asked::default();
        assert_eq!(asked.count("pc", "k", false, at(0)), Some(1));
        assert_eq!(asked.count("pc", "k", false, at(1)), None);
        assert_eq!(asked.count("pc", "other", false, at(1)), Some(1));
        assert_eq!(asked.count("pc", "k", false, at(2)), None);
        assert_eq!(asked.count("pc", "k", false, at(limits::STRANGER_PAUSE_SECONDS)), Some(3));
        for number in 0..2 * ASKED_MAX {
            let now = at(number as i64 * limits::STRANGER_PAUSE_SECONDS);
            assert_eq!(asked.count(&number.to_string(), "", false, now), Some(1));
            assert!(asked.by_key.len() <= ASKED_MAX);
        }
    }

    #[test]
    fn who_makes_up_an_id_for_each_request_is_not_written_down_each_time() {
        let start = Timestamp::UNIX_EPOCH;
        let mut asked = Asked::default();
        for number in 0..limits::STRANGERS_NEW_MAX {
            assert_eq!(asked.count(&number.to_string(), "", false, start), Some(1));
        }
        assert_eq!(asked.count("one more", "", false, start), None);
        let later = start + SignedDuration::from_secs(limits::STRANGER_PAUSE_SECONDS);
        assert_eq!(asked.count("one more", "", false, later), Some(1));
    }
}
