//! What a client is, has and would do: read from its data folder, which is not touched.

use std::collections::BTreeMap;

use headwater_api::parse::plan_document;
use headwater_api::plan::PlanDocument;
use headwater_api::report::{Installed, Report};
use headwater_policy::{Class, Client, ClientId, Planner};
use serde::Serialize;

use crate::config::Config;
use crate::error::Error;
use crate::folder::DataFolder;

use crate::run::installed;
use crate::session::{addresses, policy_of, settings_in_force};
use crate::state::State;
use crate::{bundle, identity};

/// What a client is, has and would do.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Status {
    /// Its id.
    pub client: String,
    /// Its domain, as last told.
    pub domain: String,
    /// Version of this program.
    pub program: String,
    /// The addresses it plans with.
    pub addresses: Vec<String>,
    /// The saved version of the policy it has; 0: the bundle's.
    pub policy_version: u64,
    /// The classes it shares as update agent; none: it has not the role.
    pub shares: Vec<String>,
    /// What is installed: name to version, by class.
    pub installed: BTreeMap<String, BTreeMap<String, Installed>>,
    /// What failed here and is not tried again: sentences.
    pub failed: Vec<String>,
    /// The plan of each class.
    pub plans: PlanDocument,
    /// The last run, if there was one.
    pub last_run: Option<Report>,
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
    let (domain, settings) = settings_in_force(&folder, &state, &bundle)?;
    let document = state.policy.as_ref().map_or(&bundle.policy, |signed| &signed.policy);
    let policy = policy_of(document).map_err(|problem| Error::Malformed { path: folder.state(), problem })?;
    let id: ClientId =
        config.id.parse().map_err(|problem| Error::Internal(format!("id {}: {problem}", config.id)))?;
    let addresses = addresses(config)?;
    let client = Client::new(id.clone(), addresses.clone(), settings.download_from_vendor);
    let classes = policy.update_agent(&id).map(headwater_policy::UpdateAgent::classes);
    Ok(Status {
        client: id.to_string(),
        domain,
        program: env!("CARGO_PKG_VERSION").to_owned(),
        addresses: addresses.iter().map(ToString::to_string).collect(),
        policy_version: state.policy.as_ref().map_or(0, |policy| policy.version),
        shares: classes
            .into_iter()
            .flat_map(|classes| classes.iter().collect::<Vec<Class>>())
            .map(|class| class.to_string())
            .collect(),
        installed: installed(&folder)?,
        failed: state.failed_sentences(),
        plans: plan_document(&Planner::new(&policy).plans(&client)),
        last_run: state.last_run,
    })
}
