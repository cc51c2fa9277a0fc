//! Tests wait for a state, never for a time. A clippy rule refuses `std::thread::sleep`; this one refuses the sleeps of the
//! runtime in tests.
//!
//! Two things may sleep there, and say so: the helper `pass_time`, which lets the paused clock of a test run on, and what
//! needs real time, with a comment that begins with [`REASON`] in one of the lines before it.

use super::workspace::Source;

/// How the comment begins that says why a test sleeps.
const REASON: &str = "// Slow on purpose:";
/// What sleeps. Written apart, so that this file does not find itself.
const SLEEP: &str = concat!("sleep", "(");
/// How the helper begins that sleeps on the paused clock.
const HELPER: &str = "fn pass_time(";
/// Lines above a sleep in which the helper begins or the comment stands.
const LINES_ABOVE: usize = 5;

/// Findings of sleeps in tests.
pub fn check(sources: &[Source]) -> Vec<String> {
    let mut findings = Vec::new();
    for source in sources.iter().filter(|source| source.path.ends_with(".rs")) {
        let lines: Vec<&str> = source.text.lines().collect();
        let first = match source.path.contains("/tests/") {
            true => Some(0),
            false => lines.iter().position(|line| *line == "#[cfg(test)]"),
        };
        let Some(first) = first else { continue };
        for number in first..lines.len() {
            let above = &lines[number.saturating_sub(LINES_ABOVE)..number];
            let is_named = above.iter().any(|line| line.contains(HELPER) || line.contains(REASON));
            if is_sleep(lines[number]) && !is_named {
                findings.push(format!(
                    "{}:{}: a test sleeps; wait for a state, let a paused clock run on (`pass_time`), or say why it takes real time: `{REASON} …`",
                    source.path,
                    number + 1
                ));
            }
        }
    }
    findings
}

/// Whether a line calls a function named so, and does not only end with the name.
fn is_sleep(line: &str) -> bool {
    line.match_indices(SLEEP).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|before| before.is_alphanumeric() || before == '_' || before == '"')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sleep_in_a_test_is_found_unless_it_says_why() {
        let check_one = |path: &str, text: &str, expected: usize| {
            let findings = check(&[Source { path: path.to_owned(), text: text.to_owned() }]);
            assert_eq!(findings.len(), expected, "{text}: {findings:?}");
        };
        let sleeps = format!("tokio::time::{SLEEP}time).await;\n");
        check_one("crates/server/tests/it/a.rs", &sleeps, 1);
        check_one("crates/server/src/a.rs", &sleeps, 0);
        check_one("crates/server/src/a.rs", &format!("#[cfg(test)]\nmod tests {{\n{sleeps}"), 1);
        check_one("crates/server/tests/it/a.rs", &format!("{REASON} a drip\n{sleeps}"), 0);
        check_one(
            "crates/server/tests/it/a.rs",
            &format!("async fn pass_time(time: Duration) {{\n{sleeps}"),
            0,
        );
        check_one("crates/server/tests/it/a.rs", &format!("async fn until(what: &str) {{\n{sleeps}"), 1);
        check_one("crates/server/tests/it/a.rs", &format!("never_{SLEEP})"), 0);
    }
}
