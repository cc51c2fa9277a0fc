//! A client's report as lines that a test compares: times, bytes and ports left out.

use headwater_api::report::{Attempt, ClassOutcome, Report};

/// The attempts of one class in the order they began: `source result reason`, one a line.
///
/// An attempt that only adds bytes to the line before is not repeated.
pub fn attempts(report: &Report, class: &str) -> String {
    let mut lines: Vec<String> = of_class(report, class).map(line).collect();
    lines.dedup();
    lines.join("\n")
}

/// The attempts of one class.
pub fn of_class<'a>(report: &'a Report, class: &'a str) -> impl Iterator<Item = &'a Attempt> {
    report.attempts.iter().filter(move |attempt| attempt.class == class)
}

/// How the class ended: `result from source`.
pub fn outcome(report: &Report, class: &str) -> String {
    let of_class: Vec<String> =
        report.classes.iter().filter(|outcome| outcome.class == class).map(ended).collect();
    of_class.join("\n")
}

/// The installed version of a component or program; empty if none is installed.
pub fn installed<'a>(report: &'a Report, class: &str, name: &str) -> &'a str {
    let found = report.installed.get(class).and_then(|of_class| of_class.get(name));
    found.map_or("", |installed| &installed.version)
}

fn line(attempt: &Attempt) -> String {
    let mut line = format!("{} {}", attempt.source, word(&attempt.result));
    if let Some(reason) = &attempt.reason {
        line += " ";
        line += &word(reason);
    }
    line
}

fn ended(outcome: &ClassOutcome) -> String {
    let result = word(&outcome.result);
    match &outcome.source {
        Some(source) => format!("{result} from {source}"),
        None => result,
    }
}

/// The snake_case word of a wire enumeration.
fn word(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        other => format!("{other:?}"),
    }
}
