//! What the log states about a run: a line for each thing that changed, for each class that failed, and for its end.

use headwater_api::report::{Attempt, AttemptResult, ClassOutcome, ClassResult, Report};
use headwater_repo::error_chain;

use crate::error::Error;
use crate::render;
use crate::run::CompletedRun;
use crate::session::Change;

/// Logs a run.
pub(crate) fn log_run(run: Result<&CompletedRun, &Error>) {
    match run {
        Ok(CompletedRun { report, changes, .. }) => {
            log_classes(report, changes);
            match failure_line(report) {
                None => tracing::info!("run {} completed in {}", report.run, seconds(report.duration_ms)),
                Some(failure) => tracing::warn!("{failure}"),
            }
        }
        Err(Error::Ended { report, changes, source }) => {
            log_classes(report, changes);
            tracing::error!("run {} ended early: {}", report.run, error_chain(source.as_ref()));
        }
        Err(error) => tracing::error!("the run failed: {}", error_chain(error)),
    }
}

fn log_classes(report: &Report, changes: &[Change]) {
    for change in changes {
        tracing::info!("{}", change_line(change));
    }
    for class in &report.classes {
        let has_lines = changes.iter().any(|change| change.class.as_str() == class.class);
        match class.result {
            ClassResult::Updated if !has_lines => tracing::info!("{}", updated_line(report, class)),
            _ if is_failure(class.result) => tracing::warn!("{}", failed_line(report, class)),
            _ => {}
        }
    }
}

fn is_failure(result: ClassResult) -> bool {
    !matches!(result, ClassResult::Updated | ClassResult::Current)
}

/// `components: rules 2026.11.24 → 2026.11.25 from update agent ua-paris (61.00 KiB, 0.4 s)`.
fn change_line(change: &Change) -> String {
    let Change { class, name, from, to, sources, bytes, duration_ms } = change;
    let versions = from.as_ref().map_or_else(|| format!("{to} (new)"), |from| format!("{from} → {to}"));
    let sources: Vec<String> = sources.iter().map(|source| source_words(source)).collect();
    let origin = match sources.as_slice() {
        [] => " from files on this computer".to_owned(),
        sources => format!(" from {}", sources.join(", then ")),
    };
    format!("{class}: {name} {versions}{origin} ({}, {})", render::bytes(*bytes), seconds(*duration_ms))
}

/// What changed in a class without installing anything: the policy, or what was deactivated.
fn updated_line(report: &Report, class: &ClassOutcome) -> String {
    let attempts = || report.attempts.iter().filter(|attempt: &&Attempt| attempt.class == class.class);
    let bytes: u64 = attempts().map(|attempt| attempt.bytes).sum();
    let duration_ms: u64 = attempts().map(|attempt| attempt.duration_ms).sum();
    let sources: Vec<String> = report.sources(class).into_iter().map(source_words).collect();
    let (sources, bytes) = (sources.join(", then "), render::bytes(bytes));
    format!("{}: {} from {sources} ({bytes}, {})", class.class, class.message, seconds(duration_ms))
}

/// `components failed: every source failed; … (server: not admitted; update agent ua-paris: timeout)`.
fn failed_line(report: &Report, class: &ClassOutcome) -> String {
    let failed = report
        .attempts
        .iter()
        .filter(|attempt| attempt.class == class.class && attempt.result == AttemptResult::Failed);
    let failed: Vec<String> = failed
        .filter_map(|attempt| {
            Some(format!("{}: {}", source_words(&attempt.source), render::word(&attempt.reason?)))
        })
        .collect();
    let sources = if failed.is_empty() { String::new() } else { format!(" ({})", failed.join("; ")) };
    format!("{} {}: {}{sources}", class.class, render::word(&class.result), class.message)
}

