//! An identity provider on loopback that signs whatever a test asks it to.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use aws_lc_rs::{digest, hmac, rsa::KeySize};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use url::Url;

use crate::harness::now;

pub const CLIENT_ID: &str = "headwater";
pub const CLIENT_SECRET: &str = "given by the provider";

/// A key that a provider signs with.
#[derive(Clone)]
pub struct Key {
    id: String,
    pair: Arc<Pair>,
}

enum Pair {
    Ecdsa(EcdsaKeyPair),
    Rsa(RsaKeyPair),
}

impl Key {
    pub fn ecdsa(id: &str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        Self { id: id.to_owned(), pair: Arc::new(Pair::Ecdsa(pair)) }
    }

    pub fn rsa(id: &str) -> Self {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        Self { id: id.to_owned(), pair: Arc::new(Pair::Rsa(pair)) }
    }

    fn algorithm(&self) -> &'static str {
        match *self.pair {
            Pair::Ecdsa(_) => "ES256",
            Pair::Rsa(_) => "RS256",
        }
    }

    /// What anybody may know of it.
    pub fn public(&self) -> Vec<u8> {
        match &*self.pair {
            Pair::Ecdsa(pair) => pair.public_key().as_ref().to_vec(),
            Pair::Rsa(pair) => pair.public_key().as_ref().to_vec(),
        }
    }

    fn listed(&self) -> Value {
        let public = self.public();
        let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match *self.pair {
            Pair::Ecdsa(_) => json!({
                "kty": "EC", "crv": "P-256", "use": "sig", "kid": self.id,
                "x": part(&public[1..33]), "y": part(&public[33..]),
            }),
            // A DER sequence of the modulus, 2048 bits behind a zero, and 65537.
            Pair::Rsa(_) => json!({
                "kty": "RSA", "use": "sig", "kid": self.id, "alg": "RS256",
                "n": part(&public[9..265]), "e": "AQAB",
            }),
        }
    }

    fn sign(&self, text: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &*self.pair {
            Pair::Ecdsa(pair) => pair.sign(&random, text).unwrap().as_ref().to_vec(),
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, text, &mut signature).unwrap();
                signature
            }
        }
    }
}

/// A token before it is signed.
pub struct Token {
    pub header: Value,
    pub claims: Value,
    pub signed: Signed,
}

/// Who signs it.
pub enum Signed {
    By(Key),
    /// Who knows this (HS256).
    Knowing(Vec<u8>),
    Nobody,
}

impl Token {
    /// Changes claims; `null` takes one away.
    pub fn claims(&mut self, claims: Value) {
        for (name, value) in claims.as_object().unwrap() {
            if value.is_null() {
                self.claims.as_object_mut().unwrap().remove(name);
            } else {
                self.claims[name] = value.clone();
            }
        }
    }

    fn text(&self) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let text = format!("{}.{}", part(&self.header), part(&self.claims));
        let signature = match &self.signed {
            Signed::By(key) => key.sign(text.as_bytes()),
            Signed::Knowing(secret) => {
                let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
                hmac::sign(&key, text.as_bytes()).as_ref().to_vec()
            }
            Signed::Nobody => Vec::new(),
        };
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// The provider.
pub struct Provider {
    pub issuer: String,
    pub state: Arc<Mutex<Known>>,
}

/// What it knows, for tests to change.
pub struct Known {
    /// What it signs with.
    pub key: Key,
    /// The keys that it publishes.
    pub listed: Vec<Key>,
    /// What it says of itself.
    pub discovery: Value,
    /// Spaces that its answers of each path begin with.
    pub padding: BTreeMap<&'static str, usize>,
    /// What it answers a path with, whatever is asked.
    pub answers: BTreeMap<&'static str, (u16, String)>,
    /// How often each path was asked.
    pub asked: BTreeMap<&'static str, usize>,
    codes: BTreeMap<String, Given>,
}

struct Given {
    challenge: String,
    back: String,
    token: String,
}

impl Provider {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let key = Key::ecdsa("one");
        let known = Known {
            listed: vec![key.clone()],
            key,
            discovery: json!({
                "issuer": issuer,
                "authorization_endpoint": format!("{issuer}/authorize?kind=people"),
                "token_endpoint": format!("{issuer}/token"),
                "jwks_uri": format!("{issuer}/keys"),
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                // It says so; it is not asked to.
                "id_token_signing_alg_values_supported": ["RS256", "HS256", "none"],
            }),
            padding: BTreeMap::new(),
            answers: BTreeMap::new(),
            asked: BTreeMap::new(),
            codes: BTreeMap::new(),
        };
        let state = Arc::new(Mutex::new(known));
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/keys", get(keys))
            .route("/token", post(token))
            .with_state(state.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { issuer, state }
    }

