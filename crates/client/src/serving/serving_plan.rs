//! What the daemon's listener is to serve, from the policy and the settings on the disk.

use std::time::Duration;

use headwater_agent::{AdmissionRules, AgentIdentity, ServingPlan, own_addresses};
use headwater_depot::serve::ServeLimits;
use headwater_identity::CaCertificate;

use crate::bundle;
use crate::config::Config;
use crate::data::{DataFolder, State};
use crate::error::Error;
use crate::identity::ClientIdentity;
use crate::limits::POLL_INTERVAL_DEFAULT;
use crate::session::{self, Effective};

/// What the listener is to serve, where, and which clients it admits.
pub(crate) fn serving_plan(config: &Config, folder: &DataFolder) -> Result<ServingPlan, Error> {
    let effective = effective(config, folder)?;
    let settings = &effective.settings;
    let limits = ServeLimits {
        downloads_max: settings.update_agent_downloads_max.max(1) as usize,
        bytes_per_second: match settings.update_agent_bandwidth_kib_per_second {
            0 => None,
            kib => Some(kib.saturating_mul(1024)),
        },
    };
    let own = session::own_addresses(config)?;
    Ok(ServingPlan {
        addresses: effective
            .update_agent()
            .map(|agent| own_addresses(agent.addresses(), &own, agent.port()))
            .unwrap_or_default(),
        classes: effective.shares(),
        limits,
        identity: agent_identity(config, folder, &effective)?,
    })
}

/// The identity of this client as update agent, and its admission rules; `None` if it is not enrolled.
fn agent_identity(
    config: &Config,
    folder: &DataFolder,
    effective: &Effective,
) -> Result<Option<AgentIdentity>, Error> {
    let (bundle, state) = (bundle::kept(folder)?, State::load(folder)?);
    let Some(identity) = ClientIdentity::load(folder, &config.id)? else { return Ok(None) };
    let anchors = bundle.trust_anchors(&state)?;
    let fleet = state.policy.map(|policy| policy.fleet).unwrap_or_default();
    // A text that is no fingerprint revokes no key.
    let revoked = fleet.revoked.iter().filter_map(|revoked| revoked.key.parse().ok()).collect();
    let retired_cas: Vec<_> =
        fleet.distrusted_ca.iter().filter_map(|pem| CaCertificate::from_pem(pem).ok()).collect();
    Ok(Some(AgentIdentity {
        chain: identity.chain,
        key: identity.keys.key,
        admission: AdmissionRules {
            revoked,
            anonymous_components: fleet.anonymous_components,
            cas: if retired_cas.is_empty() { Vec::new() } else { anchors.cas.clone() },
        },
        cas: anchors.cas,
        retired_cas,
        server: effective.policy.server().as_str().to_owned(),
    }))
}

/// The time between polls, from the settings in effect.
pub(crate) fn poll_interval(config: &Config, folder: &DataFolder) -> Duration {
    let minutes = |effective: Effective| u64::from(effective.settings.poll_interval_minutes);
    effective(config, folder)
        .map_or(POLL_INTERVAL_DEFAULT, |effective| Duration::from_secs(minutes(effective) * 60))
}

fn effective(config: &Config, folder: &DataFolder) -> Result<Effective, Error> {
    Effective::read(config, folder, &bundle::kept(folder)?, &State::load(folder)?)
}
