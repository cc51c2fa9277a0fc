//! One request to one source, with every time and length bounded.
//!
//! Decided here: no proxy but what the source's own URL says (a client that inherits a proxy from the environment
//! would leave its site by it); identity encoding only, and nothing decoded (digests are of the bytes sent); a few
//! redirects, never from https to http; no cookies, no referrer, no retry that the HTTP library makes on its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use headwater_api::report::Reason;
use headwater_policy::{Family, FamilySet};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{ACCEPT_ENCODING, CONTENT_ENCODING, RANGE, RETRY_AFTER};
use reqwest::{Client, ClientBuilder, Response, StatusCode, redirect};
use tokio::time::{Instant, timeout};

use super::fault::{Fault, Phase, ResolveError};
use super::settings::FetchSettings;
use crate::http::{BoundedBody, install_tls_provider};
use crate::limits::{BACK_OFF_MAX, BUSY_WAIT_DEFAULT, BUSY_WAIT_MIN, REDIRECTS_MAX};

/// The one way by which this process makes requests for content.
#[derive(Debug, Clone)]
pub(crate) struct Http {
    client: Client,
    head_timeout: Duration,
    idle_timeout: Duration,
    /// TLS or nothing.
    tls_only: bool,
}

/// Bytes and the time of the last one: how silence is seen from outside.
#[derive(Debug)]
pub(crate) struct Activity {
    bytes: AtomicU64,
    /// Of these, bytes of deltas.
    of_deltas: AtomicU64,
    last: Mutex<Instant>,
}

impl Activity {
    pub(crate) fn new() -> Self {
        Self { bytes: AtomicU64::new(0), of_deltas: AtomicU64::new(0), last: Mutex::new(Instant::now()) }
    }

