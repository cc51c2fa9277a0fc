//! What a client is, has and would do: read from its data folder, which is not touched.

use std::collections::BTreeMap;

use headwater_api::parse::plan_document;
use headwater_api::plan::PlanDocument;
use headwater_api::report::{Installed, Report};
use headwater_policy::Planner;
use serde::Serialize;

use crate::config::Config;
use crate::daemon::Told;
use crate::error::Error;
use crate::folder::DataFolder;
use crate::in_force::InForce;
use crate::limits::DAEMON_FILE_BYTES_MAX;
use crate::member::Member;

use crate::state::State;
use crate::{bundle, identity, os};

/// What a client is, has and would do.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Status {
    /// Its id.
    pub client: String,
    /// Its domain, as last told.
    pub domain: String,
    /// Version of this program.
    pub program: String,
    /// By what the fleet knows it; none: it is not enrolled.
    pub identity: Option<IdentityStatus>,
    /// The addresses it plans with.
    pub addresses: Vec<String>,
    /// The saved version of the policy it has; 0: the bundle's.
    pub policy_version: u64,
    /// The classes it shares as update agent; none: it has not the role.
    pub shares: Vec<String>,
    /// The daemon of this data folder, if it runs.
    pub daemon: Option<DaemonStatus>,
    /// What is installed: name to version, by class.
    pub installed: BTreeMap<String, BTreeMap<String, Installed>>,
    /// What failed here and is not tried again: sentences.
    pub failed: Vec<String>,
    /// The plan of each class.
    pub plans: PlanDocument,
    /// The last run, if there was one.
    pub last_run: Option<Report>,
}

/// By what the fleet knows a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IdentityStatus {
    /// SHA-256 of its public key, hexadecimal.
    pub key: String,
    /// When its certificate ends; it is renewed long before.
    pub certificate_end: String,
    /// Why the fleet refused it at the last check-in, however good its certificate looks; none: it did not.
    pub refused: Option<String>,
    /// The names and addresses at which its certificate lets it serve others.
    pub serves_at: Vec<String>,
}

/// A running daemon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DaemonStatus {
    /// Its process id.
    pub process: String,
    /// Where it listens as update agent.
    pub serving: Vec<String>,
    /// What hinders it as update agent: sentences.
    pub problems: Vec<String>,
}

/// Reads what a client is, has and would do; touches nothing.
///
/// # Errors
///
/// The data folder cannot be read, or there is no bundle.
pub fn status(config: &Config) -> Result<Status, Error> {
    let folder = DataFolder::new(&config.data);
    identity::check(config, &folder)?;
    let bundle = bundle::kept(config, &folder)?;
    let state = State::load(&folder)?;
    let in_force = InForce::read(config, &folder, &bundle, &state)?;
    Ok(Status {
        client: in_force.id.to_string(),
        domain: in_force.domain.clone(),
        program: env!("CARGO_PKG_VERSION").to_owned(),
        identity: Member::load(&folder, &config.id)?.map(|member| IdentityStatus {
            key: member.keys.key.fingerprint().to_string(),
            refused: state.refused.clone(),
            certificate_end: member.chain.not_after().to_string(),
            serves_at: member.chain.served_names().to_vec(),
        }),
        addresses: in_force.addresses.iter().map(ToString::to_string).collect(),
        policy_version: state.policy.as_ref().map_or(0, |policy| policy.version),
        shares: in_force.shares().iter().map(|class| class.to_string()).collect(),
        daemon: daemon(&folder)?,
        installed: folder.installed()?,
        failed: state.failed_sentences(),
        plans: plan_document(&Planner::new(&in_force.policy).plans(&in_force.client())),
        last_run: state.last_run,
    })
}

fn daemon(folder: &DataFolder) -> Result<Option<DaemonStatus>, Error> {
    let path = folder.daemon_lock();
    let Some(process) = os::lock_holder(&path).map_err(Error::file("reading", &path))? else {
        return Ok(None);
    };
    let path = folder.daemon();
    let bytes = os::read_bounded(&path, DAEMON_FILE_BYTES_MAX).map_err(Error::file("reading", &path))?;
    let told: Option<Told> = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let (serving, problems) = told.map_or_else(Default::default, |told| (told.serving, told.problems));
    Ok(Some(DaemonStatus { process, serving: serving.iter().map(ToString::to_string).collect(), problems }))
}
