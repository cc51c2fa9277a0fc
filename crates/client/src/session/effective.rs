//! What is in effect for a client now, read from its data folder: for a run, for `status` and for the daemon alike.

use std::net::IpAddr;

use headwater_api::settings::EffectiveSettingsDocument;
use headwater_policy::{
    ClassSet, Client, ClientId, EffectiveSettings, JudgedAddress, Policy, Repository, UpdateAgent,
    judge_addresses,
};

use crate::bundle::Bundle;
use crate::config::Config;
use crate::data::policy::policy_of;
use crate::data::{DataFolder, State};
use crate::error::Error;
use crate::os;

/// The client's id and addresses, and the domain, settings and policy in effect.
pub struct Effective {
    pub id: ClientId,
    /// The addresses to plan with.
    pub addresses: Vec<IpAddr>,
    /// The domain that the server last stated; before that, the bundle's.
    pub domain: String,
    /// The last signed settings of the domain; before that, the built-in defaults.
    pub settings: EffectiveSettingsDocument,
    /// The last signed policy; before that, the bundle's.
    pub policy: Policy,
}

impl Effective {
    /// Reads it. Writes nothing.
    pub(crate) fn read(
        config: &Config,
        folder: &DataFolder,
        bundle: &Bundle,
        state: &State,
    ) -> Result<Self, Error> {
        let (document, path) = match &state.policy {
            Some(signed) => (&signed.policy, folder.state()),
            None => (&bundle.policy, folder.bundle()),
        };
        Ok(Self {
            id: config.id.clone(),
            addresses: addresses(config)?,
            domain: state.domain.clone().unwrap_or_else(|| bundle.domain.clone()),
            settings: settings(state),
            policy: policy_of(document).map_err(|problem| Error::Malformed { path, problem })?,
        })
    }

    /// This client, in the form that plans are made for.
    pub(crate) fn client(&self) -> Client {
        Client::new(self.id.clone(), self.addresses.clone(), self.settings.download_from_vendor)
    }

    /// This client's entry as update agent; `None` if it is not one.
    pub(crate) fn update_agent(&self) -> Option<&UpdateAgent> {
        self.policy.update_agent(&self.id)
    }

    /// Whether it serves a repository as update agent: a class that it shares, and with any class the policy (P5a).
    pub(crate) fn serves(&self, repository: Repository) -> bool {
        match repository.class() {
            Some(class) => self.shares().contains(class),
            None => self.update_agent().is_some(),
        }
    }

    /// The classes that it shares as update agent.
    pub(crate) fn shares(&self) -> ClassSet {
        self.update_agent().map_or(ClassSet::NONE, UpdateAgent::classes)
    }
}

/// The addresses to plan with: the configured ones, or those of the interfaces that count (U4b).
pub(crate) fn addresses(config: &Config) -> Result<Vec<IpAddr>, Error> {
    match &config.addresses {
        Some(addresses) => Ok(addresses.clone()),
        None => Ok(judged_addresses()?
            .into_iter()
            .filter(|judged| judged.verdict.counts())
            .map(|judged| judged.address)
            .collect()),
    }
}

/// Every address of this computer, whether it counts or not: the policy may name any for an update agent.
pub(crate) fn own_addresses(config: &Config) -> Result<Vec<IpAddr>, Error> {
    match &config.addresses {
        Some(addresses) => Ok(addresses.clone()),
        None => Ok(judged_addresses()?.into_iter().map(|judged| judged.address).collect()),
    }
}

/// Every address of this computer, with why it counts or not.
pub(crate) fn judged_addresses() -> Result<Vec<JudgedAddress>, Error> {
    let interfaces = os::interfaces()
        .map_err(|error| Error::Internal(format!("cannot read the addresses of the interfaces: {error}")))?;
    Ok(judge_addresses(&interfaces))
}

fn settings(state: &State) -> EffectiveSettingsDocument {
    let signed = state.settings.as_ref().map(|document| document.settings.clone());
    signed.unwrap_or_else(|| EffectiveSettings::default().into())
}