    pub fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.state.lock().unwrap()
    }

    /// How often a path was asked.
    pub fn asked(&self, path: &'static str) -> usize {
        self.known().asked.get(path).copied().unwrap_or_default()
    }

    /// Somebody who was sent to `url` has signed in; returns the code that they go back with.
    pub fn grant(&self, url: &Url, change: impl FnOnce(&mut Token)) -> String {
        let asked: BTreeMap<_, _> = url.query_pairs().into_owned().collect();
        assert_eq!(asked["response_type"], "code");
        assert_eq!(asked["client_id"], CLIENT_ID);
        assert_eq!(asked["code_challenge_method"], "S256");
        assert_eq!(asked["scope"], "openid profile groups");
        assert_eq!(asked["kind"], "people");
        let mut known = self.known();
        let second = now().as_second();
        let mut token = Token {
            header: json!({"alg": known.key.algorithm(), "typ": "JWT", "kid": known.key.id}),
            claims: json!({
                "iss": self.issuer, "sub": "7", "aud": CLIENT_ID, "iat": second, "exp": second + 300,
                "nonce": asked["nonce"], "preferred_username": "ann", "groups": ["all"],
            }),
            signed: Signed::By(known.key.clone()),
        };
        change(&mut token);
        let code = format!("code {}", known.codes.len());
        let (challenge, back) = (asked["code_challenge"].clone(), asked["redirect_uri"].clone());
        known.codes.insert(code.clone(), Given { challenge, back, token: token.text() });
        code
    }
}

type Shared = State<Arc<Mutex<Known>>>;

impl Known {
    /// What a test wants a path to answer, or what it answers.
    fn answer(&mut self, path: &'static str, usual: &Value) -> Response {
        *self.asked.entry(path).or_default() += 1;
        if let Some((status, text)) = self.answers.get(path).cloned() {
            let headers = [(header::LOCATION, "/elsewhere"), (header::CONTENT_TYPE, "application/json")];
            return (StatusCode::from_u16(status).unwrap(), headers, text).into_response();
        }
        let text = usual.to_string();
        let spaces = self.padding.get(path).map_or(0, |length| length - text.len());
        let text = format!("{}{text}", " ".repeat(spaces));
        ([(header::CONTENT_TYPE, "application/json")], text).into_response()
    }
}

async fn discovery(State(known): Shared) -> Response {
    let mut known = known.lock().unwrap();
    let usual = known.discovery.clone();
    known.answer("discovery", &usual)
}

async fn keys(State(known): Shared) -> Response {
    let mut known = known.lock().unwrap();
    let usual = json!({"keys": known.listed.iter().map(Key::listed).collect::<Vec<_>>()});
    known.answer("keys", &usual)
}

async fn token(State(known): Shared, headers: HeaderMap, body: String) -> Response {
    let mut known = known.lock().unwrap();
    let refused = |status: StatusCode, error: &str| (status, Json(json!({"error": error}))).into_response();
    let form: BTreeMap<_, _> = url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    let given = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    let secret: String = url::form_urlencoded::byte_serialize(CLIENT_SECRET.as_bytes()).collect();
    let basic = format!("Basic {}", STANDARD.encode(format!("{CLIENT_ID}:{secret}")));
    let in_header = headers.get(header::AUTHORIZATION).is_some_and(|value| *value == *basic);
    let in_body = given("client_id") == CLIENT_ID && given("client_secret") == CLIENT_SECRET;
    let wants_body =
        known.discovery["token_endpoint_auth_methods_supported"] == json!(["client_secret_post"]);
    if !(if wants_body { in_body } else { in_header }) {
        return refused(StatusCode::UNAUTHORIZED, "invalid_client");
    }
    // A code is good once.
    let Some(code) = known.codes.remove(given("code")) else {
        return refused(StatusCode::BAD_REQUEST, "invalid_grant");
    };
    let challenge =
        URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, given("code_verifier").as_bytes()));
    assert_eq!((challenge, given("redirect_uri")), (code.challenge, code.back.as_str()));
    let usual = json!({"access_token": "x", "token_type": "Bearer", "id_token": code.token});
    known.answer("token", &usual)
}
