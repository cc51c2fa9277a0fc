//! One request to one source, with every time and length bounded.
//!
//! Decided here: no proxy but the one of the settings, and that for public sources alone (a client that inherits a proxy
//! from the environment would leave its site by it); identity encoding only, and nothing decoded (digests are of the bytes sent); a few
//! redirects, never from https to http; no cookies, no referrer, no retry that the HTTP library makes on its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use headwater_api::report::Reason;
use headwater_policy::Proxy;
use reqwest::header::{ACCEPT_ENCODING, CONTENT_ENCODING, LOCATION, RANGE, RETRY_AFTER};
use reqwest::{Client, ClientBuilder, Response, StatusCode, Url, redirect};
use tokio::time::{Instant, timeout, timeout_at};

use super::fault::{Fault, Phase};
use super::rate::MinimumRate;
use super::settings::FetchSettings;
use super::source_memory::SourcePace;
use super::trouble::Trouble;
use crate::http::{Addresses, BoundedBody, WEB_PAGE, install_tls_provider, is_web_page, through_proxy};
use crate::limits::{BACK_OFF_MAX, BUSY_WAIT_DEFAULT, BUSY_WAIT_MIN, REDIRECTS_MAX};

/// The one way by which this process makes requests for content.
#[derive(Debug, Clone)]
pub(crate) struct Http {
    client: Client,
    addresses: Addresses,
    head_timeout: Duration,
    idle_timeout: Duration,
    small_total: Duration,
    /// TLS or nothing.
    tls_only: bool,
    /// By which some hosts are reached.
    proxy: Option<Proxy>,
}

/// Bytes and the time of the last one: how silence is seen from outside.
#[derive(Debug)]
pub(crate) struct Activity {
    bytes: AtomicU64,
    /// Of these, bytes of deltas.
    of_deltas: AtomicU64,
    silence: Mutex<Silence>,
}

#[derive(Debug)]
struct Silence {
    began: Instant,
    last: Instant,
    longest: Duration,
}

impl Activity {
    pub(crate) fn new() -> Self {
        let now = Instant::now();
        let silence = Mutex::new(Silence { began: now, last: now, longest: Duration::ZERO });
        Self { bytes: AtomicU64::new(0), of_deltas: AtomicU64::new(0), silence }
    }

    /// Something is asked for: silence is measured from now on.
    pub(crate) fn begin(&self) {
        let now = Instant::now();
        *self.silence() = Silence { began: now, last: now, longest: Duration::ZERO };
    }

