//! Limits stand in one `limits.rs` a crate, each of them is obeyed somewhere, and each bound (`…_MAX`, `…_MIN`) is
//! named by a test: who crosses a limit takes it from here and not as a number that may become another.
//!
//! That each has a unit and a reason is left to `missing_docs` and the reviewer, and that the test does cross it to the
//! reviewer. The harness is a test itself; its limits need none.

use super::workspace::{Member, Source};

/// Findings of limits that stand elsewhere, and of limits that nothing obeys.
pub fn check(members: &[Member], sources: &[Source]) -> Vec<String> {
    let mut findings = Vec::new();
    let tests: Vec<(&Source, String)> = sources
        .iter()
        .filter(|source| source.path.ends_with(".rs"))
        .map(|source| (source, test_code(source)))
        .collect();
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
            } else if is_bound(name) && member.short() != "sim" && !is_tested(member, name, &tests) {
                findings.push(format!(
                    "{home}: no test names `{name}`; cross it in one, from just below to just above"
                ));
            }
        }
        for source in own {
            for name in constants(&source.text).filter(|name| is_bound(name)) {
                findings.push(format!(
                    "{}: the limit `{name}` belongs in {home}, with unit and reason",
                    source.path
                ));
            }
        }
    }
    findings
}

/// Whether a constant is a bound that somebody may cross; the others are defaults, pauses and sizes of pieces.
fn is_bound(name: &str) -> bool {
    name.ends_with("_MAX") || name.ends_with("_MIN")
}

/// Whether a test of the crate names a limit, or a test elsewhere that uses the crate.
fn is_tested(member: &Member, name: &str, tests: &[(&Source, String)]) -> bool {
    let folder = format!("{}/", member.folder);
    let library = member.package.replace('-', "_");
    tests.iter().any(|(source, code)| {
        has_word(code, name) && (source.path.starts_with(&folder) || has_word(code, &library))
    })
}

/// The lines of a file that are test code: all of it below `tests/` and in a `tests.rs`, else what follows `#[cfg(test)]`; no comments.
fn test_code(source: &Source) -> String {
    let code = match source.path.contains("/tests/") || source.path.ends_with("/tests.rs") {
        true => source.text.as_str(),
        false => source.text.split_once("\n#[cfg(test)]\nmod ").map_or("", |(_, tests)| tests),
    };
    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
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
        let obeyed = "if a > A_MAX {}\n";
        let tested = format!("{obeyed}\n#[cfg(test)]\nmod tests {{\n    check(A_MAX + 1);\n}}\n");
        check_one("pub const A_MAX: u32 = 1;\n", &tested, &[]);
        check_one("pub const A_MAX: u32 = 1;\n", obeyed, &["no test names `A_MAX`"]);
        let only_in_comments = tested.replace("check", "// check");
        check_one("pub const A_MAX: u32 = 1;\n", &only_in_comments, &["no test names `A_MAX`"]);
        check_one("pub const PAUSE: u32 = 1;\n", "sleep(PAUSE)\n", &[]);
        check_one("pub const A_MAX: u32 = 1;\n", "if a > LA_MAX {}\n", &["nothing obeys `A_MAX`"]);
        check_one("", "pub(crate) const B_MAX: u32 = 1;\n", &["`B_MAX` belongs in crates/a/src/limits.rs"]);
    }
}
