//! Walks the segments of a class's plan; where the vendor source served, the others complete the class (P4a).

use std::net::IpAddr;

use headwater_api::report::{ClassOutcome, ClassResult};
use headwater_policy::{Class, Step, plan};
use headwater_repo::error_chain;

use crate::classes::full_time::{had_full_time, note_full_time, was_cut_short};
use crate::classes::outcome::{finished_messages, joined, outcome};
use crate::classes::own_components::complete;
use crate::classes::segment::{Segment, owner, run_segment};
use crate::data::RepositoryOwner;
use crate::error::Error;
use crate::fetch::{ContentError, Scope};
use crate::session::{ClassFindings, Session, Timeout};

/// Runs one class. The findings have its attempts even if it fails.
pub(crate) async fn run_class(session: &mut Session, class: Class) -> Result<ClassOutcome, Error> {
    session.findings.class = ClassFindings::default();
    match walk_plan(session, class).await {
        Ok(outcome) => {
            let spared_bytes = session.findings.class.spared_bytes;
            Ok(ClassOutcome { spared_bytes, ..outcome })
        }
        Err(error) => {
            let ended = format!("the run ended early: {}", error_chain(&error));
            let message = joined(finished_messages(session).chain([ended]));
            session.findings.outcomes.push(outcome(class, ClassResult::Failed, None, message));
            Err(error)
        }
    }
}

async fn walk_plan(session: &mut Session, class: Class) -> Result<ClassOutcome, Error> {
    let effective = &session.context.effective;
    let plan = plan(&effective.policy, &effective.client(), class);
    if let Some(unserved) = &plan.unserved {
        let message = no_source(&effective.addresses);
        session.findings.warnings.push(format!("no source for class {class}: {unserved}"));
        return Ok(outcome(class, ClassResult::Unserved, None, message));
    }
    let segments: Vec<(RepositoryOwner, &[Step])> = segments(&plan.steps).collect();
    let mut last = String::new();
    // While another segment follows, a silent one gets only the short time-out. If all fail, those that were cut short are
    // tried again with the full one. There are at most two rounds, so there is no endless loop (P7).
    for round in [Timeout::Short, Timeout::Full] {
        for (number, (owner, steps)) in segments.iter().enumerate() {
            let is_last = number + 1 == segments.len();
            let findings = &session.findings;
            if round == Timeout::Full && (is_last || !was_cut_short(findings, class, steps)) {
                continue;
            }
            let timeout = match round {
                _ if had_full_time(findings, steps) => Timeout::Short,
                Timeout::Short if !is_last => Timeout::Short,
                Timeout::Short | Timeout::Full => Timeout::Full,
            };
            let segment = Segment { owner: *owner, steps, scope: Scope::All };
            match run_segment(session, class.into(), &segment, timeout).await {
                Ok(served) if *owner == RepositoryOwner::Vendor => {
                    return complete(session, &plan, served.outcome).await;
                }
                Ok(served) => return Ok(served.outcome),
                Err(ContentError::Sources(message)) => last = message,
                Err(ContentError::Run(error)) => return Err(error),
            }
            if timeout == Timeout::Full {
                note_full_time(session, class, steps);
            }
        }
    }
    let failed = format!("every source failed; {last}");
    let message = joined(std::iter::once(failed).chain(finished_messages(session)));
    Ok(outcome(class, ClassResult::Failed, None, message))
}

fn no_source(addresses: &[IpAddr]) -> String {
    if addresses.is_empty() {
        return "the plan has no source for this class, because this computer has no address".to_owned();
    }
    let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    format!(
        "the plan has no source for this class and the addresses {}; `headwater sources explain` shows each entry that was \
         passed over",
        addresses.join(", ")
    )
}

/// Splits a plan where the repository changes.
fn segments(steps: &[Step]) -> impl Iterator<Item = (RepositoryOwner, &[Step])> {
    steps.chunk_by(move |a, b| owner(a) == owner(b)).map(move |chunk| (owner(&chunk[0]), chunk))
}
