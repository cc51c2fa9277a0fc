//! The policy's step of a run, before the classes (P5a, P8). No saved list can keep its own correction from a client that
//! reaches any of these:
//!
//! 1. the sources of the client's plan, then those that it remembers from an earlier one: one walk;
//! 2. the server, if the answer to the check-in names a newer policy than the walk gave.
//!
//! A failure here stops none of the classes: they run by the policy that the client has.

use headwater_api::report::{ClassOutcome, ClassResult};
use headwater_policy::{Plan, Repository, Step, is_former, is_last_resort, policy_plan, remembered};
use headwater_repo::error_chain;

use crate::classes::full_time::{had_full_time, note_full_time};
use crate::classes::outcome::outcome;
use crate::classes::segment::{Segment, ServedSegment, run_segment};
use crate::data::RepositoryOwner;
use crate::error::Error;
use crate::fetch::{ContentError, Scope};
use crate::session::{ClassFindings, Session, Timeout};

const POLICY: Repository = Repository::Policy;

/// Looks for a newer policy. An error of this computer ends the run, after the classes.
pub(crate) async fn run_policy(session: &mut Session) -> ClassOutcome {
    session.findings.class = ClassFindings::default();
    let effective = &session.context.effective;
    let plan = policy_plan(&effective.policy, &effective.client(), &session.state.former_sources());
    match look(session, &plan).await {
        Ok(outcome) => outcome,
        Err(error) => {
            let message = format!("the policy in effect stays: {}", error_chain(&error));
            session.findings.deferred.get_or_insert(error);
            outcome(POLICY, ClassResult::Failed, None, message)
        }
    }
}

async fn look(session: &mut Session, plan: &Plan) -> Result<ClassOutcome, Error> {
    let steps = plan.steps.iter().filter(|step| !is_last_resort(step)).cloned().collect::<Vec<_>>();
    let server = plan.steps.iter().find(|step| is_last_resort(step));
    let announced = session.findings.announced.get(POLICY.as_str()).copied();
    let is_behind = announced.is_some_and(|announced| announced > version(session));
    let mut problems = Vec::new();
    let mut stale = None;
    if !steps.is_empty() {
        let waits = server.is_some() && is_behind;
        match walk(session, &steps, waits).await {
            Ok(served) => {
                if !is_former(&steps[served.step]) && is_good(&served.outcome) {
                    session.state.remember_policy_sources(&remembered(plan));
                }
                if !served.stale {
                    return Ok(served.outcome);
                }
                stale = Some(served.outcome);
            }
            Err(ContentError::Sources(message)) => problems.push(message),
            Err(ContentError::Run(error)) => return Err(error),
        }
    }
    if let Some(server) = server.filter(|_| stale.is_some() || is_behind) {
        match walk(session, std::slice::from_ref(server), false).await {
            Ok(served) => return Ok(served.outcome),
            Err(ContentError::Sources(message)) => problems.push(message),
            Err(ContentError::Run(error)) => return Err(error),
        }
    }
    Ok(stale.unwrap_or_else(|| without_source(announced.is_some() && !is_behind, &problems)))
}

/// Walks steps on the organisation's repository; silent ones get the short time-out if others `wait`, or if they have had
/// the full one in this run.
async fn walk(session: &mut Session, steps: &[Step], wait: bool) -> Result<ServedSegment, ContentError> {
    let short = wait || had_full_time(&session.findings, steps);
    let timeout = if short { Timeout::Short } else { Timeout::Full };
    let segment = Segment { owner: RepositoryOwner::Organisation, steps, scope: Scope::All };
    let walked = run_segment(session, POLICY, &segment, timeout).await;
    if timeout == Timeout::Full && walked.is_err() {
        note_full_time(session, POLICY, steps);
    }
    walked
}

/// The outcome where no source gave the policy; none was there to ask if there is no problem either.
fn without_source(is_newest: bool, problems: &[String]) -> ClassOutcome {
    let (result, why) = match problems {
        [] => (ClassResult::Unserved, "the plan has no source for it".to_owned()),
        problems => (ClassResult::Failed, problems.join("; ")),
    };
    if is_newest {
        let message = format!("the server names no newer policy; no source was needed: {why}");
        return outcome(POLICY, ClassResult::Current, None, message);
    }
    let message = format!("no source gave the policy, so the one in effect stays: {why}");
    outcome(POLICY, result, None, message)
}

/// The content version of the policy that this client has.
fn version(session: &Session) -> u64 {
    session.state.versions.get(POLICY.as_str()).copied().unwrap_or(0)
}

fn is_good(outcome: &ClassOutcome) -> bool {
    matches!(outcome.result, ClassResult::Updated | ClassResult::Current)
}
