//! What holds for a client now, as its data folder says it: for a run, for `status` and for the daemon alike.

use std::net::IpAddr;

use headwater_api::policy::PolicyDocument;
use headwater_api::settings::{DomainDocument, EffectiveSettingsDocument};
use headwater_policy::{ClassSet, Client, ClientId, EffectiveSettings, Policy, UpdateAgent};

use crate::bundle::Bundle;
use crate::config::Config;
use crate::error::Error;
use crate::folder::DataFolder;
use crate::os;
use crate::state::State;

/// Who this client is, and what it goes by.
pub(crate) struct InForce {
    pub id: ClientId,
    /// The addresses to plan with.
    pub addresses: Vec<IpAddr>,
    /// The domain, as the server last said; before that, the bundle's.
    pub domain: String,
    /// The domain's settings as installed; before that, what holds where no domain says anything.
    pub settings: EffectiveSettingsDocument,
    /// The last signed policy; before that, the bundle's.
    pub policy: Policy,
}

impl InForce {
    /// Reads it; touches nothing.
    pub(crate) fn read(
        config: &Config,
        folder: &DataFolder,
        bundle: &Bundle,
        state: &State,
    ) -> Result<Self, Error> {
        let document = state.policy.as_ref().map_or(&bundle.policy, |signed| &signed.policy);
        Ok(Self {
            id: config.id.clone(),
            addresses: addresses(config)?,
            domain: state.domain.clone().unwrap_or_else(|| bundle.domain.clone()),
            settings: settings(folder)?,
            policy: policy_of(document)
                .map_err(|problem| Error::Malformed { path: folder.state(), problem })?,
        })
    }

    /// This client, as plans are made for it.
    pub(crate) fn client(&self) -> Client {
        Client::new(self.id.clone(), self.addresses.clone(), self.settings.download_from_vendor)
    }

    /// This client's role; `None`: it is no update agent.
    pub(crate) fn update_agent(&self) -> Option<&UpdateAgent> {
        self.policy.update_agent(&self.id)
    }

    /// The classes that it shares.
    pub(crate) fn shares(&self) -> ClassSet {
        self.update_agent().map_or(ClassSet::NONE, UpdateAgent::classes)
    }
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

pub(crate) fn addresses(config: &Config) -> Result<Vec<IpAddr>, Error> {
    match &config.addresses {
        Some(addresses) => Ok(addresses.clone()),
        None => os::interface_addresses()
            .map_err(|error| Error::Internal(format!("the interfaces' addresses cannot be read: {error}"))),
    }
}

fn settings(folder: &DataFolder) -> Result<EffectiveSettingsDocument, Error> {
    let slot = folder.settings_slot();
    let installed = slot.installed().map_err(Error::file("reading", slot.folder()))?;
    let document: Option<DomainDocument> = installed
        .and_then(|(_, record)| record.document)
        .and_then(|value| serde_json::from_value(value).ok());
    Ok(document.map_or_else(|| EffectiveSettings::default().into(), |document| document.settings))
}
