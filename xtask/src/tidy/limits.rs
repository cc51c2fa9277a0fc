//! Limits stand in one `limits.rs` a crate, and each of them is obeyed somewhere.
//!
//! That each has a unit and a reason is left to `missing_docs` and the reviewer, and that each has a test that crosses it
//! to the tests.

use super::{Member, Source};

/// Findings of limits that stand elsewhere, and of limits that nothing obeys.
pub fn check(members: &[Member], sources: &[Source]) -> Vec<String> {
    let mut findings = Vec::new();
    for member in members.iter().filter(|member| member.folder.starts_with("crates/")) {
        let folder = format!("{}/src/", member.folder);
        let home = format!("{folder}limits.rs");
        let (mut limits, mut others, mut own) = (Vec::new(), Vec::new(), Vec::new());
        for source in sources.iter().filter(|source| source.path.ends_with(".rs")) {
            if source.path == home {
                limits.push(source)
            } else {
                others.push(source)
            }
            if source.path.starts_with(&folder) && source.path != home {
                own.push(source);
            }
        }
        for name in limits.iter().flat_map(|source| constants(&source.text)) {
            if !others.iter().any(|source| has_word(&source.text, name)) {
                findings
                    .push(format!("{home}: nothing obeys `{name}`; check it where it matters, or remove it"));
            }
        }
        for source in own {
            for name in
                constants(&source.text).filter(|name| name.ends_with("_MAX") || name.ends_with("_MIN"))
            {
                findings.push(format!(
                    "{}: the limit `{name}` belongs in {home}, with unit and reason",
                    source.path
                ));
            }
        }
    }
    findings
}

/// Names of the constants that a file shows to others.
fn constants(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| {
        let rest = ["pub const ", "pub(crate) const "].iter().find_map(|start| line.strip_prefix(start))?;
        rest.split(':').next()
    })
}

fn has_word(text: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word)
        .any(|(at, _)| !text[..at].ends_with(is_part) && !text[at + word.len()..].starts_with(is_part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_stand_in_their_file_and_are_obeyed() {
        let check_one = |limits: &str, code: &str, expected: &[&str]| {
            let source = |path: &str, text: &str| Source { path: path.to_owned(), text: text.to_owned() };
            let member = Member {
                package: "headwater-a".to_owned(),
                folder: "crates/a".to_owned(),
                has_library: true,
                uses: Vec::new(),
            };
            let sources = [source("crates/a/src/limits.rs", limits), source("crates/a/src/lib.rs", code)];
            let findings = check(&[member], &sources);
            assert_eq!(findings.len(), expected.len(), "{findings:?}");
            assert!(
                findings.iter().zip(expected).all(|(finding, part)| finding.contains(part)),
                "{findings:?}"
            );
        };
        check_one("pub const A_MAX: u32 = 1;\n", "if a > A_MAX {}\n", &[]);
        check_one("pub const A_MAX: u32 = 1;\n", "if a > LA_MAX {}\n", &["nothing obeys `A_MAX`"]);
        check_one("", "pub(crate) const B_MAX: u32 = 1;\n", &["`B_MAX` belongs in crates/a/src/limits.rs"]);
    }
}
