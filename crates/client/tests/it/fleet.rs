//! The fleet's side of a test's world: a CA, enrolment, renewal, and statements that are verified, as a server has them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Extension, Json, Router};
use headwater_api::checkin::{CheckIn, CheckInAnswer, SealedDomainKey, TakenAnswer};
use headwater_api::enrol::{CertificateAnswer, EnrolRequest, RenewalRequest, TakenSequences};
use headwater_api::report::{Report, ReportAnswer};
use headwater_api::settings::{FleetDocument, RevokedDocument};
use headwater_depot::serve::PeerCertificate;
use headwater_identity::tls::{self, Anonymous};
use headwater_identity::{
    Answer, CaCertificate, DomainKey, EncryptionKey, EncryptionPublicKey, EnrolToken, FleetCa, Peer,
    PublicKey, Purpose, ResponseSigningKey, Sealed, ServedName, ServerKey, SigningRequest, Statement,
    StatementKind,
};
use headwater_policy::ClientId;
use headwater_repo::Digest;
use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret as _;
use serde::Serialize;

/// What the server received, and how it answers.
#[derive(Default)]
pub struct Received {
    pub check_ins: Vec<CheckIn>,
    pub reports: Vec<Report>,
    /// Numbers of the reports, as they came.
    pub numbers: Vec<u64>,
    /// What they were.
    pub digests: BTreeMap<u64, String>,
    /// Reports that come just after one of a copy with the same number.
    pub overtaken: u32,
    /// Answers to reports confirm another report of the number.
    pub acknowledges_others: bool,
    pub enrolments: usize,
    /// Enrolments that are asked to come again in a second.
    pub busy: usize,
    pub renewals: usize,
    /// Certificates shown in the renewals of clients that are not known.
    pub unknown_renewals: Vec<String>,
    /// Refuses reports (503).
    pub deaf: bool,
    /// Takes reports and never answers.
    pub silent: bool,
    /// Bytes that an answer to a check-in is made long to.
    pub answer_bytes: usize,
    /// Answers are lost on the way: what was asked is done all the same.
    pub answers_lost: bool,
    /// Statements that were refused because their number was taken.
    pub replayed: usize,
    /// Who carries that refusal signs it with a key of its own.
    pub carrier_lies: bool,
}

/// A client, as the server knows it.
#[derive(Clone)]
pub struct Known {
    pub key: PublicKey,
    pub encryption_key: EncryptionPublicKey,
    pub taken: TakenSequences,
}

/// The keys of the fleet, and who is in it; clones are the same fleet.
#[derive(Clone)]
pub struct Fleet(Arc<Mutex<Inner>>);

pub struct Inner {
    /// Newest last.
    cas: Vec<FleetCa>,
    /// Newest first.
    cross_signed: Vec<CaCertificate>,
    pub encryption_key: EncryptionKey,
    pub response_signing_key: ResponseSigningKey,
    pub server_key: ServerKey,
    pub token: EnrolToken,
    pub known: BTreeMap<String, Known>,
    pub revoked: BTreeSet<(String, String)>,
    /// Addresses of update agents, by id, from the saved policy.
    pub agents: BTreeMap<String, Vec<String>>,
    pub domain_key: Option<DomainKey>,
    pub anonymous_components: bool,
    /// Root versions that the policy names.
    pub roots_of_policy: BTreeMap<String, u64>,
    /// Root versions that answers to check-ins name.
    pub roots_answered: BTreeMap<String, u64>,
    /// What answers to check-ins name as the newest.
    pub announced: BTreeMap<String, u64>,
    /// How long ago certificates are issued.
    pub issued_before: SignedDuration,
    pub received: Received,
}

fn now() -> Timestamp {
    headwater_client::os::now()
}

