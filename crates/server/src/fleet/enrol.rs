//! Enrolment and renewal: how a client gets its certificate (I3).
//!
//! An enrolment is sealed to the server, so that an update agent that carries it reads no token and changes no key. A
//! renewal is a statement by the key that the server knows: it needs no certificate, so one that was off for a year
//! gets in.

use std::net::IpAddr;
use std::sync::Mutex;

use headwater_api::enrol::{CertificateAnswer, EnrolRequest, FORMAT, RenewalRequest, TakenSequences};
use headwater_identity::{
    Answer, EncryptionPublicKey, EnrolToken, PublicKey, Purpose, Sealed, SigningRequest, Statement,
    StatementKind,
};
use headwater_policy::ClientId;
use jiff::Timestamp;
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::admission::{Admission, Asking, Known, admit};
use super::clients;
use super::fleet_keys::FleetKeys;
use super::refusals::Refusals;
use super::registry::refuse_more_clients;
use super::revocation::revoke;
use super::sequence::rising;
use super::service::FleetService;
use super::statements::with_answer;
use crate::caller::Caller;
use crate::db::clients::{self as client_rows, ClientRow};
use crate::db::identities::{self as rows, IdentityRow, NewestStatements};
use crate::db::unknown_clients::{self, UnknownClient};
use crate::db::{Connection, Tx, enrolment_tokens, to_json};
use crate::error::{Error, Refusal, Result};
use crate::limits::{ENROL_REFUSALS_CARRIED_MAX, ENROL_REFUSALS_MAX};

/// An enrolment, opened and read.
struct Request {
    client: ClientId,
    key: PublicKey,
    encryption_key: EncryptionPublicKey,
    token: EnrolToken,
    addresses: Vec<String>,
    program: String,
}

impl FleetService {
    /// Admits a client, if its token allows it, and gives it a certificate. The same client with the same key may ask
    /// again: it has not received the answer. Or its carrier asks again, so that changes nothing of what is known:
    /// another encryption key comes by a renewal, which is signed and numbered. `shown` is the certificate of who brings it.
    ///
    /// # Errors
    /// Refusals for everything that is wrong with it; for too many of them from one address.
    pub async fn enrol(
        &self,
        sealed: &Sealed,
        shown: Option<&[u8]>,
        from: IpAddr,
        now: Timestamp,
    ) -> Result<Answer> {
        let work = self.enrol_one(sealed, from, now);
        self.unless_refused_often(&self.refused_enrolments, shown, from, now, work).await
    }

    /// Gives a client another certificate for the key that is known of it.
    ///
    /// # Errors
    /// Refusals for everything that is wrong with it; for too many of them from one address.
    pub async fn renew(
        &self,
        statement: Statement,
        shown: Option<&[u8]>,
        from: IpAddr,
        now: Timestamp,
    ) -> Result<Answer> {
        let work = self.renew_one(statement, from, now);
        self.unless_refused_often(&self.refused_renewals, shown, from, now, work).await
    }

    /// Works for one at an address that was not refused too often lately, while few others are worked for.
    async fn unless_refused_often(
        &self,
        refusals: &Mutex<Refusals>,
        shown: Option<&[u8]>,
        from: IpAddr,
        now: Timestamp,
        work: impl Future<Output = Result<Answer>>,
    ) -> Result<Answer> {
        let refusals = || refusals.lock().expect("nobody panics while holding this lock");
        let refused = refusals().lately(from, now);
        if refused >= ENROL_REFUSALS_MAX {
            let carries = match shown {
                Some(certificate) => self.is_carrier(certificate, from, now).await?,
                None => false,
            };
            if !carries || refused >= ENROL_REFUSALS_CARRIED_MAX {
                return Err(Refusal::TooOften.into());
            }
        }
        let _permit = self
            .enrolments
            .try_acquire()
            .map_err(|_| Refusal::Busy("many clients enrol or renew their certificates at once"))?;
        let answered = work.await;
        // Who has proven a certificate may go on asking: behind an update agent all have one address.
        let is_counted = |refusal: &Refusal| !matches!(refusal, Refusal::NotReEnrolled(_));
        if matches!(&answered, Err(Error::Refused(refusal)) if is_counted(refusal)) {
            refusals().count(from, now);
        }
        answered
    }

