//! A client as far as the fleet listener sees one: its key, its certificate, its numbers.

use std::collections::BTreeMap;
use std::sync::Mutex;

use headwater_api::bundle::EnrolBundle;
use headwater_identity::{
    Answer, CaCertificate, Chain, ClientKey, EncryptionKey, PublicKey, Purpose, Statement, StatementKind, tls,
};
use headwater_policy::ClientId;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::harness::{Server, answer};

/// A client.
pub struct Endpoint {
    pub id: ClientId,
    pub key: ClientKey,
    pub encryption_key: EncryptionKey,
    pub chain: Option<Chain>,
    pub cas: Vec<CaCertificate>,
    response_signing_keys: Vec<PublicKey>,
    base: String,
    http: reqwest::Client,
    sequences: Mutex<BTreeMap<StatementKind, u64>>,
}

impl Endpoint {
    /// One that has a bundle and is not enrolled.
    pub fn new(id: &str, bundle: &EnrolBundle) -> Self {
        let cas: Vec<_> = bundle.ca.iter().map(|pem| CaCertificate::from_pem(pem).unwrap()).collect();
        let response_signing_keys =
            bundle.response_signing_keys.iter().map(|key| key.parse().unwrap()).collect();
        Self {
            id: id.parse().unwrap(),
            key: ClientKey::generate().unwrap(),
            encryption_key: EncryptionKey::generate().unwrap(),
            chain: None,
            http: http(&cas, None),
            cas,
            response_signing_keys,
            base: bundle.server_urls[0].clone(),
            sequences: Mutex::default(),
        }
    }

    /// One that is enrolled.
    pub async fn enrolled(server: &Server, id: &str, domain: &str) -> Self {
        let bundle = server.bundle(json!({"domain": domain})).await;
        let mut endpoint = Self::new(id, &bundle);
        let (status, answer) = endpoint.enrol(&bundle).await;
        assert_eq!(status, 200, "{answer}");
        endpoint
    }

    /// Asks to be enrolled; takes the certificate.
    pub async fn enrol(&mut self, bundle: &EnrolBundle) -> (u16, Value) {
        let body = self.enrolment(bundle, json!({}));
        let (status, answer) = self.post("/client/v1/enrol", &body).await;
        if status != 200 {
            return (status, answer);
        }
        let reply = self.believed(answer, StatementKind::Enrolment, 0);
        self.take_certificate(&reply);
        (status, reply)
    }

    /// A sealed request to enrol, some of it `other`wise.
    pub fn enrolment(&self, bundle: &EnrolBundle, other: Value) -> Value {
        let token = bundle.token.as_ref().map(|token| token.expose_secret());
        let mut request = json!({
            "format": 1, "token": token, "client": self.id.as_str(),
            "request": self.key.signing_request(&self.id).unwrap(), "encryption_key": self.encryption_key.public().to_string(),
            "addresses": ["10.0.0.1"], "program": "1"
        });
        request.as_object_mut().unwrap().extend(other.as_object().unwrap().clone());
        let to: headwater_identity::EncryptionPublicKey = bundle.encryption_key.parse().unwrap();
        let sealed = to.seal(request.to_string().as_bytes(), Purpose::Enrolment).unwrap();
        serde_json::to_value(sealed).unwrap()
    }

    /// Goes on at a server that was started again.
    pub fn follow(&mut self, server: &Server) {
        self.base.clone_from(&server.running.fleet_url);
    }

    /// Asks for another certificate, without showing the one it has.
    pub async fn renew(&mut self) -> (u16, Value) {
        self.renew_with(None).await
    }

    /// The same, with a certificate (PEM) in what it states.
    pub async fn renew_with(&mut self, certificate: Option<String>) -> (u16, Value) {
        let mut body = self.renewal_body();
        body["certificate"] = certificate.into();
        let sequence = self.next(StatementKind::Renewal);
        let statement = self.statement(StatementKind::Renewal, sequence, &body);
        let anonymous = http(&self.cas, None);
        let url = format!("{}/client/v1/renew", self.base);
        let (status, answer) = answer(anonymous.post(url).json(&statement).send().await.unwrap()).await;
        if status != 200 {
            return (status, answer);
        }
        let reply = self.believed(answer, StatementKind::Renewal, sequence);
        self.take_certificate(&reply);
        (status, reply)
    }

    /// What it states when it asks for another certificate.
    pub fn renewal_body(&self) -> Value {
        json!({
            "format": 1, "request": self.key.signing_request(&self.id).unwrap(),
            "encryption_key": self.encryption_key.public().to_string()
        })
    }

