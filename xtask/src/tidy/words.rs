//! Words that do not belong in the project, and the header that every module needs.

use super::workspace::Source;

/// A word, the files it is wrong in, and the hint. Written apart, so that this file does not find itself.
struct Rule {
    word: &'static str,
    applies: fn(&str) -> bool,
    hint: &'static str,
}

const RULES: [Rule; 11] = [
    Rule { word: concat!("TO", "DO"), applies: is_code, hint: "do it, or open an issue" },
    Rule { word: concat!("FIX", "ME"), applies: is_code, hint: "fix it, or open an issue" },
    Rule { word: concat!("XX", "X"), applies: is_code, hint: "write what is meant" },
    Rule { word: concat!("dbg", "!("), applies: is_code, hint: "remove it, or use `tracing`" },
    Rule {
        word: concat!("#[ig", "nore"),
        applies: is_code,
        hint: "a test that does not run proves nothing: repair or remove it",
    },
    Rule { word: concat!("thread::sl", "eep("), applies: is_test, hint: "wait for the state, with a bound" },
    Rule {
        word: concat!("../sha", "red"),
        applies: is_not_ci,
        hint: "the project stands alone; only `.ci/run` may look beside the checkout",
    },
    Rule {
        word: concat!(".rou", "te("),
        applies: is_beside_the_tables,
        hint: "a route is a row of a table with the role it needs: rest/table.rs, rest/fleet.rs",
    },
    Rule { word: concat!("/wo", "rk/"), applies: is_any, hint: "no absolute path of somebody's machine" },
    Rule {
        word: concat!("files.python", "hosted.org"),
        applies: is_any,
        hint: "no download at build or run time; registries are used through their own clients",
    },
    Rule {
        word: concat!("registry.npm", "js.org"),
        applies: is_any,
        hint: "no download at build or run time; registries are used through their own clients",
    },
];

/// Findings of forbidden words and missing headers.
pub fn check(sources: &[Source]) -> Vec<String> {
    let mut findings = Vec::new();
    for source in sources.iter().filter(|source| source.path != "Cargo.lock") {
        for rule in RULES.iter().filter(|rule| (rule.applies)(&source.path)) {
            for (index, _) in source.text.lines().enumerate().filter(|(_, line)| line.contains(rule.word)) {
                findings.push(format!("{}:{}: `{}`: {}", source.path, index + 1, rule.word, rule.hint));
            }
        }
        if is_code(&source.path) && !source.text.starts_with("//!") {
            findings.push(format!(
                "{}:1: no module header; open with `//!`: its purpose, and what it leaves to others",
                source.path
            ));
        }
    }
    findings
}

fn is_any(_: &str) -> bool {
    true
}

fn is_code(path: &str) -> bool {
    path.ends_with(".rs")
}

fn is_test(path: &str) -> bool {
    is_code(path) && path.contains("/tests/")
}

fn is_beside_the_tables(path: &str) -> bool {
    let tables = ["crates/server/src/rest/table.rs", "crates/server/src/rest/fleet.rs"];
    path.starts_with("crates/server/src/") && !tables.contains(&path)
}

fn is_not_ci(path: &str) -> bool {
    !path.starts_with(".ci/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_one(path: &str, text: &str, expected: &[&str]) {
        let findings = check(&[Source { path: path.to_owned(), text: text.to_owned() }]);
        assert_eq!(findings.len(), expected.len(), "{findings:?}");
        for (finding, expected) in findings.iter().zip(expected) {
            assert!(finding.starts_with(expected), "{finding} does not start with {expected}");
        }
    }

    #[test]
    fn words_are_found_where_they_are_wrong() {
        let line = |word: &str| format!("//! Header.\nlet x = {word};\n");
        for rule in &RULES {
            let paths = ["crates/a/tests/it/main.rs", "crates/server/src/run.rs"];
            let path = paths.into_iter().find(|path| (rule.applies)(path)).unwrap();
            check_one(path, &line(rule.word), &[&format!("{path}:2: ")]);
        }
        check_one(".ci/run", &line(concat!("../sha", "red")), &[]);
        check_one("README.md", &line(concat!("TO", "DO")), &[]);
    }

    #[test]
    fn a_module_opens_with_its_header() {
        check_one("crates/a/src/lib.rs", "use x;\n", &["crates/a/src/lib.rs:1: no module header"]);
        check_one("crates/a/src/lib.rs", "//! Purpose.\n", &[]);
    }
}
