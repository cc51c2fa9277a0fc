//! A run and a status, told to people.

use std::fmt::Write as _;

use headwater_api::report::{Attempt, AttemptResult, ClassResult, Report};

use crate::status::Status;

/// A run: each class with its source and outcome, every attempt, and what to know beside.
pub fn report(report: &Report) -> String {
    let mut out = String::new();
    let _ = writeln!(
        out,
        "Run {} of {} in domain {}, policy version {}, {} ms.",
        report.run, report.client, report.domain, report.policy_version, report.duration_ms
    );
    for class in &report.classes {
        let source = class.source.as_deref().map_or_else(String::new, |source| format!(" from {source}"));
        let _ = writeln!(out, "\n{}: {}{source}", class.class, result(class.result));
        let _ = writeln!(out, "  {}", class.message);
        for attempt in report.attempts.iter().filter(|attempt| attempt.class == class.class) {
            let _ = writeln!(out, "  - {}", told(attempt));
        }
    }
    if let Some(agent) = &report.update_agent {
        let serves: Vec<String> =
            agent.serves.iter().map(|(class, version)| format!("{class} {version}")).collect();
        let _ = writeln!(
            out,
            "\nUpdate agent: serves {}; {} of {} bytes held.",
            or_nothing(&serves),
            agent.bytes_held,
            agent.bytes_quota
        );
        for (class, problem) in &agent.problems {
            let _ = writeln!(out, "  {class}: {problem}");
        }
    }
    for warning in &report.warnings {
        let _ = writeln!(out, "\nWarning: {warning}");
    }
    out
}

/// A status: who, what is installed, what failed, the plans with their reasons, the last run.
pub fn status(status: &Status) -> String {
    let mut out = String::new();
    let _ = writeln!(
        out,
        "{} in domain {} (headwater-client {}), policy version {}, addresses {}",
        status.client,
        status.domain,
        status.program,
        status.policy_version,
        or_nothing(&status.addresses)
    );
    if !status.shares.is_empty() {
        let _ = writeln!(out, "Update agent: shares {}", status.shares.join(", "));
    }
    for (class, names) in &status.installed {
        let _ = writeln!(out, "\n{class}:");
        for (name, installed) in names {
            let _ = writeln!(out, "  {name} {} (release {})", installed.version, installed.sequence);
        }
        if names.is_empty() {
            let _ = writeln!(out, "  nothing installed");
        }
        if let Some(plan) = status.plans.get(class) {
            for (number, step) in plan.steps.iter().enumerate() {
                let _ = writeln!(out, "  {}. {} at {}: {}", number + 1, step.source, step.url, step.reason);
            }
            if plan.steps.is_empty() {
                let _ = writeln!(out, "  no source");
            }
        }
    }
    for failed in &status.failed {
        let _ = writeln!(out, "\nNot tried again: {failed}");
    }
    match &status.last_run {
        Some(last) => {
            let _ = write!(out, "\nLast run, at {}:\n{}", last.started, report(last));
        }
        None => out.push_str("\nNo run yet.\n"),
    }
    out
}

/// The exit code that a run's report calls for: 0 current, 1 failed, 3 partly failed.
pub fn exit_code(report: &Report) -> u8 {
    let failed = |result| matches!(result, ClassResult::Failed | ClassResult::WentBack);
    let good = |result| matches!(result, ClassResult::Updated | ClassResult::Current);
    if !report.classes.iter().any(|class| failed(class.result)) {
        return 0;
    }
    if report.classes.iter().any(|class| good(class.result)) { 3 } else { 1 }
}

fn told(attempt: &Attempt) -> String {
    let entry = attempt.entry.map_or_else(String::new, |entry| format!(" (entry {entry})"));
    let mut said =
        format!("{}{entry} at {}: {}", attempt.source, attempt.url, attempt_result(attempt.result));
    if let Some(reason) = attempt.reason {
        let word = serde_json::to_value(reason).ok().and_then(|word| Some(word.as_str()?.to_owned()));
        let _ = write!(said, ", {}", word.unwrap_or_default());
    }
    if !attempt.detail.is_empty() {
        let _ = write!(said, ": {}", attempt.detail);
    }
    if attempt.to_version != 0 && attempt.from_version != attempt.to_version {
        let _ = write!(said, "; content version {} to {}", attempt.from_version, attempt.to_version);
    }
    let _ = write!(said, "; {} bytes, {} ms", attempt.bytes, attempt.duration_ms);
    said
}

fn attempt_result(result: AttemptResult) -> &'static str {
    match result {
        AttemptResult::Used => "used",
        AttemptResult::Current => "nothing newer",
        AttemptResult::Failed => "failed",
        AttemptResult::PassedOver => "passed over",
    }
}

fn result(result: ClassResult) -> &'static str {
    match result {
        ClassResult::Updated => "updated",
        ClassResult::Current => "current",
        ClassResult::Failed => "failed",
        ClassResult::WentBack => "went back",
        ClassResult::NoSource => "no source",
    }
}

fn or_nothing(words: &[String]) -> String {
    if words.is_empty() { "nothing".to_owned() } else { words.join(", ") }
}
