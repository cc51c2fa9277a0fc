//! A run: each class with its source and result, every attempt, and warnings.

use std::fmt::Write as _;

use headwater_api::report::{Attempt, AttemptResult, ClassOutcome, ClassResult, Report, UpdateAgentReport};

use crate::render::bytes;

/// Renders a run.
pub fn report(report: &Report) -> String {
    let mut out = String::new();
    let _ = writeln!(
        out,
        "Run {} of {} in domain {}, policy version {}, {} ms.",
        report.run, report.client, report.domain, report.policy_version, report.duration_ms
    );
    for class in &report.classes {
        render_class(&mut out, report, class);
    }
    if let Some(agent) = &report.update_agent {
        render_update_agent(&mut out, agent);
    }
    for warning in &report.warnings {
        let _ = writeln!(out, "\nWarning: {warning}");
    }
    out
}

fn render_class(out: &mut String, report: &Report, class: &ClassOutcome) {
    let sources = report.sources(class).join(", then ");
    let from = if sources.is_empty() { sources } else { format!(" from {sources}") };
    let _ = writeln!(out, "\n{}: {}{from}", class.class, result(class.result));
    let _ = writeln!(out, "  {}", class.message);
    if class.spared_bytes > 0 {
        let _ = writeln!(out, "  deltas saved {}", bytes(class.spared_bytes));
    }
    for attempt in report.attempts.iter().filter(|attempt| attempt.class == class.class) {
        let _ = writeln!(out, "  - {}", attempt_line(attempt));
    }
}

fn render_update_agent(out: &mut String, agent: &UpdateAgentReport) {
    let serves: Vec<String> =
        agent.serves.iter().map(|(class, version)| format!("{class} {version}")).collect();
    let serves = if serves.is_empty() { "nothing".to_owned() } else { serves.join(", ") };
    let _ = writeln!(
        out,
        "\nUpdate agent: serves {serves}; holds {} of {}.",
        bytes(agent.bytes_held),
        bytes(agent.bytes_quota)
    );
    for (class, problem) in &agent.problems {
        let _ = writeln!(out, "  {class}: {problem}");
    }
}

fn attempt_line(attempt: &Attempt) -> String {
    let entry = in_brackets(attempt.entry);
    let mut line =
        format!("{}{entry} at {}: {}", attempt.source, attempt.url, attempt_result(attempt.result));
    if let Some(reason) = attempt.reason {
        let word = serde_json::to_value(reason).ok().and_then(|word| Some(word.as_str()?.to_owned()));
        let _ = write!(line, ", {}", word.unwrap_or_default());
    }
    if !attempt.detail.is_empty() {
        let _ = write!(line, ": {}", attempt.detail);
    }
    if attempt.result == AttemptResult::Used && attempt.from_version != attempt.to_version {
        let _ = match attempt.from_version {
            0 => write!(line, "; content version {}", attempt.to_version),
            from => write!(line, "; content version {from} to {}", attempt.to_version),
        };
    }
    let _ = write!(line, "; {}, {} ms", bytes(attempt.bytes), attempt.duration_ms);
    line
}

/// The entry of the source list that a step or attempt comes from.
pub(crate) fn in_brackets(entry: Option<u32>) -> String {
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
        ClassResult::Reverted => "reverted",
        ClassResult::Partial => "partial",
        ClassResult::Unserved => "unserved",
    }
}
