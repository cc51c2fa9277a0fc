//! Routes to the server: direct, or through an update agent that carries what a client states (U5).

use std::sync::Arc;
use std::time::Duration;

use headwater_depot::http::{
    Addresses, BodyError, ConnectionFailure, ConnectionProblem, WEB_PAGE, connection_failure,
    install_tls_provider, is_web_page, read_body,
};
use headwater_depot::limits::CONNECT_TIMEOUT;
use headwater_identity::Answer;
use headwater_policy::{Class, Client, FamilySet, Policy, SourceKey, plan};
use headwater_repo::error_chain;
use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use serde::Deserialize;
use tokio::time::{Instant, timeout_at};

use crate::error::Error;
use crate::limits::{ANSWER_BYTES_MAX, CARRIERS_MAX};

/// One route to the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Base URL of the listener.
    pub base: String,
    /// The id of the update agent that carries; `None` for the server's own listener.
    pub carrier: Option<String>,
}

/// Why a message got no answer over a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SendError {
    /// It did not arrive, or no answer came back.
    Unreachable(ConnectionFailure),
    /// The answer is not the server's.
    Unanswered(String),
    /// The server, or a host in front of it, refuses it.
    Refused(u16, String),
    /// The server, by its unverified answer, has taken this number or a later one before.
    Replayed(Box<Answer>, String),
    /// The server has taken this number or a later one before: the client continues after this one.
    Taken(u64),
    /// The server is busy; it states when to try again (429 or 503 with `Retry-After`).
    Busy(Duration, String),
}

impl std::fmt::Display for SendError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unreachable(failure) => failure.fmt(f),
            Self::Unanswered(why) => f.write_str(why),
            Self::Refused(status, why) if why.is_empty() => write!(f, "HTTP status {status}"),
            Self::Refused(status, why) => write!(f, "HTTP status {status}: {why}"),
            Self::Replayed(_, why) => write!(f, "HTTP status 409: {why}"),
            Self::Taken(taken) => write!(f, "the server has taken number {taken} before"),
            Self::Busy(wait, why) => write!(f, "busy, to be tried again in {} s: {why}", wait.as_secs()),
        }
    }
}

impl Route {
    /// The server's own listener.
    pub(crate) fn direct(base: &str) -> Self {
        Self { base: base.trim_end_matches('/').to_owned(), carrier: None }
    }

    /// The update agents of this client's plan, in the plan's order.
    pub(crate) fn carriers(policy: &Policy, client: &Client) -> Vec<Self> {
        let mut routes: Vec<Self> = Vec::new();
        for class in Class::ALL {
            for step in plan(policy, client, class).steps {
                let SourceKey::UpdateAgent(id) = &step.source else { continue };
                let route = Self { base: over_tls(step.url.as_str()), carrier: Some(id.to_string()) };
                if routes.len() < CARRIERS_MAX && !routes.contains(&route) {
                    routes.push(route);
                }
            }
        }
        routes
    }

    /// Posts a message to an endpoint of the fleet plane and returns the answer's body.
    pub(crate) async fn post(
        &self,
        http: &FleetHttp,
        endpoint: &str,
        body: Vec<u8>,
        wait: Duration,
    ) -> Result<Vec<u8>, SendError> {
        let url = format!("{}/client/v1/{endpoint}", self.base);
        let ends = Instant::now() + wait;
        http.choose_address(&url, ends).await?;
        let left = ends.saturating_duration_since(Instant::now());
        let asked =
            http.client.post(url).timeout(left).header(CONTENT_TYPE, "application/json").body(body).send();
        let mut response = asked.await.map_err(|error| unreachable(&error))?;
        let body = read_body(&mut response, ANSWER_BYTES_MAX).await;
        let bytes = body.map_err(|error| match error {
            BodyError::TooLong { .. } => SendError::Unanswered(error_chain(&error)),
            BodyError::Connection(error) => unreachable(&error),
        })?;
        // Whatever its status: it is not the server that answers so.
        if is_web_page(&bytes) {
            return Err(SendError::Unanswered(WEB_PAGE.to_owned()));
        }
        match (response.status(), retry_after(response.headers())) {
            (status, _) if status.is_success() => Ok(bytes),
            (StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE, Some(wait)) => {
                Err(SendError::Busy(wait, message(&bytes)))
            }
            (status, _) => Err(match replayed(&bytes) {
                Some(answer) if status == StatusCode::CONFLICT => {
                    SendError::Replayed(Box::new(answer), message(&bytes))
                }
                _ => SendError::Refused(status.as_u16(), message(&bytes)),
            }),
        }
    }
}

