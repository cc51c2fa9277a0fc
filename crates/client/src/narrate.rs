//! A run and a status, told to people.

use std::fmt::Write as _;

use headwater_api::report::{Attempt, AttemptResult, ClassResult, Report};
use headwater_policy::Class;

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
        let sources = report.sources(class).join(", then ");
        let from = if sources.is_empty() { sources } else { format!(" from {sources}") };
        let _ = writeln!(out, "\n{}: {}{from}", class.class, result(class.result));
        let _ = writeln!(out, "  {}", class.message);
        if class.spared_bytes > 0 {
            let _ = writeln!(out, "  deltas spared {}", bytes(class.spared_bytes));
        }
        for attempt in report.attempts.iter().filter(|attempt| attempt.class == class.class) {
            let _ = writeln!(out, "  - {}", told(attempt));
        }
    }
    if let Some(agent) = &report.update_agent {
        let serves: Vec<String> =
            agent.serves.iter().map(|(class, version)| format!("{class} {version}")).collect();
        let _ = writeln!(
            out,
            "\nUpdate agent: serves {}; holds {} of {}.",
            or_nothing(&serves),
            bytes(agent.bytes_held),
            bytes(agent.bytes_quota)
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
    match &status.identity {
        None => out.push_str("Identity: not enrolled\n"),
        Some(identity) => {
            let _ = writeln!(
                out,
                "Identity: key {}, certificate until {}",
                identity.key, identity.certificate_end
            );
            if let Some(why) = &identity.refused {
                let _ = writeln!(out, "Refused at the last check-in: {why}");
            }
        }
    }
    match &status.daemon {
        None => out.push_str("Daemon: does not run\n"),
        Some(daemon) => {
            let _ = write!(out, "Daemon: runs (process {})", daemon.process);
            if !daemon.serving.is_empty() {
                let _ = write!(out, ", serves at {}", daemon.serving.join(", "));
            }
            out.push('\n');
            for problem in &daemon.problems {
                let _ = writeln!(out, "Warning: {problem}");
            }
        }
    }
    if !status.shares.is_empty() {
        let _ = writeln!(out, "Update agent: shares {}", status.shares.join(", "));
    }
    for class in Class::ALL.map(Class::as_str) {
        status_of_class(&mut out, status, class);
    }
    for failed in &status.failed {
        let _ = writeln!(out, "\nNot tried again: {failed}");
    }
    match &status.last_run {
        Some(last) => {
            let started = last.started.strftime("%Y-%m-%d %H:%M:%S UTC");
            let _ = write!(out, "\nLast run, at {started}:\n{}", report(last));
        }
        None => out.push_str("\nNo run yet.\n"),
    }
    out
}

/// What is installed of a class, and its plan.
fn status_of_class(out: &mut String, status: &Status, class: &str) {
    let _ = writeln!(out, "\n{class}:");
    let names = status.installed.get(class).into_iter().flatten();
    for (name, installed) in names.clone() {
        let _ = writeln!(out, "  {name} {} (release {})", installed.version, installed.sequence);
    }
    if names.count() == 0 {
        let _ = writeln!(out, "  nothing installed");
    }
    if let Some(plan) = status.plans.get(class) {
        for (number, step) in (1..).zip(&plan.steps) {
            let entry = in_brackets(step.entry);
            let _ = writeln!(out, "  {number}. {}{entry} at {}: {}", step.source, step.url, step.reason);
        }
        if plan.steps.is_empty() {
            let _ = writeln!(out, "  no source");
        }
    }
}

/// Bytes as a person reads them: `0 B`, `12.3 kB`, `4.5 MB` (powers of 1000).
pub fn bytes(count: u64) -> String {
    const STEPS: [(&str, u64); 3] = [("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000)];
    for (unit, size) in STEPS {
        if count >= size {
            let tenths = count.saturating_mul(10) / size;
            return format!("{}.{} {unit}", tenths / 10, tenths % 10);
        }
    }
    format!("{count} B")
}

/// The exit code that a run's report calls for: 0 current, 1 failed or without any source, 3 partly failed: a class, or holding it
/// for others.
pub fn exit_code(report: &Report) -> u8 {
    let failed = |result| matches!(result, ClassResult::Failed | ClassResult::Reverted);
    let good = |result| matches!(result, ClassResult::Updated | ClassResult::Current);
    // A class may be meant to have no source; a client without any is not up to date.
    if !report.classes.iter().any(|class| good(class.result)) {
        return 1;
    }
    let all_held = report.update_agent.as_ref().is_none_or(|agent| {
        agent.problems.keys().all(|class| agent.serves.get(class) >= content_version(report, class).as_ref())
    });
    if report.classes.iter().any(|class| failed(class.result)) || !all_held { 3 } else { 0 }
}

/// The content version that a run brought or found.
fn content_version(report: &Report, class: &str) -> Option<u64> {
    let verified = |attempt: &&Attempt| {
        attempt.class == class && matches!(attempt.result, AttemptResult::Used | AttemptResult::Current)
    };
    report.attempts.iter().filter(verified).map(|attempt| attempt.to_version).max()
}

fn told(attempt: &Attempt) -> String {
    let entry = in_brackets(attempt.entry);
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
    let _ = write!(said, "; {}, {} ms", bytes(attempt.bytes), attempt.duration_ms);
    said
}

fn in_brackets(entry: Option<u32>) -> String {
    entry.map_or_else(String::new, |entry| format!(" (entry {entry})"))
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
        ClassResult::Reverted => "went back",
        ClassResult::NoSource => "no source",
    }
}

fn or_nothing(words: &[String]) -> String {
    if words.is_empty() { "nothing".to_owned() } else { words.join(", ") }
}
