//! Which reports stay when the client's next one comes (R2): those of runs that changed something, failed, or used another
//! source than the first of their plan. The others are counted by day, client and source.

use headwater_api::report::{Attempt, AttemptResult, ClassResult, Report};

/// Whether a report stays.
pub fn is_kept(report: &Report) -> bool {
    report.classes.iter().any(|outcome| outcome.result != ClassResult::Current)
        || report.attempts.iter().any(|attempt| is_trouble(attempt) || is_change(attempt))
}

/// A source that was tried and not used: another one served.
fn is_trouble(attempt: &Attempt) -> bool {
    matches!(attempt.result, AttemptResult::Failed | AttemptResult::PassedOver)
}

/// The source had newer signed content: the policy, or a release that another name of the class got.
fn is_change(attempt: &Attempt) -> bool {
    attempt.from_version != attempt.to_version
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_changed_failed_or_came_from_elsewhere_is_kept() {
        let check = |result: &str, attempts: &[(&str, u64)], expected: bool| {
            let attempt = |(result, to_version): &(&str, u64)| {
                json!({
                    "source": "server", "url": "http://x", "entry": null, "class": "components", "result": result,
                    "reason": null, "detail": "", "bytes": 1, "started": "2026-11-22T10:00:01Z", "duration_ms": 1,
                    "from_version": 3, "to_version": to_version
                })
            };
            let report: Report = serde_json::from_value(json!({
                "format": 1, "client": "pc", "domain": "root", "run": 1, "started": "2026-11-22T10:00:00Z",
                "duration_ms": 5, "addresses": [], "program": "", "policy_version": 1,
                "classes": [{"class": "components", "result": result, "source": "server", "message": ""}],
                "attempts": attempts.iter().map(attempt).collect::<Vec<_>>(), "installed": {},
                "warnings": ["the clock is far off"]
            }))
            .unwrap();
            assert_eq!(is_kept(&report), expected, "{result} {attempts:?}");
        };
        check("current", &[("current", 3)], false);
        check("current", &[("used", 3)], false);
        check("current", &[], false);
        check("current", &[("used", 4)], true);
        check("current", &[("failed", 0), ("current", 3)], true);
        check("current", &[("passed_over", 3), ("current", 3)], true);
        for result in ["updated", "failed", "reverted", "unserved"] {
            check(result, &[("used", 3)], true);
        }
    }
}
