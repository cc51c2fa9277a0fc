//! The exit code of `headwater-client update`, from the run's report.

use headwater_api::report::{Attempt, AttemptResult, ClassResult, Report};
use headwater_policy::Repository;

/// The exit code for a report: 0 updated or current, 1 failed, 3 partly failed (the policy, a class, or holding it for
/// others), partial or unserved (P4a).
pub fn exit_code(report: &Report) -> u8 {
    let failed = |result| matches!(result, ClassResult::Failed | ClassResult::Reverted);
    let good = |result| matches!(result, ClassResult::Updated | ClassResult::Current);
    let any = |which: fn(ClassResult) -> bool| report.classes.iter().any(|class| which(class.result));
    let any_content = |which: fn(ClassResult) -> bool| {
        let mut content = report.classes.iter().filter(|class| class.class != Repository::Policy.as_str());
        content.any(|class| which(class.result))
    };
    let incomplete = any(|result| matches!(result, ClassResult::Partial | ClassResult::Unserved));
    if !any_content(good) && (any_content(failed) || !incomplete) {
        return 1;
    }
    let all_held = report.update_agent.as_ref().is_none_or(|agent| {
        agent.problems.keys().all(|class| agent.serves.get(class) >= content_version(report, class).as_ref())
    });
    if any(failed) || incomplete || !all_held { 3 } else { 0 }
}

/// The content version that a run applied or found.
fn content_version(report: &Report, class: &str) -> Option<u64> {
    let verified = |attempt: &&Attempt| {
        attempt.class == class && matches!(attempt.result, AttemptResult::Used | AttemptResult::Current)
    };
    report.attempts.iter().filter(verified).map(|attempt| attempt.to_version).max()
}
