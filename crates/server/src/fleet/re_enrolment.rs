//! Clients that the server knows nothing of, though its fleet once did: they enrolled after the backup that it was
//! restored from. Each proves that by a renewal that holds its certificate; who it was is noted among the unknown clients.
//!
//! They are taken in again by an administrator alone, never automatically: a client that was removed or revoked after the
//! backup proves the same.

use headwater_api::enrol::RenewalRequest;
use headwater_api::v1::{ReEnrolAnswer, ReEnrolRefused, ReEnrolRequest};
use headwater_identity::{CaCertificate, Chain, Statement, StatementKind};
use headwater_policy::ClientId;
use jiff::Timestamp;
use serde_json::json;

use super::service::FleetService;
use crate::caller::Caller;
use crate::db::clients::{self as client_rows, ClientRow};
use crate::db::identities::{self as rows, IdentityRow, NewestStatements};
use crate::db::unknown_clients::{self, Proof, Proven};
use crate::error::{Error, Refusal, Result};
use crate::limits::{RE_ENROL_AT_ONCE_MAX, SEQUENCE_MAX};

/// The fingerprint of the key of an unknown client, and what its renewal proves: one of these CAs has certified the key for
/// that client, directly or over cross-signed certificates, even if the certificate has expired since; and who made the
/// statement has the key.
pub(crate) fn proof(
    statement: Statement,
    client: &ClientId,
    cas: &[CaCertificate],
) -> Option<(String, Proof)> {
    let claimed: RenewalRequest = serde_json::from_str(statement.claimed_body()).ok()?;
    let chain = Chain::from_pem(&claimed.certificate?).ok()?;
    let peer = chain.peer().ok().filter(|peer| peer.client == *client)?;
    if !chain.leads_to(cas) {
        return None;
    }
    let statement = statement.verify(client, &chain.key(), StatementKind::Renewal).ok()?;
    let encryption_key: headwater_identity::EncryptionPublicKey = claimed.encryption_key.parse().ok()?;
    let proof = Proof {
        public_key: chain.key().to_string(),
        encryption_key: encryption_key.to_string(),
        certificate_end: chain.not_after(),
        renewal: statement.sequence().min(SEQUENCE_MAX),
    };
    Some((peer.key.to_string(), proof))
}

/// Whether a renewal holds a certificate, good or bad.
pub(crate) fn shows_certificate(statement: &Statement) -> bool {
    let claimed = serde_json::from_str::<RenewalRequest>(statement.claimed_body());
    claimed.is_ok_and(|claimed| claimed.certificate.is_some())
}

/// What is known of an id and a key that ask to come back.
#[derive(Debug, Clone, Copy, Default)]
struct Known<'a> {
    /// Who has the id.
    of_client: Option<&'a IdentityRow>,
    /// Whose key it is.
    of_key: Option<&'a IdentityRow>,
    /// A key of this id, or this key, was revoked here; so it is, too, when a client is removed.
    revoked: bool,
}

/// What becomes of one that asks to come back.
#[derive(Debug)]
enum ReEnrolment<'a> {
    /// It comes back with this key.
    With(&'a Proven),
    /// It is enrolled, and nobody has proven another key: there is nothing to be done.
    Already,
}

/// The decision alone: which of the keys that are proven under an id comes back.
fn judge<'a>(
    client: &str,
    proven: &[&'a Proven],
    known: Known<'_>,
) -> std::result::Result<ReEnrolment<'a>, Refusal> {
    if let Some(identity) = known.of_client {
        return match proven.iter().all(|one| one.key == identity.key) {
            true => Ok(ReEnrolment::Already),
            false => Err(Refusal::IdTaken(client.to_owned())),
        };
    }
    if known.revoked {
        return Err(Refusal::WasRevokedOrRemoved(client.to_owned()));
    }
    let one = match proven {
        [] => return Err(Refusal::NotProven(client.to_owned())),
        [one] => *one,
        // One of the two keys was replaced by the other, and nobody here knows which.
        _ => return Err(Refusal::ProvenTwice(client.to_owned())),
    };
    match known.of_key {
        Some(other) => Err(Refusal::KeyTaken(other.client.clone())),
        None => Ok(ReEnrolment::With(one)),
    }
}

impl FleetService {
    /// Takes clients in again under the key that each has proven. Each is a change of its own; its outcome is in the answer.
    ///
    /// # Errors
    /// Refusals for an unknown domain, and a request that names nobody or too many; the database.
    pub async fn re_enrol(&self, request: ReEnrolRequest, caller: &Caller) -> Result<ReEnrolAnswer> {
        let mut db = self.db.connection().await?;
        let domain = self.source_list.known_domain(&mut db, &request.domain).await?.to_string();
        let proven = unknown_clients::proven(&mut db).await?;
        drop(db);
        let mut ids = request.clients;
        if ids.is_empty() != request.all_proven {
            return Err(Refusal::invalid("name clients, or all_proven: one of the two").into());
        }
        if request.all_proven {
            ids = proven.iter().map(|one| one.client.clone()).collect();
        }
        ids.sort();
        ids.dedup();
        if ids.len() > RE_ENROL_AT_ONCE_MAX {
            return Err(Refusal::TooLarge {
                what: "the number of clients that are re-enrolled at once".to_owned(),
                limit: RE_ENROL_AT_ONCE_MAX as u64,
                unit: "clients",
                hint: "name fewer",
            }
            .into());
        }
        let mut answer = ReEnrolAnswer {
            domain,
            re_enrolled: Vec::new(),
            enrolled_already: Vec::new(),
            refused: Vec::new(),
        };
        for client in ids {
            let of_id: Vec<&Proven> = proven.iter().filter(|one| one.client == client).collect();
            match self.re_enrol_one(&client, &of_id, &answer.domain, caller).await {
                Ok(true) => answer.re_enrolled.push(client),
                Ok(false) => answer.enrolled_already.push(client),
                Err(Error::Refused(refusal)) => {
                    answer.refused.push(ReEnrolRefused { client, reason: refusal.to_string() });
                }
                Err(error) => return Err(error),
            }
        }
        Ok(answer)
    }

