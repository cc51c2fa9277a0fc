//! Everybody, each with what they really have: certificates, sessions, tokens, the local socket.

use std::sync::atomic::{AtomicU64, Ordering};

use headwater_api::bundle::EnrolBundle;
use headwater_identity::{CaCertificate, StatementKind, tls};
use headwater_server::caller::AdministratorRole;
use reqwest::header::{COOKIE, ORIGIN, SET_COOKIE};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::table::{Asks, Caller, Cell, Line, SCOPE};
use crate::endpoint::{Endpoint, path};
use crate::harness::{Server, answer, local};

const PASSWORD: &str = "correct horse battery";

/// Somebody.
pub struct Somebody {
    caller: Caller,
    http: reqwest::Client,
    /// A header that names who asks.
    proof: Option<(reqwest::header::HeaderName, String)>,
    /// Whose statements they bring: their own, or those of a client.
    speaks: usize,
}

/// Everybody, and what they ask with.
pub struct Everybody {
    pub all: Vec<Somebody>,
    /// Client, update agent, revoked client, and another client.
    endpoints: Vec<Endpoint>,
    bundle: EnrolBundle,
    console: String,
    fleet: String,
    asked: AtomicU64,
}

impl Everybody {
    /// Enrols, revokes and signs in the users it needs; the console speaks HTTPS by the fleet CA.
    pub async fn of(server: &Server) -> Self {
        let bundle = server.bundle(json!({"uses": 100})).await;
        let mut endpoints = Vec::new();
        for id in ["pc-1", "ua-1", "pc-2", "pc-3"] {
            endpoints.push(Endpoint::enrolled(server, id, "root").await);
        }
        let role = json!({"classes": ["components"], "addresses": ["10.0.0.9"]});
        server.ok("PUT", "/api/v1/update-agents/ua-1", Some(role)).await;
        server.ok("POST", "/api/v1/clients/pc-2/revoke", None).await;
        let elsewhere = Server::start().await;
        let foreign = Endpoint::enrolled(&elsewhere, "pc-1", "root").await;

        let cas: Vec<_> = bundle.ca.iter().map(|pem| CaCertificate::from_pem(pem).unwrap()).collect();
        let with = |own: Option<&Endpoint>| {
            let own = own.map(|own| (own.chain.as_ref().unwrap(), &own.key));
            let tls = tls::client_config(&cas, own).unwrap();
            reqwest::Client::builder().tls_backend_preconfigured(tls).build().unwrap()
        };
        let somebody = |caller, http, speaks| Somebody { caller, http, proof: None, speaks };
        let mut all = vec![
            somebody(Caller::Anonymous, with(None), 0),
            somebody(Caller::Foreign, with(Some(&foreign)), 0),
            somebody(Caller::Client, with(Some(&endpoints[0])), 0),
            somebody(Caller::UpdateAgent, with(Some(&endpoints[1])), 1),
            somebody(Caller::Revoked, with(Some(&endpoints[2])), 2),
        ];
        for role in AdministratorRole::ALL {
            let proof = Some((COOKIE, session(server, role).await));
            all.push(Somebody { proof, ..somebody(Caller::Session(role), with(None), 0) });
        }
        let tokens = AdministratorRole::ALL.map(|role| (Caller::Token(role), role, json!([])));
        for (caller, role, scopes) in
            tokens.into_iter().chain([(Caller::ScopedToken, AdministratorRole::Admin, json!([SCOPE]))])
        {
            let proof = format!("Bearer {}", token(server, role, scopes).await);
            let proof = Some((reqwest::header::AUTHORIZATION, proof));
            all.push(Somebody { proof, ..somebody(caller, with(None), 0) });
        }
        all.push(somebody(Caller::Socket, local(&server.running), 0));
        Self {
            all,
            endpoints,
            bundle,
            console: server.running.console_url.trim_end_matches('/').to_owned(),
            fleet: server.running.fleet_url.clone(),
            asked: AtomicU64::new(0),
        }
    }

