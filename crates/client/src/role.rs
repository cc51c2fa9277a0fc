//! The update agent's part of a run: after a class was updated, hold for others what the signed policy lets this
//! client share; without the role, hold nothing. Trouble here is told in the report and stops nothing (U3, U4).

use std::time::Duration;

use headwater_agent::{Admission, Hold, Holding, Part, Shelf, Trust, hold as hold_class, own_addresses};
use headwater_api::report::UpdateAgentReport;
use headwater_depot::serve::ServeLimits;
use headwater_identity::CaCertificate;
use headwater_policy::Class;

use crate::assemble::installed_files;
use crate::classes::Verified;
use crate::config::Config;
use crate::error::Error;
use crate::folder::DataFolder;
use crate::in_force::InForce;
use crate::limits::POLL_INTERVAL_DEFAULT;
use crate::member::{Believed, Member};
use crate::session::Session;
use crate::state::State;
use crate::{bundle, os};
use headwater_repo::error_chain;

/// Holds a class for others, if this client shares it.
pub(crate) async fn hold(session: &mut Session, verified: &Verified<'_>) {
    let class = verified.class;
    if session.options.self_trial || !session.in_force.shares().contains(class) {
        return;
    }
    let shelf = Shelf::new(session.folder.served());
    let files = installed_files(session).unwrap_or_default();
    let request = Hold {
        class,
        trusted: verified.trusted,
        walk: verified.walk,
        store: &session.store,
        shelf: &shelf,
        files: &files,
        quota_bytes: quota_bytes(session),
        free_bytes: os::free_bytes(session.folder.root()).unwrap_or(u64::MAX),
    };
    let progress_sink = session.options.progress_sink.clone();
    let what = format!("{class} for others");
    match hold_class(&request, &move |progress| progress_sink.tell(&what, progress)).await {
        Ok(holding) => tell(session, class, holding),
        Err(error) => {
            tracing::warn!(%class, %error, "the class cannot be held for others now");
            report(session).problems.insert(class.to_string(), error_chain(&error));
        }
    }
}

/// What to know of a class that is held.
fn tell(session: &mut Session, class: Class, holding: Holding) {
    if holding.damaged > 0 {
        session.warnings.push(format!(
            "{} files of class {class} held for others were damaged on the disk, and were fetched again; look after the disk",
            holding.damaged
        ));
    }
    if holding.deltas_left_out > 0 {
        let told = format!(
            "{} deltas are not held: they do not fit, or no source gave them; clients get them from their next source \
             (update_agent_quota_mib and the free disk space say what fits)",
            holding.deltas_left_out
        );
        report(session).problems.insert(class.to_string(), told);
    }
}

/// At a run's end: what is no longer shared goes, and the report says what is held.
pub(crate) fn settle(session: &mut Session) {
    if session.options.self_trial {
        return;
    }
    let shared = session.in_force.shares();
    let shelf = Shelf::new(session.folder.served());
    for class in Class::ALL {
        if !shared.contains(class)
            && let Err(error) = shelf.remove(class)
        {
            session
                .warnings
                .push(format!("what was held of class {class} for others cannot be removed: {error}"));
        }
    }
    if shared.is_empty() {
        session.update_agent = None;
        return;
    }
    let serves = shared.iter().filter_map(|class| Some((class.to_string(), shelf.version(class)?))).collect();
    let bytes_held = shelf.bytes_held();
    let bytes_free = os::free_bytes(session.folder.root()).ok();
    let bytes_quota = quota_bytes(session);
    let report = report(session);
    *report = UpdateAgentReport {
        serves,
        bytes_held,
        bytes_quota,
        bytes_free,
        problems: std::mem::take(&mut report.problems),
    };
}

/// The part that the policy and settings on the disk give this client as update agent.
pub(crate) fn part(config: &Config, folder: &DataFolder) -> Result<Part, Error> {
    let in_force = in_force(config, folder)?;
    let settings = &in_force.settings;
    let limits = ServeLimits {
        downloads_max: settings.update_agent_downloads_max.max(1) as usize,
        bytes_per_second: match settings.update_agent_bandwidth_kib_per_second {
            0 => None,
            kib => Some(kib.saturating_mul(1024)),
        },
    };
    Ok(Part {
        addresses: in_force
            .update_agent()
            .map(|agent| own_addresses(agent.addresses(), &in_force.addresses, agent.port()))
            .unwrap_or_default(),
        classes: in_force.shares(),
        limits,
        trust: trust(config, folder, &in_force)?,
    })
}

/// By what this client is known as update agent, and whom it lets in.
fn trust(config: &Config, folder: &DataFolder, in_force: &InForce) -> Result<Option<Trust>, Error> {
    let (bundle, state) = (bundle::kept(config, folder)?, State::load(folder)?);
    let member = Member::load(folder, &config.id)?;
    let Some(member) = member else { return Ok(None) };
    let believed = Believed::of(&bundle, &state)?;
    let fleet = state.policy.and_then(|policy| policy.fleet).unwrap_or_default();
    // What is no fingerprint is nobody's.
    let revoked = fleet.revoked.iter().filter_map(|revoked| revoked.key.parse().ok()).collect();
    let given_up: Vec<_> =
        fleet.given_up_ca.iter().filter_map(|pem| CaCertificate::from_pem(pem).ok()).collect();
    Ok(Some(Trust {
        chain: member.chain,
        key: member.keys.key,
        admission: Admission {
            revoked,
            anonymous_components: fleet.anonymous_components,
            cas: if given_up.is_empty() { Vec::new() } else { believed.cas.clone() },
        },
        cas: believed.cas,
        given_up,
        server: in_force.policy.server().as_str().to_owned(),
    }))
}

/// Time between polls, by the settings in force.
pub(crate) fn poll_interval(config: &Config, folder: &DataFolder) -> Duration {
    let minutes = |in_force: InForce| u64::from(in_force.settings.poll_interval_minutes);
    in_force(config, folder)
        .map_or(POLL_INTERVAL_DEFAULT, |in_force| Duration::from_secs(minutes(in_force) * 60))
}

fn in_force(config: &Config, folder: &DataFolder) -> Result<InForce, Error> {
    InForce::read(config, folder, &bundle::kept(config, folder)?, &State::load(folder)?)
}

fn report(session: &mut Session) -> &mut UpdateAgentReport {
    session.update_agent.get_or_insert_default()
}

fn quota_bytes(session: &Session) -> u64 {
    session.in_force.settings.update_agent_quota_mib.saturating_mul(1024 * 1024)
}