impl Fleet {
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(Inner {
            cas: vec![FleetCa::make(now() - SignedDuration::from_hours(24 * 400)).unwrap()],
            cross_signed: Vec::new(),
            encryption_key: EncryptionKey::generate().unwrap(),
            response_signing_key: ResponseSigningKey::generate().unwrap(),
            server_key: ServerKey::generate().unwrap(),
            token: EnrolToken::generate().unwrap(),
            known: BTreeMap::new(),
            revoked: BTreeSet::new(),
            agents: BTreeMap::new(),
            domain_key: None,
            anonymous_components: false,
            roots_of_policy: BTreeMap::new(),
            roots_answered: BTreeMap::new(),
            announced: BTreeMap::new(),
            issued_before: SignedDuration::ZERO,
            received: Received::default(),
        })))
    }

    pub fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }

    /// TLS of the server's listener, as it is now.
    pub fn tls(&self) -> Arc<rustls::ServerConfig> {
        let inner = self.lock();
        let names = [ServedName::parse("127.0.0.1").unwrap()];
        let ca = inner.cas.last().unwrap();
        let chain = ca.issue_server(&inner.server_key.public(), &names, &inner.cross_signed, now()).unwrap();
        tls::server_config(&chain, &inner.server_key, &inner.ca_certificates(), Anonymous::Allowed).unwrap()
    }

    pub fn rotate_ca(&self) {
        let mut inner = self.lock();
        let newer = FleetCa::make(now()).unwrap();
        let cross_signed = inner.cas.last().unwrap().cross_sign(newer.certificate(), now()).unwrap();
        inner.cross_signed.insert(0, cross_signed);
        inner.cas.push(newer);
    }

    /// As after so many rotations that nothing leads from the former CAs to the newest any more.
    pub fn replace_ca(&self) {
        let mut inner = self.lock();
        inner.cas = vec![FleetCa::make(now()).unwrap()];
        inner.cross_signed.clear();
    }

    pub fn revoke(&self, id: &str) {
        let mut inner = self.lock();
        let known = inner.known.remove(id).unwrap();
        inner.revoked.insert((id.to_owned(), known.key.fingerprint().to_string()));
    }

    pub fn document(&self) -> FleetDocument {
        let inner = self.lock();
        FleetDocument {
            distrusted_ca: Vec::new(),
            ca: inner.ca_certificates().iter().map(CaCertificate::to_pem).collect(),
            response_signing_keys: vec![inner.response_signing_key.public().to_string()],
            revoked: inner
                .revoked
                .iter()
                .map(|(client, key)| RevokedDocument { client: client.clone(), key: key.clone() })
                .collect(),
            roots: inner.roots_of_policy.clone(),
            anonymous_components: inner.anonymous_components,
        }
    }

    /// What a server answers beside its content; the content needs an enrolled client's certificate.
    pub fn routes(&self, content: Router) -> Router {
        let enrolled = from_fn_with_state(self.clone(), enrolled_only);
        let statements = Router::new()
            .route("/client/v1/check-in", post(check_in))
            .route("/client/v1/report", post(report))
            .with_state(self.clone());
        let open = Router::new()
            .route("/client/v1/enrol", post(enrol))
            .route("/client/v1/renew", post(renew))
            .with_state(self.clone());
        content.merge(statements).layer(enrolled).merge(open)
    }
}

impl Inner {
    /// Newest first.
    pub fn ca_certificates(&self) -> Vec<CaCertificate> {
        self.cas.iter().rev().map(|ca| ca.certificate().clone()).collect()
    }

    fn certificate(&self, client: &ClientId, known: &Known) -> CertificateAnswer {
        let names: Vec<ServedName> = self.agents.get(client.as_str()).map_or(Vec::new(), |addresses| {
            addresses.iter().map(|address| ServedName::parse(address).unwrap()).collect()
        });
        let ca = self.cas.last().unwrap();
        let issued = now() - self.issued_before;
        let chain = ca.issue_update_agent(&known.key, client, &names, &self.cross_signed, issued).unwrap();
        CertificateAnswer {
            format: 1,
            client: client.to_string(),
            domain: "root".to_owned(),
            certificate: chain.to_pem(),
            ca: self.ca_certificates().iter().map(CaCertificate::to_pem).collect(),
            taken: known.taken,
            server_time: now(),
        }
    }

    fn answer(&self, client: &ClientId, kind: StatementKind, number: u64, body: &impl Serialize) -> Response {
        if self.received.answers_lost {
            return StatusCode::BAD_GATEWAY.into_response();
        }
        let body = serde_json::to_string(body).unwrap();
        let answer = Answer::sign(&self.response_signing_key, client, kind, number, body).unwrap();
        let answer = serde_json::to_string(&answer).unwrap();
        let bytes = if kind == StatementKind::CheckIn { self.received.answer_bytes } else { 0 };
        format!("{answer}{}", " ".repeat(bytes.saturating_sub(answer.len()))).into_response()
    }

    /// The refusal of a number that was taken, as the server makes it.
    fn replayed(&mut self, client: &ClientId, kind: StatementKind, number: u64, taken: u64) -> Response {
        self.received.replayed += 1;
        let body = serde_json::to_string(&TakenAnswer { taken }).unwrap();
        let other = ResponseSigningKey::generate().unwrap();
        let key = if self.received.carrier_lies { &other } else { &self.response_signing_key };
        let answer = Answer::sign(key, client, kind, number, body).unwrap();
        let details = serde_json::json!({"taken": taken, "answer": answer});
        let error = serde_json::json!({"code": "replayed", "message": "taken", "details": details});
        (StatusCode::CONFLICT, Json(serde_json::json!({"error": error}))).into_response()
    }

    fn statement(&self, statement: Statement, kind: StatementKind) -> Option<(ClientId, u64, String)> {
        let client = statement.claimed_client()?;
        let verified = statement.verify(&client, &self.known.get(client.as_str())?.key, kind).ok()?;
        Some((client, verified.sequence(), verified.body().to_owned()))
    }
}

async fn enrolled_only(
    State(fleet): State<Fleet>,
    shown: Option<Extension<PeerCertificate>>,
    request: Request,
    next: Next,
) -> Response {
    let peer = shown.and_then(|Extension(shown)| Peer::from_der(&shown.0).ok());
    let is_enrolled = peer.is_some_and(|peer| {
        let known = fleet.lock().known.get(peer.client.as_str()).map(|known| known.key.fingerprint());
        peer.is_good_at(now()) && known == Some(peer.key)
    });
    if is_enrolled { next.run(request).await } else { StatusCode::UNAUTHORIZED.into_response() }
}

