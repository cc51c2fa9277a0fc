//! What a client is, has and would do.
use std::collections::BTreeMap;

use headwater_api::plan::PlanDocument;
use headwater_api::report::{Installed, Report};
use serde::Serialize;

use crate::{Config, Error};

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
#[expect(clippy::unimplemented, reason = "signature first; reading follows")]
pub fn status(_config: &Config) -> Result<Status, Error> {
    unimplemented!()
}