    async fn renew_one(&self, statement: Statement, from: IpAddr, now: Timestamp) -> Result<Answer> {
        let keys = self.fleet_keys();
        // Anybody may ask: only who is believed has others wait for the one writer.
        let believed =
            self.believe(&mut self.db.connection().await?, statement, StatementKind::Renewal).await;
        let (statement, known) = match believed {
            Ok(believed) => believed,
            Err(rejected) => return Err(self.reject(rejected, from, now).await?),
        };
        let mut tx = self.db.begin().await?;
        let present = rows::of_client(&mut tx, &known.client).await?;
        let Some(mut identity) = present.filter(|identity| identity.key == known.key) else {
            return Err(Refusal::NotEnrolled(known.client).into());
        };
        rising(identity.taken.renewal, statement.sequence())
            .or_else(|refusal| Err(with_answer(&keys, &statement, StatementKind::Renewal, refusal)?))?;
        let request: RenewalRequest = read(statement.body())?;
        let signing = signing_request(&request.request)?;
        if signing.key().fingerprint().to_string() != identity.key {
            return Err(Refusal::invalid(
                "request: it is for another key than the one that is enrolled; a new key needs a new enrolment",
            )
            .into());
        }
        identity.encryption_key = encryption_key(&request.encryption_key)?.to_string();
        identity.taken.renewal = statement.sequence();
        let client = statement.client();
        let chain = self.issue(&mut tx, &keys, &signing.key(), client, now).await?;
        identity.certificate_end = chain.not_after();
        rows::put(&mut tx, &identity).await?;
        let domain = domain_of(&mut tx, client).await?;
        let caller = Caller::client(client.as_str(), from.to_canonical().to_string(), now);
        let renewed = json!({"key": identity.key, "until": identity.certificate_end});
        tx.commit(caller.audit_entry("client.renew", client).after(renewed)).await?;
        let body = answer_body(&keys, &identity, domain, chain.to_pem(), now);
        keys.answer(client, StatementKind::Renewal, statement.sequence(), body)
    }

    async fn enrol_one(&self, sealed: &Sealed, from: IpAddr, now: Timestamp) -> Result<Answer> {
        let keys = self.fleet_keys();
        let request = open(&keys, sealed)?;
        let digest = request.token.digest().to_string();
        // Who replaces a key takes another from the signed policy, and must have its turn before it writes.
        let replaces = match enrolment_tokens::of_digest(&mut self.db.connection().await?, &digest).await? {
            Some(token) => token.client.is_some(),
            None => false,
        };
        let _change = if replaces { Some(self.publishing.change().await) } else { None };
        let mut tx = self.db.begin().await?;
        let (admission, known) = match self.admission(&mut tx, &request, &digest, now).await {
            Ok(admission) => admission,
            Err(Error::Refused(refusal)) => {
                drop(tx);
                let (client, key) = (request.client.as_str(), request.key.fingerprint().to_string());
                let unknown_client =
                    UnknownClient { client, key: &key, reason: reason(&refusal), proof: None };
                self.note_unknown_client(unknown_client, from, now).await?;
                return Err(refusal.into());
            }
            Err(error) => return Err(error),
        };
        let chain = self.issue(&mut tx, &keys, &request.key, &request.client, now).await?;
        let mut identity = known.unwrap_or_else(|| new_identity(&request, now));
        identity.certificate_end = chain.not_after();
        // The holder of the former key could open what its domain keeps to itself.
        let left: Vec<String> = match tx.client(request.client.as_str()).await? {
            Some(former) => vec![former.domain],
            None => Vec::new(),
        };
        let domain = self.save_admission(&mut tx, &request, &admission, &identity, now).await?;
        let staged = match &admission {
            Admission::Instead(_) => self.source_list.stage_fleet(&mut tx, &left, now).await?,
            Admission::Again | Admission::New(_) => Vec::new(),
        };
        let caller = Caller::client(request.client.as_str(), from.to_canonical().to_string(), now);
        let audit_entry = caller.audit_entry("client.enrol", &request.client);
        let token = admission.token().map(|token| token.number);
        let audit_entry = audit_entry.after(json!({"key": identity.key, "domain": domain, "token": token}));
        self.publishing.commit(tx, staged, audit_entry).await?;
        tracing::info!(client = %request.client, key = identity.key, domain, "client enrolled");
        let body = answer_body(&keys, &identity, domain, chain.to_pem(), now);
        keys.answer(&request.client, StatementKind::Enrolment, 0, body)
    }

    /// Loads what is known, and decides. With the decision comes what is known of the same client with the same key.
    async fn admission(
        &self,
        tx: &mut Tx,
        request: &Request,
        digest: &str,
        now: Timestamp,
    ) -> Result<(Admission, Option<IdentityRow>)> {
        let key = request.key.fingerprint().to_string();
        let token = enrolment_tokens::of_digest(tx, digest).await?;
        let of_client = rows::of_client(tx, request.client.as_str()).await?;
        let of_key = rows::of_key(tx, &key).await?;
        let known = Known {
            token: token.as_ref(),
            of_client: of_client.as_ref(),
            of_key: of_key.as_ref(),
            revoked: rows::is_revoked(tx, &key).await?,
            was_revoked: rows::is_client_revoked(tx, request.client.as_str()).await?,
        };
        let admission = admit(Asking { client: request.client.as_str() }, known, now)?;
        let same = matches!(admission, Admission::Again).then_some(of_key).flatten();
        Ok((admission, same))
    }