async fn enrol(State(fleet): State<Fleet>, Json(sealed): Json<Sealed>) -> Response {
    let mut inner = fleet.lock();
    if inner.received.busy > 0 {
        inner.received.busy -= 1;
        return (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "1")], "many enrol").into_response();
    }
    inner.received.enrolments += 1;
    let Ok(opened) = inner.encryption_key.open(&sealed, Purpose::Enrolment) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let request: EnrolRequest = serde_json::from_slice(opened.expose_secret()).unwrap();
    if request.token.expose_secret().parse::<EnrolToken>().unwrap().digest() != inner.token.digest() {
        return StatusCode::FORBIDDEN.into_response();
    }
    let client: ClientId = request.client.parse().unwrap();
    let key = SigningRequest::from_pem(&request.request).unwrap().key();
    let known = match inner.known.get(client.as_str()) {
        Some(known) if known.key == key => known.clone(),
        Some(_) => return StatusCode::CONFLICT.into_response(),
        None => Known {
            key,
            encryption_key: request.encryption_key.parse().unwrap(),
            taken: TakenSequences::default(),
        },
    };
    inner.known.insert(client.to_string(), known.clone());
    let body = inner.certificate(&client, &known);
    inner.answer(&client, StatementKind::Enrolment, 0, &body)
}

async fn renew(State(fleet): State<Fleet>, Json(statement): Json<Statement>) -> Response {
    let mut inner = fleet.lock();
    let claimed: Option<RenewalRequest> = serde_json::from_str(statement.claimed_body()).ok();
    let Some((client, number, body)) = inner.statement(statement, StatementKind::Renewal) else {
        inner.received.unknown_renewals.extend(claimed.and_then(|claimed| claimed.certificate));
        return StatusCode::UNAUTHORIZED.into_response();
    };
    let known = inner.known.get_mut(client.as_str()).unwrap();
    if number <= known.taken.renewal {
        let taken = known.taken.renewal;
        return inner.replayed(&client, StatementKind::Renewal, number, taken);
    }
    known.taken.renewal = number;
    let known = known.clone();
    let request: RenewalRequest = serde_json::from_str(&body).unwrap();
    assert_eq!(SigningRequest::from_pem(&request.request).unwrap().key(), known.key);
    inner.received.renewals += 1;
    let body = inner.certificate(&client, &known);
    inner.answer(&client, StatementKind::Renewal, number, &body)
}

async fn check_in(State(fleet): State<Fleet>, Json(statement): Json<Statement>) -> Response {
    let mut inner = fleet.lock();
    let Some((client, number, body)) = inner.statement(statement, StatementKind::CheckIn) else {
        return StatusCode::FORBIDDEN.into_response();
    };
    let known = inner.known.get_mut(client.as_str()).unwrap();
    if number <= known.taken.check_in {
        let taken = known.taken.check_in;
        return inner.replayed(&client, StatementKind::CheckIn, number, taken);
    }
    known.taken.check_in = number;
    let encryption_key = known.encryption_key;
    inner.received.check_ins.push(serde_json::from_str(&body).unwrap());
    let root = "root".parse().unwrap();
    let key = |key: &DomainKey| SealedDomainKey {
        domain: "root".to_owned(),
        key_id: key.id().to_string(),
        sealed: serde_json::to_value(key.seal_to(&encryption_key, &client, &root).unwrap()).unwrap(),
    };
    let answer = CheckInAnswer {
        domain: "root".to_owned(),
        announced: inner.announced.clone(),
        roots: inner.roots_answered.clone(),
        server_time: now(),
        domain_keys: inner.domain_key.iter().map(key).collect(),
    };
    inner.answer(&client, StatementKind::CheckIn, number, &answer)
}

async fn report(State(fleet): State<Fleet>, Json(statement): Json<Statement>) -> Response {
    if fleet.lock().received.silent {
        return std::future::pending().await;
    }
    let mut inner = fleet.lock();
    if inner.received.deaf {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let Some((client, number, body)) = inner.statement(statement, StatementKind::Report) else {
        return StatusCode::UNAUTHORIZED.into_response();
    };
    let overtaken = inner.received.overtaken > 0;
    inner.received.overtaken = inner.received.overtaken.saturating_sub(1);
    let known = inner.known.get_mut(client.as_str()).unwrap();
    if overtaken {
        known.taken.report = known.taken.report.max(number);
    }
    let taken = known.taken.report;
    let digest = Digest::of(body.as_bytes()).to_string();
    if number > taken {
        known.taken.report = number;
        inner.received.reports.push(serde_json::from_str(&body).unwrap());
        inner.received.numbers.push(number);
        inner.received.digests.insert(number, digest.clone());
    } else if inner.received.digests.get(&number) != Some(&digest) {
        return inner.replayed(&client, StatementKind::Report, number, taken);
    }
    let digest = if inner.received.acknowledges_others { Digest::of(b"other").to_string() } else { digest };
    inner.answer(&client, StatementKind::Report, number, &ReportAnswer { taken: number, digest })
}