    /// Returns whether there was anything to be done.
    async fn re_enrol_one(
        &self,
        client: &str,
        proven: &[&Proven],
        domain: &str,
        caller: &Caller,
    ) -> Result<bool> {
        let now = caller.now;
        let mut tx = self.db.begin().await?;
        let of_client = rows::of_client(&mut tx, client).await?;
        let (of_key, mut revoked) = match proven.first() {
            Some(one) => (rows::of_key(&mut tx, &one.key).await?, rows::is_revoked(&mut tx, &one.key).await?),
            None => (None, false),
        };
        revoked |= rows::any_revoked(&mut tx, client).await?;
        let known = Known { of_client: of_client.as_ref(), of_key: of_key.as_ref(), revoked };
        let ReEnrolment::With(Proven { key, proof, .. }) = judge(client, proven, known)? else {
            return Ok(false);
        };
        match tx.client(client).await? {
            Some(_) => client_rows::set_domain(&mut tx, client, domain).await?,
            None => {
                super::registry::refuse_more_clients(&mut tx).await?;
                client_rows::put(&mut tx, &new_client(client, domain, now)).await?;
            }
        }
        rows::put(&mut tx, &identity(client, key, proof, now)).await?;
        unknown_clients::forget(&mut tx, client, key).await?;
        tx.commit(caller.audit_entry("client.re_enrol", client).after(json!({"key": key, "domain": domain})))
            .await?;
        tracing::info!(client, key, domain, "client re-enrolled");
        Ok(true)
    }
}

/// A client of which nothing is known but that it is there. It states the rest when it checks in.
fn new_client(client: &str, domain: &str, now: Timestamp) -> ClientRow {
    ClientRow {
        id: client.to_owned(),
        domain: domain.to_owned(),
        addresses: Vec::new(),
        program: String::new(),
        policy_version: 0,
        versions: Default::default(),
        first_seen: now,
        last_seen: now,
    }
}

/// What it stated before went to another server: nothing of it was taken here, and its reports show as missing.
fn identity(client: &str, key: &str, proof: &Proof, now: Timestamp) -> IdentityRow {
    IdentityRow {
        client: client.to_owned(),
        key: key.to_owned(),
        public_key: proof.public_key.clone(),
        encryption_key: proof.encryption_key.clone(),
        enrolled: now,
        certificate_end: proof.certificate_end,
        taken: NewestStatements { renewal: proof.renewal, ..NewestStatements::default() },
        reports_made: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proven(key: &str) -> Proven {
        let proof = Proof {
            public_key: "p".to_owned(),
            encryption_key: "s".to_owned(),
            certificate_end: Timestamp::UNIX_EPOCH,
            renewal: 7,
        };
        Proven { client: "pc".to_owned(), key: key.to_owned(), proof }
    }

    #[test]
    fn one_proven_key_of_an_id_that_nobody_has_comes_back() {
        let (one, other) = (proven("k"), proven("other"));
        let known_as = |client: &str, key: &str| identity(client, key, &one.proof, Timestamp::UNIX_EPOCH);
        let (pc, taken) = (known_as("pc", "other"), known_as("pc-2", "k"));
        let check = |proven: &[&Proven], known: Known<'_>, expected: &str| {
            let outcome = match judge("pc", proven, known) {
                Ok(ReEnrolment::With(one)) => format!("re-enrolled with {}", one.key),
                Ok(ReEnrolment::Already) => "enrolled already".to_owned(),
                Err(refusal) => refusal.to_string(),
            };
            assert!(outcome.starts_with(expected), "{outcome}");
        };
        check(&[&one], Known::default(), "re-enrolled with k");
        check(&[], Known::default(), "client pc has proven no certificate of this fleet");
        check(&[&one, &other], Known::default(), "two keys are proven for client pc");
        check(&[&one], Known { revoked: true, ..Known::default() }, "client pc was revoked or removed");
        check(&[&one], Known { of_client: Some(&pc), ..Known::default() }, "another key is enrolled as pc");
        let same = known_as("pc", "k");
        check(&[&one], Known { of_client: Some(&same), ..Known::default() }, "enrolled already");
        check(
            &[&one, &other],
            Known { of_client: Some(&same), ..Known::default() },
            "another key is enrolled",
        );
        check(&[], Known { of_client: Some(&pc), ..Known::default() }, "enrolled already");
        check(&[&one], Known { of_key: Some(&taken), ..Known::default() }, "this key is enrolled as pc-2");
    }
}
