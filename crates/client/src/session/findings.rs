//! What the steps of a run find: the parts of its report, and what later steps need.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use headwater_api::report::{Attempt, ClassOutcome, UpdateAgentReport};
use headwater_policy::SourceKey;

use crate::decide::NameOutcome;
use crate::error::Error;
use crate::repair::Repairs;
use crate::server::Route;
use crate::session::changes::Change;

/// What a run finds.
#[derive(Default)]
pub struct Findings {
    /// Every attempt at a source.
    pub attempts: Vec<Attempt>,
    /// What an operator is to know: sentences.
    pub warnings: Vec<String>,
    /// The outcomes of the classes so far.
    pub outcomes: Vec<ClassOutcome>,
    /// What was installed, in order.
    pub changes: Vec<Change>,
    /// What this client holds for others, if it is an update agent.
    pub update_agent: Option<UpdateAgentReport>,
    /// The content versions that the server announced, by repository.
    pub announced: BTreeMap<String, u64>,
    /// The root versions that the server named, by class.
    pub roots: BTreeMap<String, u64>,
    /// The route on which the server answered the check-in of this run.
    pub answered: Option<Route>,
    /// Sources that did not answer within the full time-outs.
    pub given_full_time: BTreeSet<SourceKey>,
    /// What the current class has found so far.
    pub class: ClassFindings,
    /// The first error of this computer that stops neither later names nor later classes: content that needs more space
    /// than is free, or what hinders the policy's step. The run ends with it.
    pub deferred: Option<Error>,
    /// Installed files that were or are damaged.
    pub repairs: Repairs,
    /// The newer `headwater-client` that was activated.
    pub replaced: Option<PathBuf>,
}

/// What one class has found so far.
#[derive(Default)]
pub struct ClassFindings {
    /// Names that a source of the organisation's brought up to date.
    pub done: BTreeSet<String>,
    /// Names that were finished before the sources of a segment failed.
    pub finished: Vec<NameOutcome>,
    /// Bytes of bodies that deltas saved.
    pub spared_bytes: u64,
    /// What was wrong with deltas: sentences.
    pub delta_problems: Vec<String>,
}