    /// `count` bytes came; a head counts as a sign of life.
    pub(crate) fn came(&self, count: u64) {
        self.bytes.fetch_add(count, Ordering::Relaxed);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// `count` of the bytes that came are a delta's.
    pub(crate) fn were_of_delta(&self, count: u64) {
        self.of_deltas.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn of_deltas(&self) -> u64 {
        self.of_deltas.load(Ordering::Relaxed)
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// When the last byte came, or when it all began.
    pub(crate) fn last(&self) -> Instant {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Http {
    pub(crate) fn new(settings: &FetchSettings) -> Result<Self, reqwest::Error> {
        install_tls_provider();
        let client = match builder(settings).build() {
            Ok(client) => client,
            // A small system without certificate authorities: plain HTTP is as good, everything being signed.
            Err(error) => {
                tracing::warn!(%error, "no certificate authority is known here: https sources will fail");
                builder(settings).tls_certs_only([]).build()?
            }
        };
        Ok(Self::with(client, settings))
    }

    /// To the fleet's own sources: by their TLS and nothing else.
    pub(crate) fn of_fleet(
        settings: &FetchSettings,
        tls: rustls::ClientConfig,
    ) -> Result<Self, reqwest::Error> {
        let client = builder(settings).tls_backend_preconfigured(tls).https_only(true).build()?;
        Ok(Self { tls_only: true, ..Self::with(client, settings) })
    }

    fn with(client: Client, settings: &FetchSettings) -> Self {
        Self {
            client,
            head_timeout: settings.connect_timeout + settings.idle_timeout,
            idle_timeout: settings.idle_timeout,
            tls_only: false,
        }
    }

    /// Asks for `url`, from byte `offset` on, and gives whatever answer comes but 503.
    pub(crate) async fn get(&self, url: &str, offset: u64, activity: &Activity) -> Result<Response, Fault> {
        if self.tls_only && !url.starts_with("https://") {
            let detail = format!("{url}: the server and update agents are spoken to by TLS only");
            return Err(Fault::new(Reason::Tls, detail));
        }
        let mut request = self.client.get(url).header(ACCEPT_ENCODING, "identity");
        if offset > 0 {
            request = request.header(RANGE, format!("bytes={offset}-"));
        }
        let response = match timeout(self.head_timeout, request.send()).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(Fault::of_request(&error, url, Phase::Head)),
            Err(_) => {
                let detail = format!("{url}: no answer in {} s", self.head_timeout.as_secs_f32());
                return Err(Fault::new(Reason::Timeout, detail));
            }
        };
        activity.came(0);
        if response.status() == StatusCode::SERVICE_UNAVAILABLE {
            return Err(busy(&response, url));
        }
        // A bucket means by 403 that a file is not there; the fleet's own sources mean the caller.
        if self.tls_only && matches!(response.status(), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            let detail = format!(
                "{url}: it answered {}: it does not admit this client any more; `headwater clients show ID` on the server shows \
                 whether it was revoked or removed, and `headwater-client enrol BUNDLE --new-key` re-enrols it, with a \
                 bundle of `headwater clients enrol-bundle --client ID` if it was revoked",
                response.status()
            );
            return Err(Fault::new(Reason::HttpStatus, detail));
        }
        let encoded = response.headers().get(CONTENT_ENCODING);
        if let Some(encoding) =
            encoded.filter(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity"))
        {
            let detail = format!("{url}: it was sent as {encoding:?}, which nobody asked for");
            return Err(Fault::new(Reason::HttpStatus, detail));
        }
        Ok(response)
    }

    /// The next bytes of a body; `None` at its end.
    pub(crate) async fn chunk(
        &self,
        response: &mut Response,
        activity: &Activity,
    ) -> Result<Option<Bytes>, Fault> {
        match timeout(self.idle_timeout, response.chunk()).await {
            Ok(Ok(Some(bytes))) => {
                activity.came(bytes.len() as u64);
                Ok(Some(bytes))
            }
            Ok(Ok(None)) => Ok(None),
            Ok(Err(error)) => Err(Fault::of_request(&error, response.url().as_str(), Phase::Body)),
            Err(_) => {
                let detail = format!("{}: no byte in {} s", response.url(), self.idle_timeout.as_secs_f32());
                Err(Fault::new(Reason::Timeout, detail))
            }
        }
    }

    /// A small file, whole; `None` if the source answers that it is not there. Longer than `length_max` is a fault.
    pub(crate) async fn small(
        &self,
        url: &str,
        length_max: u64,
        activity: &Activity,
    ) -> Result<Option<Vec<u8>>, Fault> {
        let mut response = self.get(url, 0, activity).await?;
        if is_absent(response.status()) {
            return Ok(None);
        }
        if response.status() != StatusCode::OK {
            return Err(wrong_status(response.status(), url));
        }
        let oversized =
            || Fault::new(Reason::Oversized, format!("{url}: longer than the {length_max} bytes allowed"));
        let announced = response.content_length();
        if announced.is_some_and(|length| length > length_max) {
            return Err(oversized());
        }
        let mut body = BoundedBody::new(usize::try_from(length_max).unwrap_or(usize::MAX));
        while let Some(chunk) = self.chunk(&mut response, activity).await? {
            body.append(&chunk).map_err(|_| oversized())?;
        }
        Ok(Some(body.into_bytes()))
    }
}

fn builder(settings: &FetchSettings) -> ClientBuilder {
    Client::builder()
        .user_agent(&settings.user_agent)
        .no_proxy()
        .referer(false)
        .retry(reqwest::retry::never())
        .redirect(redirect::Policy::custom(redirected))
        .dns_resolver(Arc::new(Resolver { families: settings.families }))
        .connect_timeout(settings.connect_timeout)
}

/// The statuses by which static servers and buckets say that a file is not there.
pub(crate) fn is_absent(status: StatusCode) -> bool {
    matches!(status, StatusCode::NOT_FOUND | StatusCode::GONE | StatusCode::FORBIDDEN)
}

pub(crate) fn wrong_status(status: StatusCode, url: &str) -> Fault {
    Fault::new(Reason::HttpStatus, format!("{url}: it answered {status}"))
}

/// 503, with the seconds that it asks for. A date is not understood and counts as no wish: ours is a default.
fn busy(response: &Response, url: &str) -> Fault {
    let seconds =
        response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let wait = busy_wait(seconds);
    let mut fault = Fault::new(Reason::Busy, format!("{url}: it is busy for {} s", wait.as_secs()));
    fault.retry_after = Some(wait);
    fault
}

/// How long a busy source is left alone. Bounded, because a time beyond all clocks is one that nothing can be added to.
fn busy_wait(seconds: Option<u64>) -> Duration {
    seconds.map_or(BUSY_WAIT_DEFAULT, Duration::from_secs).clamp(BUSY_WAIT_MIN, BACK_OFF_MAX)
}

fn redirected(attempt: redirect::Attempt) -> redirect::Action {
    if attempt.previous().len() > REDIRECTS_MAX {
        return attempt.error(format!("more than {REDIRECTS_MAX} redirects"));
    }
    let was_secure = attempt.previous().iter().any(|url| url.scheme() == "https");
    match attempt.url().scheme() {
        "https" => attempt.follow(),
        "http" if !was_secure => attempt.follow(),
        _ => attempt.error("a redirect from https to something weaker"),
    }
}

/// The system's resolver, with this crate's errors and only families that this computer has.
struct Resolver {
    families: FamilySet,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let families = self.families;
        Box::pin(async move {
            let name = name.as_str().to_owned();
            let looked_up = tokio::net::lookup_host((name.as_str(), 0)).await.map(Iterator::collect);
            let found: Vec<SocketAddr> = match looked_up {
                Ok(found) => found,
                Err(source) => return Err(ResolveError::Unknown { name, source }.into()),
            };
            let reachable: Vec<SocketAddr> =
                found.into_iter().filter(|address| families.contains(family_of(address))).collect();
            if reachable.is_empty() {
                return Err(ResolveError::NoCommonFamily { name }.into());
            }
            Ok(Box::new(reachable.into_iter()) as Addrs)
        })
    }
}

fn family_of(address: &SocketAddr) -> Family {
    if address.is_ipv4() { Family::V4 } else { Family::V6 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_that_a_busy_source_asks_for_is_bounded() {
        assert_eq!(busy_wait(Some(0)), BUSY_WAIT_MIN);
        assert_eq!(busy_wait(None), BUSY_WAIT_DEFAULT);
        assert_eq!(busy_wait(Some(BACK_OFF_MAX.as_secs())), BACK_OFF_MAX);
        assert_eq!(busy_wait(Some(u64::MAX)), BACK_OFF_MAX);
    }
}
