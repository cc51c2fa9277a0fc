//! Marks of rules, as in `docs/rules.md`, are for those who read the code: not for those who read the API or the help.

use super::workspace::Source;

/// Letters of the marks.
const LETTERS: &str = "ACDEFGHIKLNOPRSUW";

/// Findings of marks in the OpenAPI document, in the reference, and in the help of the command lines.
pub fn check(sources: &[Source]) -> Vec<String> {
    let mut findings = Vec::new();
    for source in sources {
        let is_help = source.path.starts_with("crates/")
            && source.path.ends_with(".rs")
            && source.text.contains("clap::");
        let is_page = source.path == "docs/openapi.json" || source.path.starts_with("docs/reference/");
        for (index, line) in source.text.lines().enumerate() {
            let is_read = is_page || is_help && line.trim_start().starts_with("///");
            if let Some(mark) = mark(line).filter(|_| is_read) {
                findings.push(format!(
                    "{}:{}: `({mark})`: the mark of a rule explains nothing here; leave it out, or write what it asks for",
                    source.path,
                    index + 1
                ));
            }
        }
    }
    findings
}

/// The first mark in brackets: `(S9)`, `(U4b, R2)`.
fn mark(line: &str) -> Option<&str> {
    let groups =
        line.match_indices('(').filter_map(|(at, _)| Some(&line[at + 1..at + 1 + line[at + 1..].find(')')?]));
    groups.into_iter().find(|group| {
        group.split([',', ' ']).filter(|word| !word.is_empty()).all(is_mark) && !group.is_empty()
    })
}

fn is_mark(word: &str) -> bool {
    let Some(number) = word.strip_prefix(|c| LETTERS.contains(c)) else { return false };
    let number = number.strip_suffix(|c: char| c.is_ascii_lowercase()).unwrap_or(number);
    (1..=2).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_one(path: &str, text: &str, expected: usize) {
        let findings = check(&[Source { path: path.to_owned(), text: text.to_owned() }]);
        assert_eq!(findings.len(), expected, "{text}: {findings:?}");
    }

    #[test]
    fn marks_are_found_where_users_read() {
        check_one("docs/openapi.json", "\"Lists clients (S9).\"", 1);
        check_one("docs/reference/headwater.md", "fine\nLists (U4b, R2) clients", 1);
        check_one("crates/cli/src/a.rs", "use clap::Args;\n/// Lists (S9).\n// A note (S9).", 1);
        check_one("crates/repo/src/a.rs", "/// Lists (S9).", 0);
        check_one("docs/rules.md", "(S9)", 0);
        check_one("docs/openapi.json", "(1) (see S9) () (SHA256) (S) (at)", 0);
    }
}
