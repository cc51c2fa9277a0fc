//! What a client is, has and would do, read from its data folder. Writes nothing.

use std::collections::BTreeMap;

use headwater_api::conversion::plan_document;
use headwater_api::plan::PlanDocument;
use headwater_api::report::{Installed, Report};
use headwater_policy::{JudgedAddress, Planner, Plans};
use headwater_repo::error_chain;
use serde::Serialize;

use crate::config::Config;
use crate::data::{DaemonFile, DataFolder, State, client_id};
use crate::error::Error;
use crate::identity::{ClientIdentity, machine};
use crate::session::Effective;
use crate::{bundle, os, session};

/// What a client is, has and would do.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Status {
    /// Its id.
    pub client: String,
    /// Its domain, as the server last stated.
    pub domain: String,
    /// Version of this program.
    pub program: String,
    /// Parts of the data folder that are damaged, and what that means: sentences.
    pub damaged: Vec<String>,
    /// Its identity in the fleet; `None` if it is not enrolled.
    pub identity: Option<IdentityStatus>,
    /// The addresses it plans with.
    pub addresses: Vec<String>,
    /// Every address of the interfaces, whether it counts, and why.
    pub interfaces: Vec<AddressStatus>,
    /// The saved version of its policy; 0 if it has only the bundle's.
    pub policy_version: u64,
    /// The classes that it shares as update agent; empty if it is not one.
    pub shares: Vec<String>,
    /// The daemon of this data folder, if it runs.
    pub daemon: Option<DaemonStatus>,
    /// What is installed: name to version, by class.
    pub installed: BTreeMap<String, BTreeMap<String, Installed>>,
    /// Releases that failed here and are not tried again: sentences.
    pub failed: Vec<String>,
    /// The plan of each class, and of the policy.
    pub plans: PlanDocument,
    /// The last run, if there was one.
    pub last_run: Option<Report>,
}

/// The identity of a client in the fleet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IdentityStatus {
    /// SHA-256 of its public key, hexadecimal.
    pub key: String,
    /// When its certificate ends; it is renewed long before.
    pub certificate_end: String,
    /// Why the server refused it at the last check-in, although its certificate may look valid; `None` if it did not.
    pub refused: Option<String>,
    /// That it enrolled on another machine, and what to do; `None` if it did not, or nothing is known.
    pub other_machine: Option<String>,
    /// The names and addresses for which its certificate is valid as update agent.
    pub serves_at: Vec<String>,
}

/// An address of an interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AddressStatus {
    /// The interface.
    pub interface: String,
    /// The address.
    pub address: String,
    /// Whether it counts for selectors and as the address of an update agent.
    pub counts: bool,
    /// Why it counts or not.
    pub reason: String,
}

/// A running daemon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DaemonStatus {
    /// Its process id.
    pub process: String,
    /// The addresses on which it listens as update agent.
    pub serving: Vec<String>,
    /// What hinders it as update agent: sentences.
    pub problems: Vec<String>,
}

/// Reads what a client is, has and would do. Writes nothing.
///
/// # Errors
///
/// The data folder cannot be read, or there is no bundle.
pub fn status(config: &Config) -> Result<Status, Error> {
    let folder = DataFolder::new(&config.data);
    client_id::check(&config.id, &folder)?;
    let (bundle, bundle_problem) = bundle::kept_or_recovered(&folder)?;
    let id_problem = client_id::read(&folder).err().map(|error| error_chain(&error));
    let (identity, identity_problem) = match ClientIdentity::load(&folder, &config.id) {
        Ok(identity) => (identity, None),
        Err(error) => (None, Some(error_chain(&error))),
    };
    let state = State::load(&folder)?;
    let effective = Effective::read(config, &folder, &bundle, &state)?;
    Ok(Status {
        client: effective.id.to_string(),
        domain: effective.domain.clone(),
        program: env!("CARGO_PKG_VERSION").to_owned(),
        damaged: [id_problem, bundle_problem, identity_problem].into_iter().flatten().collect(),
        identity: identity.map(|identity| IdentityStatus {
            key: identity.keys.key.fingerprint().to_string(),
            refused: state.refused.clone(),
            other_machine: machine::warning(&folder, &config.machine_id),
            certificate_end: identity.chain.not_after().to_string(),
            serves_at: identity.chain.served_names().to_vec(),
        }),
        addresses: effective.addresses.iter().map(ToString::to_string).collect(),
        interfaces: session::judged_addresses()?
            .iter()
            .map(|judged| address_status(judged, config))
            .collect(),
        policy_version: state.policy.as_ref().map_or(0, |policy| policy.version),
        shares: effective.shares().iter().map(|class| class.to_string()).collect(),
        daemon: daemon(&folder)?,
        installed: folder.installed()?,
        failed: state.failed_sentences(),
        plans: plans(&effective, &state),
        last_run: state.last_run,
    })
}

/// The plans, with the sources of the policy that this client remembers.
fn plans(effective: &Effective, state: &State) -> PlanDocument {
    let (planner, client) = (Planner::new(&effective.policy), effective.client());
    let policy = planner.policy_plan(&client, &state.former_sources());
    plan_document(&Plans { policy, ..planner.plans(&client) })
}

fn address_status(judged: &JudgedAddress, config: &Config) -> AddressStatus {
    let (counts, reason) = match &config.addresses {
        None => (judged.verdict.counts(), judged.verdict.to_string()),
        Some(configured) if configured.contains(&judged.address) => {
            (true, "counts: it is configured".to_owned())
        }
        Some(_) => (false, "ignored: other addresses are configured".to_owned()),
    };
    let (interface, address) = (judged.interface.clone(), judged.address.to_string());
    AddressStatus { interface, address, counts, reason }
}

fn daemon(folder: &DataFolder) -> Result<Option<DaemonStatus>, Error> {
    let path = folder.daemon_lock();
    let Some(process) = os::lock_holder(&path).map_err(Error::file("reading", &path))? else {
        return Ok(None);
    };
    let DaemonFile { serving, problems } = DaemonFile::load(folder)?;
    Ok(Some(DaemonStatus { process, serving: serving.iter().map(ToString::to_string).collect(), problems }))
}