impl std::fmt::Display for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.carrier {
            None => write!(f, "the server at {}", self.base),
            Some(id) => write!(f, "update agent {id} at {}", self.base),
        }
    }
}

/// What sends to the fleet plane: an HTTP client, and the addresses of the names to which it connects.
#[derive(Debug, Clone)]
pub(crate) struct FleetHttp {
    client: reqwest::Client,
    addresses: Addresses,
}

impl FleetHttp {
    /// Of a name with several addresses, finds one that answers, in the time that there is.
    async fn choose_address(&self, url: &str, ends: Instant) -> Result<(), SendError> {
        // What is no URL fails when it is sent.
        let Ok(url) = url.parse() else { return Ok(()) };
        match timeout_at(ends, self.addresses.choose(&url)).await {
            Ok(chosen) => chosen.map_err(|error| unreachable(&error)),
            Err(_) => Err(SendError::Unreachable(ConnectionFailure {
                problem: ConnectionProblem::TimedOut,
                words: format!("no address of {url} answered"),
            })),
        }
    }
}

fn unreachable(error: &(dyn std::error::Error + 'static)) -> SendError {
    SendError::Unreachable(connection_failure(error))
}

/// An HTTP client that uses the fleet's TLS configuration and nothing weaker.
pub(crate) fn http_client(tls: rustls::ClientConfig) -> Result<FleetHttp, Error> {
    install_tls_provider();
    let addresses = Addresses::new(FamilySet::BOTH, CONNECT_TIMEOUT);
    let builder = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .dns_resolver(Arc::new(addresses.clone()))
        .user_agent(concat!("headwater-client/", env!("CARGO_PKG_VERSION")))
        .tls_backend_preconfigured(tls)
        .https_only(true);
    let failed = |error| Error::Internal(format!("cannot create an HTTP client: {error}"));
    Ok(FleetHttp { client: builder.build().map_err(failed)?, addresses })
}

/// The URL with scheme `https`. Update agents serve TLS only, but an old policy may name them with `http`.
pub(crate) fn over_tls(url: &str) -> String {
    let url = url.trim_end_matches('/');
    url.strip_prefix("http://").map_or_else(|| url.to_owned(), |rest| format!("https://{rest}"))
}

/// The value of `Retry-After` in seconds, as our own programs write it.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// The server's signed answer in the refusal of a number that it has taken; nothing in it is verified yet.
fn replayed(body: &[u8]) -> Option<Answer> {
    #[derive(Deserialize)]
    struct Refusal {
        error: Inner,
    }
    #[derive(Deserialize)]
    struct Inner {
        details: Details,
    }
    #[derive(Deserialize)]
    struct Details {
        answer: Answer,
    }
    serde_json::from_slice::<Refusal>(body).ok().map(|refusal| refusal.error.details.answer)
}

/// The message of a refusal.
fn message(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Refusal {
        error: Inner,
    }
    #[derive(Deserialize)]
    struct Inner {
        message: String,
    }
    let text = match serde_json::from_slice::<Refusal>(body) {
        Ok(refusal) => refusal.error.message,
        Err(_) => String::from_utf8_lossy(body).into_owned(),
    };
    text.chars().take(500).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::policy::policy_of;

    #[test]
    fn the_first_update_agents_of_the_plan_carry_over_tls() {
        let check = |agents: usize| {
            let agent = |number: usize| {
                serde_json::json!({
                    "id": format!("ua-{number}"), "addresses": [format!("10.0.0.{}", number + 1)], "port": 8472,
                    "classes": ["settings", "components", "programs"],
                })
            };
            let entry = |number: usize| {
                serde_json::json!({
                    "clients": {"ipv4": "10.1.0.0-10.1.0.255"}, "source": {"update_agent": format!("ua-{number}")},
                })
            };
            let document = serde_json::json!({
                "mode": "customized",
                "options": headwater_api::policy::OptionsDocument::default(),
                "server": {"url": "https://10.9.0.1:8471"},
                "update_agents": (0..agents).map(agent).collect::<Vec<_>>(),
                "entries": (0..agents).map(entry).collect::<Vec<_>>(),
            });
            let policy = policy_of(&serde_json::from_value(document).unwrap()).unwrap();
            let client = Client::new("pc".parse().unwrap(), vec!["10.1.0.7".parse().unwrap()], false);
            Route::carriers(&policy, &client).into_iter().map(|route| route.base).collect::<Vec<_>>()
        };
        let expected: Vec<_> =
            (0..CARRIERS_MAX).map(|number| format!("https://10.0.0.{}:8472", number + 1)).collect();
        assert_eq!(check(CARRIERS_MAX), expected);
        assert_eq!(check(CARRIERS_MAX + 1), expected);
        assert!(check(0).is_empty());
    }
}
