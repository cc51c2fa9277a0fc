//! DeltaPaths to the server: straight, and by update agents that carry what a client says (U5).

use std::time::Duration;

use headwater_policy::{Class, Client, Policy, SourceKey, plan};
use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use serde::Deserialize;

use crate::error::Error;
use crate::limits::{ANSWER_BYTES_MAX, CARRIERS_MAX};
use headwater_repo::error_chain;

/// One way to the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Way {
    /// Base URL of the listener that is asked.
    pub base: String,
    /// The update agent that carries; none: the server's own listener.
    pub carrier: Option<String>,
}

/// Why a message came to nothing on a way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unsaid {
    /// It did not arrive, or no answer came back, or one that is not the server's.
    Lost(String),
    /// The server, or whoever stands before it, refuses.
    Refused(u16, String),
    /// Likewise, because too much is going on; it says when to come again (429 and 503 with `Retry-After`).
    Busy(Duration, String),
}

impl std::fmt::Display for Unsaid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Lost(why) => f.write_str(why),
            Self::Refused(status, why) => write!(f, "it answered {status}: {why}"),
            Self::Busy(wait, why) => write!(f, "it says to come again in {} s: {why}", wait.as_secs()),
        }
    }
}

impl Way {
    /// Straight to the server.
    pub(crate) fn straight(base: &str) -> Self {
        Self { base: base.trim_end_matches('/').to_owned(), carrier: None }
    }

    /// The update agents of this client's plan, in its order.
    pub(crate) fn carriers(policy: &Policy, client: &Client) -> Vec<Self> {
        let mut ways: Vec<Self> = Vec::new();
        for class in Class::ALL {
            for step in plan(policy, client, class).steps {
                let SourceKey::UpdateAgent(id) = &step.source else { continue };
                let way = Self { base: over_tls(step.url.as_str()), carrier: Some(id.to_string()) };
                if ways.len() < CARRIERS_MAX && !ways.contains(&way) {
                    ways.push(way);
                }
            }
        }
        ways
    }

    /// Says something on this way; the answer's body.
    pub(crate) async fn post(
        &self,
        http: &reqwest::Client,
        what: &str,
        body: Vec<u8>,
        wait: Duration,
    ) -> Result<Vec<u8>, Unsaid> {
        let lost = |error: reqwest::Error| Unsaid::Lost(error_chain(&error));
        let url = format!("{}/client/v1/{what}", self.base);
        let asked = http.post(url).timeout(wait).header(CONTENT_TYPE, "application/json").body(body).send();
        let mut response = asked.await.map_err(lost)?;
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(lost)? {
            if bytes.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(Unsaid::Lost("the answer is longer than it may be".to_owned()));
            }
            bytes.extend_from_slice(&chunk);
        }
        match (response.status(), retry_after(response.headers())) {
            (status, _) if status.is_success() => Ok(bytes),
            (StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE, Some(wait)) => {
                Err(Unsaid::Busy(wait, message(&bytes)))
            }
            (status, _) => Err(Unsaid::Refused(status.as_u16(), message(&bytes))),
        }
    }
}

impl std::fmt::Display for Way {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.carrier {
            None => write!(f, "the server at {}", self.base),
            Some(id) => write!(f, "update agent {id} at {}", self.base),
        }
    }
}

/// A client for the ways: with the fleet's TLS and nothing weaker.
pub(crate) fn http(tls: rustls::ClientConfig) -> Result<reqwest::Client, Error> {
    headwater_depot::http::install_tls_provider();
    let builder = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("headwater-client/", env!("CARGO_PKG_VERSION")))
        .tls_backend_preconfigured(tls)
        .https_only(true);
    let failed = |error| Error::Internal(format!("no HTTP client can be made on this system: {error}"));
    builder.build().map_err(failed)
}

/// Update agents are spoken to over TLS, whatever scheme a policy of before the fleet had certificates gives them.
pub(crate) fn over_tls(url: &str) -> String {
    let url = url.trim_end_matches('/');
    url.strip_prefix("http://").map_or_else(|| url.to_owned(), |rest| format!("https://{rest}"))
}

/// Seconds, as our own programs write it.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// What a refusal says for people.
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
    use crate::in_force::policy_of;

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
                "options": {},
                "server": {"url": "https://10.9.0.1:8471"},
                "update_agents": (0..agents).map(agent).collect::<Vec<_>>(),
                "entries": (0..agents).map(entry).collect::<Vec<_>>(),
            });
            let policy = policy_of(&serde_json::from_value(document).unwrap()).unwrap();
            let client = Client::new("pc".parse().unwrap(), vec!["10.1.0.7".parse().unwrap()], false);
            Way::carriers(&policy, &client).into_iter().map(|way| way.base).collect::<Vec<_>>()
        };
        let expected: Vec<_> =
            (0..CARRIERS_MAX).map(|number| format!("https://10.0.0.{}:8472", number + 1)).collect();
        assert_eq!(check(CARRIERS_MAX), expected);
        assert_eq!(check(CARRIERS_MAX + 1), expected);
        assert!(check(0).is_empty());
    }
}
