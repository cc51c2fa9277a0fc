//! What the steps of a run read: configuration, data folder, what is in effect, identity, fetcher and time.
//!
//! Only few steps change it: the policy's step replaces policy and settings, enrolment and renewal set the identity,
//! and each segment of a plan sets the time-outs.

use std::time::Duration;

use headwater_api::settings::EffectiveSettingsDocument;
use headwater_depot::{FetchSettings, Fetcher, SourceMemory, Store};
use headwater_policy::Proxy;
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use crate::bundle::Bundle;
use crate::config::Config;
use crate::data::{DataFolder, State};
use crate::error::Error;
use crate::identity::{ClientIdentity, TrustAnchors};
use crate::limits::SHORT_TIMEOUT;
use crate::options::RunOptions;
use crate::server::Route;
use crate::session::effective::Effective;

/// What the steps of a run read.
pub struct Context {
    pub config: Config,
    pub options: RunOptions,
    pub folder: DataFolder,
    pub bundle: Bundle,
    pub effective: Effective,
    pub fetcher: Fetcher,
    pub store: Store,
    /// Identity and trust anchors; `None` if the client has not enrolled yet.
    pub identity: Option<(ClientIdentity, TrustAnchors)>,
    /// When the run began.
    pub now: Timestamp,
    begun: Instant,
    fetch_settings: FetchSettings,
    tls: Option<rustls::ClientConfig>,
}

/// How long a source may keep a class waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timeout {
    /// As long as the domain's settings state.
    Full,
    /// At most [`SHORT_TIMEOUT`], because another segment of the plan follows.
    Short,
}

impl Context {
    /// Prepares what a run reads.
    pub(crate) fn open(
        config: &Config,
        options: &RunOptions,
        folder: DataFolder,
        bundle: Bundle,
        state: &State,
        now: Timestamp,
    ) -> Result<Self, Error> {
        let effective = Effective::read(config, &folder, &bundle, state)?;
        let settings = &effective.settings;
        let fetch_settings = FetchSettings {
            connect_timeout: Duration::from_secs(settings.connect_timeout_seconds.into()),
            idle_timeout: Duration::from_secs(settings.idle_timeout_seconds.into()),
            families: effective.client().families(),
            proxy: proxy(settings),
            ..FetchSettings::default()
        };
        headwater_depot::http::install_tls_provider();
        let memory: SourceMemory = serde_json::from_value(state.sources.clone()).unwrap_or_default();
        let fetcher = Fetcher::new(fetch_settings.clone(), memory)
            .map_err(|error| Error::Internal(error.to_string()))?;
        let store = Store::open(folder.store(), None)?;
        Ok(Self {
            config: config.clone(),
            options: options.clone(),
            folder,
            bundle,
            effective,
            fetcher,
            store,
            identity: None,
            now,
            begun: Instant::now(),
            fetch_settings,
            tls: None,
        })
    }

    /// The time at this moment of the run, by the clock's reading at its start.
    pub(crate) fn time(&self) -> Timestamp {
        let elapsed = SignedDuration::try_from(self.begun.elapsed()).ok();
        elapsed.and_then(|elapsed| self.now.checked_add(elapsed).ok()).unwrap_or(self.now)
    }

    /// Sets the time-outs for the sources of the next segment.
    pub(crate) fn set_timeout(&mut self, timeout: Timeout) -> Result<(), Error> {
        let mut settings =
            FetchSettings { proxy: proxy(&self.effective.settings), ..self.fetch_settings.clone() };
        if timeout == Timeout::Short {
            settings.connect_timeout = settings.connect_timeout.min(SHORT_TIMEOUT);
            settings.idle_timeout = settings.idle_timeout.min(SHORT_TIMEOUT);
        }
        self.fetcher = Fetcher::new(settings, self.fetcher.source_memory())
            .map_err(|error| Error::Internal(error.to_string()))?;
        self.apply_tls()
    }

    /// Sets the identity and the trust anchors. TLS sessions continue if neither certificate nor CAs changed.
    pub(crate) fn set_identity(
        &mut self,
        identity: ClientIdentity,
        anchors: TrustAnchors,
    ) -> Result<(), Error> {
        let same = self
            .identity
            .as_ref()
            .is_some_and(|(held, trusted)| held.chain == identity.chain && trusted.cas == anchors.cas);
        if !same {
            self.tls = Some(identity.tls(&anchors)?);
            self.apply_tls()?;
        }
        self.identity = Some((identity, anchors));
        Ok(())
    }

    /// The routes to the server: direct, then the update agents of the plan.
    pub(crate) fn routes(&self) -> Vec<Route> {
        let direct = Route::direct(self.effective.policy.server().as_str());
        std::iter::once(direct)
            .chain(Route::carriers(&self.effective.policy, &self.effective.client()))
            .collect()
    }

    fn apply_tls(&self) -> Result<(), Error> {
        let Some(tls) = &self.tls else { return Ok(()) };
        self.fetcher.set_fleet_tls(tls.clone()).map_err(|error| Error::Internal(error.to_string()))
    }
}

/// The proxy of the domain. One that cannot be read was not made by a server of this version: without it, sources inside
/// the site still serve.
fn proxy(settings: &EffectiveSettingsDocument) -> Option<Proxy> {
    let read = Proxy::parse(settings.proxy.as_deref()?, &settings.proxy_exceptions);
    read.inspect_err(|error| tracing::warn!(%error, "the proxy of the settings cannot be used")).ok()
}