    /// Saves what was decided; returns the client's domain.
    async fn save_admission(
        &self,
        tx: &mut Tx,
        request: &Request,
        admission: &Admission,
        identity: &IdentityRow,
        now: Timestamp,
    ) -> Result<String> {
        let client = request.client.as_str();
        let token = match admission {
            Admission::Again => {
                rows::put(tx, identity).await?;
                return domain_of(tx, &request.client).await;
            }
            Admission::New(token) => token,
            Admission::Instead(token) => {
                if let Some(former) = rows::of_client(tx, client).await? {
                    revoke(tx, &former, now).await?;
                }
                token
            }
        };
        let domain = self.source_list.nearest_domain(tx, &token.domain).await?;
        enrolment_tokens::use_once(tx, token.number).await?;
        if token.client.is_some() {
            rows::unmark_client_revoked(tx, client).await?;
        }
        match tx.client(client).await? {
            Some(_) => client_rows::set_domain(tx, client, &domain).await?,
            None => {
                refuse_more_clients(tx).await?;
                let row = ClientRow {
                    id: client.to_owned(),
                    domain: domain.clone(),
                    addresses: request.addresses.clone(),
                    program: request.program.clone(),
                    policy_version: 0,
                    versions: Default::default(),
                    first_seen: now,
                    last_seen: now,
                };
                client_rows::put(tx, &row).await?;
            }
        }
        rows::put(tx, identity).await?;
        unknown_clients::forget(tx, client, &identity.key).await?;
        Ok(domain)
    }
}

async fn domain_of(db: &mut Connection, client: &ClientId) -> Result<String> {
    let row = db.client(client.as_str()).await?.ok_or_else(|| Refusal::no_client(client.as_str()))?;
    Ok(row.domain)
}

fn open(keys: &FleetKeys, sealed: &Sealed) -> Result<Request> {
    let opened = keys.open_sealed(sealed, Purpose::Enrolment).map_err(|error| {
        Refusal::invalid(format!("the request to enrol cannot be opened: {error}; make a new bundle"))
    })?;
    let text = std::str::from_utf8(opened.expose_secret())
        .map_err(|_| Refusal::invalid("the request is not text"))?;
    let request: EnrolRequest = read(text)?;
    let mut problems = Vec::new();
    if request.format != FORMAT {
        let format = request.format;
        return Err(
            Refusal::invalid(format!("format: {format} is unknown, this server reads {FORMAT}")).into()
        );
    }
    let id = clients::client_id(&request.client, &mut problems);
    let addresses = clients::addresses(&request.addresses, &mut problems);
    let program = clients::text("program", request.program, &mut problems);
    crate::request::refuse(problems)?;
    Ok(Request {
        client: id
            .parse()
            .map_err(|error: headwater_policy::ParseError| Refusal::invalid(error.to_string()))?,
        key: signing_request(&request.request)?.key(),
        encryption_key: encryption_key(&request.encryption_key)?,
        token: request
            .token
            .expose_secret()
            .parse()
            .map_err(|_| Refusal::BadToken("is no token of this program"))?,
        addresses,
        program,
    })
}

fn read<T: serde::de::DeserializeOwned>(text: &str) -> Result<T> {
    Ok(serde_json::from_str(text)
        .map_err(|error| Refusal::invalid(format!("the message is not what is taken here: {error}")))?)
}

fn signing_request(pem: &str) -> Result<SigningRequest> {
    Ok(SigningRequest::from_pem(pem).map_err(|error| Refusal::invalid(format!("request: {error}")))?)
}

fn encryption_key(text: &str) -> Result<EncryptionPublicKey> {
    Ok(text.parse().map_err(|error: headwater_identity::IdentityError| {
        Refusal::invalid(format!("encryption_key: {error}"))
    })?)
}

fn new_identity(request: &Request, now: Timestamp) -> IdentityRow {
    IdentityRow {
        client: request.client.to_string(),
        key: request.key.fingerprint().to_string(),
        public_key: request.key.to_string(),
        encryption_key: request.encryption_key.to_string(),
        enrolled: now,
        certificate_end: now,
        taken: NewestStatements::default(),
        reports_made: 0,
    }
}

fn answer_body(
    keys: &FleetKeys,
    identity: &IdentityRow,
    domain: String,
    certificate: String,
    now: Timestamp,
) -> String {
    let NewestStatements { check_in, report, renewal } = identity.taken;
    to_json(&CertificateAnswer {
        format: FORMAT,
        client: identity.client.clone(),
        domain,
        certificate,
        ca: keys.cas.iter().map(headwater_identity::CaCertificate::to_pem).collect(),
        taken: TakenSequences { check_in, report, renewal },
        server_time: now,
    })
}

fn reason(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::KeyRevoked | Refusal::WasRevoked(_) => "revoked",
        Refusal::IdTaken(_) | Refusal::KeyTaken(_) => "other_key",
        Refusal::BadToken(_) => "bad_token",
        _ => "unknown",
    }
}