    /// `count` bytes came; a head counts as a sign of life.
    pub(crate) fn came(&self, count: u64) {
        self.bytes.fetch_add(count, Ordering::Relaxed);
        let now = Instant::now();
        let mut silence = self.silence();
        silence.longest = silence.longest.max(now - silence.last);
        silence.last = now;
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

    /// When the last byte came, or when it was asked for.
    pub(crate) fn last(&self) -> Instant {
        self.silence().last
    }

    /// How long the source has needed since it was asked: for the next sign of life at the longest, and in all.
    pub(crate) fn pace(&self) -> SourcePace {
        let silence = self.silence();
        SourcePace { silence: silence.longest, total: silence.last - silence.began }
    }

    fn silence(&self) -> MutexGuard<'_, Silence> {
        self.silence.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Http {
    pub(crate) fn new(settings: &FetchSettings) -> Result<Self, reqwest::Error> {
        install_tls_provider();
        let addresses = Addresses::new(settings.families, settings.connect_timeout);
        let builder =
            |settings, addresses| through_proxy(builder(settings, addresses), settings.proxy.as_ref());
        let client = match builder(settings, &addresses).build() {
            Ok(client) => client,
            // A small system without certificate authorities: plain HTTP is as good, everything being signed.
            Err(error) => {
                tracing::warn!(%error, "no certificate authority is known here: https sources will fail");
                builder(settings, &addresses).tls_certs_only([]).build()?
            }
        };
        Ok(Self { proxy: settings.proxy.clone(), ..Self::with(client, addresses, settings) })
    }

    /// To the fleet's own sources: by their TLS and nothing else.
    pub(crate) fn of_fleet(
        settings: &FetchSettings,
        tls: rustls::ClientConfig,
    ) -> Result<Self, reqwest::Error> {
        let addresses = Addresses::new(settings.families, settings.connect_timeout);
        let client = builder(settings, &addresses).tls_backend_preconfigured(tls).https_only(true).build()?;
        Ok(Self { tls_only: true, ..Self::with(client, addresses, settings) })
    }

    fn with(client: Client, addresses: Addresses, settings: &FetchSettings) -> Self {
        Self {
            client,
            addresses,
            head_timeout: settings.connect_timeout + settings.idle_timeout,
            idle_timeout: settings.idle_timeout,
            small_total: settings.metadata_total,
            tls_only: false,
            proxy: None,
        }
    }

    /// Asks for `url`, from byte `offset` on, and gives whatever answer comes but 503.
    pub(crate) async fn get(&self, url: &str, offset: u64, activity: &Activity) -> Result<Response, Fault> {
        if self.tls_only && !url.starts_with("https://") {
            let detail = format!("{url}: the server and update agents are spoken to by TLS only");
            return Err(Fault::new(Reason::Tls, detail));
        }
        let response = match timeout(self.head_timeout, self.follow(url, offset)).await {
            Ok(answered) => answered?,
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
            let detail = format!("{url}: it answered {}: it does not admit this client", response.status());
            return Err(Fault::new(Reason::NotAdmitted, detail));
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

    /// Sends the request, and follows a few redirects.
    async fn follow(&self, url: &str, offset: u64) -> Result<Response, Fault> {
        let wrong = |why: String| Fault::new(Reason::HttpStatus, format!("{url}: {why}"));
        let mut at = Url::parse(url).map_err(|error| wrong(error.to_string()))?;
        for _ in 0..=REDIRECTS_MAX {
            if self.is_direct(&at) {
                self.addresses.choose(&at).await.map_err(|error| Fault::of_address(&error, url))?;
            }
            let mut request = self.client.get(at.clone()).header(ACCEPT_ENCODING, "identity");
            if offset > 0 {
                request = request.header(RANGE, format!("bytes={offset}-"));
            }
            let response = request.send().await.map_err(|error| {
                self.addresses.forget(&at);
                Fault::of_request(&error, url, Phase::Head)
            })?;
            let Some(location) = redirected(&response) else { return Ok(response) };
            let next =
                at.join(&location).map_err(|error| wrong(format!("a redirect to nowhere: {error}")))?;
            if !may_redirect(&at, &next) {
                return Err(wrong("a redirect from https to something weaker".to_owned()));
            }
            at = next;
        }
        Err(wrong(format!("more than {REDIRECTS_MAX} redirects")))
    }

    /// Whether a host is reached without a proxy, which would look its name up.
    fn is_direct(&self, url: &Url) -> bool {
        let host = url.host_str().unwrap_or_default();
        !self.proxy.as_ref().is_some_and(|proxy| proxy.applies_to(host))
    }

    /// The next bytes of a body that keeps to `rate`; `None` at its end.
    pub(super) async fn chunk(
        &self,
        response: &mut Response,
        rate: &mut MinimumRate,
        activity: &Activity,
    ) -> Result<Option<Bytes>, Trouble> {
        match timeout_at(rate.deadline(), response.chunk()).await {
            Ok(Ok(Some(bytes))) => {
                activity.came(bytes.len() as u64);
                rate.came(bytes.len() as u64);
                Ok(Some(bytes))
            }
            Ok(Ok(None)) => Ok(None),
            Ok(Err(error)) => Err(Fault::of_request(&error, response.url().as_str(), Phase::Body).into()),
            Err(_) => Err(Trouble::Stalled),
        }
    }

    /// A small file, whole, if the source has it. Longer than `length_max` is a fault.
    pub(crate) async fn small(
        &self,
        url: &str,
        length_max: u64,
        activity: &Activity,
    ) -> Result<Small, Fault> {
        let response = self.get(url, 0, activity).await?;
        let read = self.read_small(response, url, length_max, self.idle_timeout, activity).await;
        read.map_err(|trouble| match trouble {
            Trouble::Fault(fault) => fault,
            _ => Fault::too_slow(url, self.idle_timeout),
        })
    }

    /// The body of a small file; in each `span` enough of it must come.
    pub(super) async fn read_small(
        &self,
        mut response: Response,
        url: &str,
        length_max: u64,
        span: Duration,
        activity: &Activity,
    ) -> Result<Small, Trouble> {
        if is_absent(response.status()) {
            return Ok(Small::Absent(response.status()));
        }
        if response.status() != StatusCode::OK {
            return Err(wrong_status(response.status(), url).into());
        }
        let oversized =
            || Fault::new(Reason::Oversized, format!("{url}: longer than the {length_max} bytes allowed"));
        let announced = response.content_length();
        if announced.is_some_and(|length| length > length_max) {
            return Err(oversized().into());
        }
        let mut rate = MinimumRate::within(span, self.small_total);
        let mut body = BoundedBody::new(usize::try_from(length_max).unwrap_or(usize::MAX));
        while let Some(chunk) = self.chunk(&mut response, &mut rate, activity).await? {
            body.append(&chunk).map_err(|_| oversized())?;
        }
        let body = body.into_bytes();
        if is_web_page(&body) {
            return Err(Fault::new(Reason::Unparsable, format!("{url}: {WEB_PAGE}")).into());
        }
        Ok(Small::Found(body))
    }
}

/// The answer to a request for a small file: a JSON document.
#[derive(Debug)]
pub(crate) enum Small {
    /// It, whole.
    Found(Vec<u8>),
    /// The status by which the source says that it is not there.
    Absent(StatusCode),
}

impl Small {
    /// The file; one that is not there is a fault.
    pub(crate) fn found(self, url: &str) -> Result<Vec<u8>, Fault> {
        match self {
            Self::Found(bytes) => Ok(bytes),
            Self::Absent(status) => Err(absent(status, url)),
        }
    }
}

fn builder(settings: &FetchSettings, addresses: &Addresses) -> ClientBuilder {
    Client::builder()
        .user_agent(&settings.user_agent)
        .no_proxy()
        .referer(false)
        .retry(reqwest::retry::never())
        // Followed here, so that the address is chosen for each of them.
        .redirect(redirect::Policy::none())
        .dns_resolver(Arc::new(addresses.clone()))
        .connect_timeout(settings.connect_timeout)
}

/// The statuses by which static servers and buckets say that a file is not there.
pub(crate) fn is_absent(status: StatusCode) -> bool {
    matches!(status, StatusCode::NOT_FOUND | StatusCode::GONE | StatusCode::FORBIDDEN)
}

/// A file that is not there. By 403 a bucket says just that, and others that they refuse the caller.
pub(crate) fn absent(status: StatusCode, url: &str) -> Fault {
    let detail = match status {
        StatusCode::FORBIDDEN => {
            format!(
                "{url}: it answered {status}: the file is not there, or this source refuses this computer"
            )
        }
        _ => format!("{url}: it is not there"),
    };
    Fault::new(Reason::Missing, detail)
}

pub(crate) fn wrong_status(status: StatusCode, url: &str) -> Fault {
    let meaning = match status.as_u16() {
        401 => ": it wants a user name and password, which no source of updates may",
        407 => ": a proxy wants a user name and password",
        511 => ": the network wants a login first (captive portal)",
        502 | 504 => ": a proxy in front of it gets no answer from it",
        _ => "",
    };
    Fault::new(Reason::HttpStatus, format!("{url}: it answered {status}{meaning}"))
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

/// Where an answer sends us, if it is a redirect.
fn redirected(response: &Response) -> Option<String> {
    let status = response.status();
    let redirects = [
        StatusCode::MOVED_PERMANENTLY,
        StatusCode::FOUND,
        StatusCode::SEE_OTHER,
        StatusCode::TEMPORARY_REDIRECT,
        StatusCode::PERMANENT_REDIRECT,
    ];
    let location = response.headers().get(LOCATION).filter(|_| redirects.contains(&status))?;
    Some(location.to_str().ok()?.to_owned())
}

fn may_redirect(from: &Url, to: &Url) -> bool {
    to.scheme() == "https" || (to.scheme() == "http" && from.scheme() == "http")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_never_leads_to_something_weaker() {
        let may = |from: &str, to: &str| may_redirect(&from.parse().unwrap(), &to.parse().unwrap());
        assert!(may("http://a/", "http://b/") && may("http://a/", "https://b/"));
        assert!(may("https://a/", "https://b/"));
        assert!(!may("https://a/", "http://a/") && !may("http://a/", "file:///etc/passwd"));
    }

    #[test]
    fn the_wait_that_a_busy_source_asks_for_is_bounded() {
        assert_eq!(busy_wait(Some(0)), BUSY_WAIT_MIN);
        assert_eq!(busy_wait(None), BUSY_WAIT_DEFAULT);
        assert_eq!(busy_wait(Some(BACK_OFF_MAX.as_secs())), BACK_OFF_MAX);
        assert_eq!(busy_wait(Some(u64::MAX)), BACK_OFF_MAX);
    }
}