/// The last line of a run in which a class failed; `None` if none did.
fn failure_line(report: &Report) -> Option<String> {
    let failed: Vec<&str> = report
        .classes
        .iter()
        .filter(|class| is_failure(class.result))
        .map(|class| class.class.as_str())
        .collect();
    let after = seconds(report.duration_ms);
    (!failed.is_empty())
        .then(|| format!("run {} ended after {after} without {}", report.run, failed.join(", ")))
}

/// A source of a plan in the words of a log.
fn source_words(source: &str) -> String {
    match source.split_once(':') {
        Some(("update_agent", id)) => format!("update agent {id}"),
        Some(("url", url)) => url.to_owned(),
        _ if source == "vendor" => "the vendor source".to_owned(),
        _ => source.to_owned(),
    }
}

fn seconds(duration_ms: u64) -> String {
    format!("{}.{} s", duration_ms / 1000, duration_ms % 1000 / 100)
}

#[cfg(test)]
mod tests {
    use headwater_policy::Class;

    use super::*;

    fn report(results: &[(&str, ClassResult)]) -> Report {
        let class = |(class, result): &(&str, ClassResult)| serde_json::json!({"class": class, "result": result, "source": null, "message": "every source failed"});
        let attempt = serde_json::json!({
            "source": "update_agent:ua-paris", "url": "https://10.0.0.1:8472", "entry": 1, "class": "components",
            "result": "failed", "reason": "timeout", "detail": "", "bytes": 0, "delta_bytes": 0,
            "started": "2026-05-01T12:00:00Z", "duration_ms": 30_000, "from_version": 3, "to_version": 0,
        });
        let classes: Vec<_> = results.iter().map(class).collect();
        serde_json::from_value(serde_json::json!({
            "format": 1, "client": "pc-1", "domain": "root", "run": 5, "started": "2026-05-01T12:00:00Z",
            "duration_ms": 2_150, "addresses": [], "program": "0.1.0", "policy_version": 1, "classes": classes,
            "attempts": [attempt], "installed": {}, "warnings": [],
        }))
        .unwrap()
    }

    #[test]
    fn a_run_in_which_a_class_failed_is_not_called_completed() {
        let check = |results: &[(&str, ClassResult)], expected: Option<&str>| {
            assert_eq!(failure_line(&report(results)).as_deref(), expected);
        };
        check(&[("components", ClassResult::Updated), ("programs", ClassResult::Current)], None);
        for failed in
            [ClassResult::Failed, ClassResult::Reverted, ClassResult::Partial, ClassResult::Unserved]
        {
            check(
                &[("components", failed), ("programs", ClassResult::Current)],
                Some("run 5 ended after 2.1 s without components"),
            );
        }
    }

    #[test]
    fn a_failed_class_is_logged_with_reason_and_source() {
        let report = report(&[("components", ClassResult::Failed)]);
        assert_eq!(
            failed_line(&report, &report.classes[0]),
            "components failed: every source failed (update agent ua-paris: timeout)"
        );
    }

    #[test]
    fn each_change_is_one_line() {
        let check = |from: Option<&str>, sources: &[&str], expected: &str| {
            let change = Change {
                class: Class::Components,
                name: "rules".to_owned(),
                from: from.map(str::to_owned),
                to: "2026.11.25".to_owned(),
                sources: sources.iter().map(|source| (*source).to_owned()).collect(),
                bytes: 62_464,
                duration_ms: 412,
            };
            assert_eq!(change_line(&change), expected);
        };
        check(
            Some("2026.11.24"),
            &["update_agent:ua-paris"],
            "components: rules 2026.11.24 → 2026.11.25 from update agent ua-paris (61.00 KiB, 0.4 s)",
        );
        check(
            None,
            &["url:http://mirror/", "server"],
            "components: rules 2026.11.25 (new) from http://mirror/, then server (61.00 KiB, 0.4 s)",
        );
        check(
            Some("2026.11.24"),
            &[],
            "components: rules 2026.11.24 → 2026.11.25 from files on this computer (61.00 KiB, 0.4 s)",
        );
    }
}
