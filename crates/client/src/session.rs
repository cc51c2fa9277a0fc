//! What a run works with: what was read at its start, and what it has found so far.

use std::collections::BTreeSet;

use headwater_api::report::Attempt;
use headwater_depot::{BackOff, FetchSettings, Fetcher, Store, StoreError};
use headwater_policy::SourceKey;
use jiff::Timestamp;

use crate::bundle::Bundle;
use crate::config::Config;
use crate::error::Error;
use crate::folder::DataFolder;
use crate::in_force::InForce;
use crate::limits::IMPATIENT_TIMEOUT;
use crate::member::{Believed, Member};
use crate::run::RunOptions;
use crate::server::Announced;
use crate::state::State;
use crate::way::Way;
use crate::{bundle, identity, os};

/// One run's working values.
pub(crate) struct Session {
    pub config: Config,
    pub options: RunOptions,
    pub folder: DataFolder,
    pub bundle: Bundle,
    pub state: State,
    pub in_force: InForce,
    pub fetcher: Fetcher,
    fetch: FetchSettings,
    pub store: Store,
    pub announced: Announced,
    /// The way on which the server answered this run's check-in.
    pub answered: Option<Way>,
    /// What makes this client a member, and whom it believes; none: it has not joined yet.
    pub member: Option<(Member, Believed)>,
    tls: Option<rustls::ClientConfig>,
    pub now: Timestamp,
    pub attempts: Vec<Attempt>,
    /// Sources that were waited for with the full time-outs, in vain.
    pub had_their_time: BTreeSet<SourceKey>,
    pub warnings: Vec<String>,
    /// What was done of a class before its sources gave out and the walk went on elsewhere.
    pub carried: Vec<crate::machine::NameOutcome>,
    /// What deltas spared the class that is run, in bytes, and what was wrong with some.
    pub spared_bytes: u64,
    pub troubles: Vec<String>,
    pub update_agent: Option<headwater_api::report::UpdateAgentReport>,
    /// What the classes run so far came to.
    pub outcomes: Vec<headwater_api::report::ClassOutcome>,
    /// The first content that was larger than what is free: the run goes on, and ends with it.
    pub no_room: Option<Error>,
    /// The newer `headwater-client` that was put in place.
    pub replaced: Option<std::path::PathBuf>,
}

impl Session {
    /// Reads what a run starts from.
    pub(crate) fn open(config: &Config, options: &RunOptions, now: Timestamp) -> Result<Self, Error> {
        let folder = DataFolder::new(&config.data);
        os::create_folder(folder.root()).map_err(Error::file("making", folder.root()))?;
        let (bundle, not_taken) = bundle::take(config, &folder, false)?;
        identity::settle(config, &folder)?;
        let (state, put_aside) = State::load_or_put_aside(&folder)?;
        let in_force = InForce::read(config, &folder, &bundle, &state)?;
        let settings = &in_force.settings;
        let fetch = FetchSettings {
            connect_timeout: std::time::Duration::from_secs(settings.connect_timeout_seconds.into()),
            idle_timeout: std::time::Duration::from_secs(settings.idle_timeout_seconds.into()),
            families: in_force.client().families(),
            ..FetchSettings::default()
        };
        headwater_depot::http::install_tls_provider();
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
            in_force,
            fetcher,
            fetch,
            store,
            announced: Announced::new(),
            answered: None,
            member: None,
            tls: None,
            now,
            attempts: Vec::new(),
            warnings: put_aside.into_iter().chain(not_taken).collect(),
            had_their_time: BTreeSet::new(),
            carried: Vec::new(),
            spared_bytes: 0,
            troubles: Vec::new(),
            update_agent: None,
            outcomes: Vec::new(),
            no_room: None,
            replaced: None,
        })
    }

    /// Writes the state; a trial run remembers nothing.
    pub(crate) fn save_state(&self) -> Result<(), Error> {
        if self.options.self_trial { Ok(()) } else { self.state.save(&self.folder) }
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
        self.fetch_over_tls()
    }

    /// Becomes a member, or one with another certificate, or one that believes others; TLS sessions go on where nothing
    /// changed.
    pub(crate) fn set_member(&mut self, member: Member, believed: Believed) -> Result<(), Error> {
        let same = self
            .member
            .as_ref()
            .is_some_and(|(held, trusted)| held.chain == member.chain && trusted.cas == believed.cas);
        if !same {
            self.tls = Some(member.tls(&believed)?);
            self.fetch_over_tls()?;
        }
        self.member = Some((member, believed));
        Ok(())
    }

    /// The ways to the server: straight, then the update agents of the plan.
    pub(crate) fn ways(&self) -> Vec<Way> {
        let straight = Way::straight(self.in_force.policy.server().as_str());
        std::iter::once(straight)
            .chain(Way::carriers(&self.in_force.policy, &self.in_force.client()))
            .collect()
    }

    fn fetch_over_tls(&self) -> Result<(), Error> {
        let Some(tls) = &self.tls else { return Ok(()) };
        self.fetcher.set_fleet_tls(tls.clone()).map_err(|error| Error::Internal(error.to_string()))
    }
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