    /// Somebody asks the console plane.
    pub async fn ask_console(&self, who: &Somebody, line: &Line) -> Cell {
        // What the authorizer admits must change nothing that the rest of the test needs.
        let path =
            line.path.replace("{class}", "components").replace("{number}", "999").replace("{version}", "9");
        let parts = path.split('/').map(|part| if part.starts_with('{') { "nobody" } else { part });
        let path = parts.collect::<Vec<_>>().join("/");
        let base = if who.caller == Caller::Socket { "http://localhost" } else { &self.console };
        let mut request = who.request(line.method.clone(), format!("{base}{path}"));
        if matches!(who.caller, Caller::Session(_)) {
            request = request.header(ORIGIN, &self.console);
        }
        let body = match (line.method.as_str(), line.path.as_str()) {
            ("POST", "/api/v1/tokens") => {
                let name = format!("made-{}", self.asked.fetch_add(1, Ordering::Relaxed));
                Some(json!({"name": name, "role": "viewer"}))
            }
            // The new one will not do.
            ("PUT", "/api/v1/session/password") => Some(json!({"password": PASSWORD, "new_password": "x"})),
            _ => None,
        };
        if let Some(body) = body {
            request = request.json(&body);
        }
        let status = request.send().await.unwrap().status().as_u16();
        match status {
            404 | 405 if line.asks == Asks::Nothing => Cell::No(status),
            401 | 403 | 500.. => Cell::No(status),
            _ => Cell::Yes,
        }
    }

    /// Somebody asks the fleet plane; only what is really given counts.
    pub async fn ask_fleet(&self, who: &Somebody, line: &Line) -> Cell {
        if who.caller == Caller::Socket {
            return Cell::Elsewhere;
        }
        let asked = line.path.replace("{*path}", "metadata/timestamp.json");
        let mut request = who.request(line.method.clone(), format!("{}{asked}", self.fleet));
        if let Some(body) = self.stated(who, line) {
            request = request.json(&body);
        }
        let Ok(response) = request.send().await else { return Cell::Unconnected };
        match answer(response).await.0 {
            200 => Cell::Yes,
            status => Cell::No(status),
        }
    }

    /// What is posted to a path of the fleet plane: what its route takes.
    fn stated(&self, who: &Somebody, line: &Line) -> Option<Value> {
        let speaker = match line.asks {
            Asks::Carrying => &self.endpoints[3],
            Asks::Plainly | Asks::Nothing => &self.endpoints[who.speaks],
        };
        let kind =
            [StatementKind::Enrolment, StatementKind::Renewal, StatementKind::CheckIn, StatementKind::Report]
                .into_iter()
                .find(|kind| path(*kind) == line.path)?;
        let body = match kind {
            StatementKind::Enrolment => {
                let id = format!("new-{}", self.asked.fetch_add(1, Ordering::Relaxed));
                return Some(Endpoint::new(&id, &self.bundle).enrolment(&self.bundle, json!({})));
            }
            StatementKind::Renewal => speaker.renewal_body(),
            StatementKind::CheckIn => speaker.check_in_body(),
            StatementKind::Report => crate::clients::report(speaker.id.as_str(), 1),
        };
        Some(speaker.statement(kind, speaker.next(kind), &body))
    }
}

impl Somebody {
    pub fn caller(&self) -> Caller {
        self.caller
    }

    fn request(&self, method: Method, url: String) -> RequestBuilder {
        let request = self.http.request(method, url);
        match &self.proof {
            Some((name, value)) => request.header(name, value),
            None => request,
        }
    }
}

/// The cookie of an administrator who signed in.
async fn session(server: &Server, role: AdministratorRole) -> String {
    let name = format!("who-is-{role}");
    let request = json!({"name": name, "role": role.to_string()});
    let made = server.ok("POST", "/api/v1/administrators", Some(request)).await;
    let body = json!({"name": name, "password": made["password"], "new_password": PASSWORD});
    let response = server.anonymous(Method::POST, "/api/v1/sign-in").json(&body).send().await.unwrap();
    assert_eq!(response.status(), 200);
    response.headers()[SET_COOKIE].to_str().unwrap().split(';').next().unwrap().to_owned()
}

async fn token(server: &Server, role: AdministratorRole, scopes: Value) -> String {
    let name = format!("{role}-{}", scopes.as_array().unwrap().len());
    let request = json!({"name": name, "role": role.to_string(), "scopes": scopes});
    let request = local(&server.running).post("http://localhost/api/v1/tokens").json(&request);
    let (status, made) = answer(request.send().await.unwrap()).await;
    assert_eq!(status, 201, "{made}");
    made["token"].as_str().unwrap().to_owned()
}
