//! What a run works with: what was read at its start, and what it has found so far.

use headwater_api::bundle::ClientBundle;
use headwater_api::policy::PolicyDocument;
use headwater_api::report::Attempt;
use headwater_api::settings::{DomainDocument, EffectiveSettingsDocument};
use headwater_depot::{BackOff, FetchSettings, Fetcher, Store, StoreError};
use headwater_policy::{Client, ClientId, EffectiveSettings, Policy};
use jiff::Timestamp;

use crate::config::Config;
use crate::error::Error;
use crate::folder::DataFolder;
use crate::limits::IMPATIENT_TIMEOUT;
use crate::run::RunOptions;
use crate::server::Announced;
use crate::state::State;
use crate::{bundle, identity, os};

/// One run's working values.
pub(crate) struct Session {
    pub config: Config,
    pub options: RunOptions,
    pub folder: DataFolder,
    pub bundle: ClientBundle,
    pub state: State,
    pub client_id: ClientId,
    pub addresses: Vec<std::net::IpAddr>,
    pub policy: Policy,
    pub domain: String,
    pub settings: EffectiveSettingsDocument,
    pub fetcher: Fetcher,
    fetch: FetchSettings,
    pub store: Store,
    pub announced: Announced,
    /// The server answered this run's check-in.
    pub server_answers: bool,
    pub now: Timestamp,
    pub attempts: Vec<Attempt>,
    pub warnings: Vec<String>,
    /// What was done of a class before its sources gave out and the walk went on elsewhere.
    pub carried: Vec<crate::machine::NameOutcome>,
    pub update_agent: Option<headwater_api::report::UpdateAgentReport>,
    /// What the classes run so far came to.
    pub outcomes: Vec<headwater_api::report::ClassOutcome>,
    /// The newer `headwater-client` that was put in place.
    pub replaced: Option<std::path::PathBuf>,
}

impl Session {
    /// Reads what a run starts from.
    pub(crate) fn open(config: &Config, options: &RunOptions, now: Timestamp) -> Result<Self, Error> {
        let folder = DataFolder::new(&config.data);
        os::create_folder(folder.root()).map_err(Error::file("making", folder.root()))?;
        let bundle = bundle::take(config, &folder)?;
        identity::settle(config, &folder)?;
        let (state, put_aside) = State::load_or_put_aside(&folder)?;
        let client_id: ClientId =
            config.id.parse().map_err(|problem| Error::Internal(format!("id {}: {problem}", config.id)))?;
        let policy = policy_of(state.policy.as_ref().map_or(&bundle.policy, |signed| &signed.policy))
            .map_err(|problem| Error::Malformed { path: folder.state(), problem })?;
        let addresses = addresses(config)?;
        let (domain, settings) = settings_in_force(&folder, &state, &bundle)?;
        let families = Client::new(client_id.clone(), addresses.clone(), false).families();
        let fetch = FetchSettings {
            connect_timeout: std::time::Duration::from_secs(settings.connect_timeout_seconds.into()),
            idle_timeout: std::time::Duration::from_secs(settings.idle_timeout_seconds.into()),
            families,
            ..FetchSettings::default()
        };
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let back_off: BackOff = serde_json::from_value(state.back_off.clone()).unwrap_or_default();
        let fetcher =
            Fetcher::new(fetch.clone(), back_off).map_err(|error| Error::Internal(error.to_string()))?;
        let store = Store::open(folder.store(), None).map_err(store_error)?;
        Ok(Self {
            config: config.clone(),
            options: options.clone(),
            folder,
            bundle,
            state,
            client_id,
            addresses,
            policy,
            domain,
            settings,
            fetcher,
            fetch,
            store,
            announced: Announced::new(),
            server_answers: false,
            now,
            attempts: Vec::new(),
            warnings: put_aside.into_iter().collect(),
            carried: Vec::new(),
            update_agent: None,
            outcomes: Vec::new(),
            replaced: None,
        })
    }

    /// This client, as plans are made for it.
    pub(crate) fn client(&self) -> Client {
        Client::new(self.client_id.clone(), self.addresses.clone(), self.settings.download_from_vendor)
    }

    /// Fetches with the full time-outs, or with those for a stretch of sources behind which another stands.
    pub(crate) fn set_patience(&mut self, patient: bool) -> Result<(), Error> {
        let mut settings = self.fetch.clone();
        if !patient {
            settings.connect_timeout = settings.connect_timeout.min(IMPATIENT_TIMEOUT);
            settings.idle_timeout = settings.idle_timeout.min(IMPATIENT_TIMEOUT);
        }
        self.fetcher = Fetcher::new(settings, self.fetcher.back_off())
            .map_err(|error| Error::Internal(error.to_string()))?;
        Ok(())
    }
}

/// The addresses to plan with.
pub(crate) fn addresses(config: &Config) -> Result<Vec<std::net::IpAddr>, Error> {
    match &config.addresses {
        Some(addresses) => Ok(addresses.clone()),
        None => os::interface_addresses()
            .map_err(|error| Error::Internal(format!("the interfaces' addresses cannot be read: {error}"))),
    }
}

/// The domain, and its settings as installed; before that, what holds where no domain says anything.
pub(crate) fn settings_in_force(
    folder: &DataFolder,
    state: &State,
    bundle: &ClientBundle,
) -> Result<(String, EffectiveSettingsDocument), Error> {
    let domain = state.domain.clone().unwrap_or_else(|| bundle.domain.clone());
    let slot = folder.settings_slot();
    let installed = slot.installed().map_err(Error::file("reading", slot.folder()))?;
    let document: Option<DomainDocument> = installed
        .and_then(|(_, record)| record.document)
        .and_then(|value| serde_json::from_value(value).ok());
    let settings = document.map_or_else(|| EffectiveSettings::default().into(), |document| document.settings);
    Ok((domain, settings))
}

/// A policy from its document, or every problem in it.
pub(crate) fn policy_of(document: &PolicyDocument) -> Result<Policy, String> {
    let problems = match document.read().map(Policy::already_saved) {
        Ok(policy) => return Ok(policy),
        Err(problems) => problems,
    };
    let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
    Err(format!("the policy is not valid: {}", said.join("; ")))
}

/// A store's error as the client's.
pub(crate) fn store_error(error: StoreError) -> Error {
    match error {
        StoreError::Disk { action, path, source } => Error::file(action, &path)(source),
        other @ (StoreError::Quota { .. } | StoreError::WrongDigest { .. }) => {
            Error::Internal(other.to_string())
        }
        StoreError::Damaged { path, reason } => Error::Malformed { path, problem: reason },
    }
}
