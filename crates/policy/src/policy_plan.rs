//! Where a client looks for a newer policy (P5a), so that no saved list keeps its own correction from it:
//!
//! 1. the sources of its plan, for any class; an update agent whatever it shares; never the vendor source;
//! 2. the sources of the last plan by which it got the policy, wherever the present list leads;
//! 3. the server, if a signed answer to a check-in names a newer policy than these have.
//!
//! A [`Planner`] makes 1 and 3 as it makes the plan of a class. The client remembers 2, and adds it here.

use crate::client::Client;
use crate::limits::FORMER_SOURCES_MAX;
use crate::plan::{Plan, SourceKey, Step, StepReason};
use crate::planner::{Planner, plan};
use crate::policy::Policy;
use crate::repository::Repository;
use crate::source_url::SourceUrl;

/// A source of an earlier plan, as a client remembers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormerSource {
    /// Which source.
    pub source: SourceKey,
    /// Where this client reached it.
    pub url: SourceUrl,
}

impl Planner<'_> {
    /// The plan of one client for the policy, with the sources that it remembers.
    pub fn policy_plan(&self, client: &Client, former: &[FormerSource]) -> Plan {
        with_former(self.plan(client, Repository::Policy), client, former)
    }
}

/// The plan of one client for the policy, with the sources that it remembers.
pub fn policy_plan(policy: &Policy, client: &Client, former: &[FormerSource]) -> Plan {
    with_former(plan(policy, client, Repository::Policy), client, former)
}

/// What a client remembers of a plan for the policy, once a source of the present list has given it the policy.
pub fn remembered(plan: &Plan) -> Vec<FormerSource> {
    let own = plan.steps.iter().filter(|step| !is_former(step) && !is_last_resort(step));
    let remember = |step: &Step| FormerSource { source: step.source.clone(), url: step.url.clone() };
    own.take(FORMER_SOURCES_MAX).map(remember).collect()
}

/// Whether a step is a remembered source, and not one of the present list.
pub fn is_former(step: &Step) -> bool {
    step.reason == StepReason::Former
}

/// Whether a step is the server as the last resort: asked only if a signed answer names a newer policy than the steps
/// before it have.
pub fn is_last_resort(step: &Step) -> bool {
    step.reason == StepReason::LastResort
}

/// Puts the remembered sources before the last resort. One that is in the plan at the same place is not repeated; one
/// that is there at another place is: the present list may have that wrong.
fn with_former(mut plan: Plan, client: &Client, former: &[FormerSource]) -> Plan {
    for FormerSource { source, url } in former.iter().take(FORMER_SOURCES_MAX) {
        let is_there = |step: &Step| step.source == *source && step.url == *url && !is_last_resort(step);
        let is_itself = matches!(source, SourceKey::UpdateAgent(id) if id == client.id());
        let meets = url.literal_family().is_none_or(|family| client.families().contains(family));
        if *source == SourceKey::Vendor || is_itself || !meets || plan.steps.iter().any(is_there) {
            continue;
        }
        let place = plan.steps.iter().position(is_last_resort).unwrap_or(plan.steps.len());
        let step = Step { source: source.clone(), url: url.clone(), entry: None, reason: StepReason::Former };
        plan.steps.insert(place, step);
    }
    plan
}