    fn take_certificate(&mut self, reply: &Value) {
        let chain = Chain::from_pem(reply["certificate"].as_str().unwrap()).unwrap();
        self.http = http(&self.cas, Some((&chain, &self.key)));
        self.chain = Some(chain);
    }

    /// What the server answers, if it is the server.
    pub fn believed(&self, answer: Value, kind: StatementKind, sequence: u64) -> Value {
        let answer: Answer = serde_json::from_value(answer).unwrap();
        let answer = answer.verify(&self.response_signing_keys, &self.id, kind, sequence).unwrap();
        serde_json::from_str(answer.body()).unwrap()
    }

    pub fn next(&self, kind: StatementKind) -> u64 {
        let mut sequences = self.sequences.lock().unwrap();
        let sequence = sequences.entry(kind).or_default();
        *sequence += 1;
        *sequence
    }

    /// A signed statement.
    pub fn statement(&self, kind: StatementKind, sequence: u64, body: &Value) -> Value {
        let signed = Statement::sign(&self.key, &self.id, kind, sequence, body.to_string());
        let Ok(signed) = signed else {
            // Too long for a client that works: one that does not sends it all the same.
            let signed = Statement::sign(&self.key, &self.id, kind, sequence, String::new()).unwrap();
            let mut statement = serde_json::to_value(signed).unwrap();
            statement["body"] = body.to_string().into();
            return statement;
        };
        serde_json::to_value(signed).unwrap()
    }

    /// States something new; the answer is verified and opened where it is one.
    pub async fn state(&self, kind: StatementKind, body: &Value) -> (u16, Value) {
        let sequence = self.next(kind);
        self.state_as(kind, sequence, body).await
    }

    /// States something under a number.
    pub async fn state_as(&self, kind: StatementKind, sequence: u64, body: &Value) -> (u16, Value) {
        let (status, answer) = self.post(path(kind), &self.statement(kind, sequence, body)).await;
        match status {
            200 => (status, self.believed(answer, kind, sequence)),
            _ => (status, answer),
        }
    }

    /// What it states of itself when it checks in.
    pub fn check_in_body(&self) -> Value {
        json!({
            "client": self.id.as_str(), "domain": "root", "addresses": ["10.0.0.1"], "program": "1",
            "policy_version": 0, "versions": {}
        })
    }

    /// Posts something as it is, showing its certificate if it has one.
    pub async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        answer(self.http.post(format!("{}{path}", self.base)).json(body).send().await.unwrap()).await
    }

    /// Another HTTP client that shows its certificate.
    pub fn http_with(&self, builder: reqwest::ClientBuilder) -> reqwest::Client {
        let tls = tls::client_config(&self.cas, self.chain.as_ref().map(|chain| (chain, &self.key))).unwrap();
        builder.tls_backend_preconfigured(tls).https_only(true).build().unwrap()
    }

    /// Fetches something by a connection that may fail; returns the status.
    pub async fn status(&self, path: &str) -> Option<u16> {
        let response = self.http.get(format!("{}{path}", self.base)).send().await;
        response.ok().map(|response| response.status().as_u16())
    }

    /// Asks something without a body; returns the status.
    pub async fn ask(&self, method: reqwest::Method, path: &str) -> u16 {
        let response = self.http.request(method, format!("{}{path}", self.base)).send().await.unwrap();
        response.status().as_u16()
    }

    /// Posts so many bytes of nothing.
    pub async fn post_blank(&self, path: &str, bytes: usize) -> (u16, Value) {
        let body = vec![b' '; bytes];
        answer(self.http.post(format!("{}{path}", self.base)).body(body).send().await.unwrap()).await
    }

    /// Fetches something; returns the status, and the code of a refusal.
    pub async fn get(&self, path: &str) -> (u16, String) {
        let response = self.http.get(format!("{}{path}", self.base)).send().await.unwrap();
        let (status, body) = answer(response).await;
        (status, body["error"]["code"].as_str().unwrap_or_default().to_owned())
    }
}

/// Where a kind of statement goes.
pub fn path(kind: StatementKind) -> &'static str {
    match kind {
        StatementKind::CheckIn => "/client/v1/check-in",
        StatementKind::Report => "/client/v1/report",
        StatementKind::Renewal => "/client/v1/renew",
        StatementKind::Enrolment => "/client/v1/enrol",
    }
}

fn http(cas: &[CaCertificate], own: Option<(&Chain, &ClientKey)>) -> reqwest::Client {
    let tls = tls::client_config(cas, own).unwrap();
    reqwest::Client::builder().tls_backend_preconfigured(tls).https_only(true).build().unwrap()
}
