//! SQL stays in the crate `database`: no statement, no type of its driver and no dialect's name elsewhere.

use super::workspace::Source;

/// The one crate that knows SQL. The rule holds from the day that it is there.
const HOME: &str = "crates/database/";
/// Names of the driver, in lower case. Written apart, so that this file does not find itself.
const NAMES: [&str; 2] = [concat!("sql", "x::"), concat!("sqlite", "connection")];
/// How statements begin.
const STATEMENTS: [&str; 7] = [
    concat!("SELECT", " "),
    concat!("INSERT", " INTO "),
    concat!("INSERT", " OR "),
    concat!("DELETE", " FROM "),
    concat!("CREATE", " TABLE "),
    concat!("PRAGMA", " "),
    concat!("BEGIN", " IMMEDIATE"),
];

/// Findings of SQL in other crates, their tests included.
pub fn check(sources: &[Source]) -> Vec<String> {
    if !sources.iter().any(|source| source.path.starts_with(HOME)) {
        return Vec::new();
    }
    let elsewhere = |source: &&Source| {
        source.path.starts_with("crates/") && source.path.ends_with(".rs") && !source.path.starts_with(HOME)
    };
    let mut findings = Vec::new();
    for source in sources.iter().filter(elsewhere) {
        for (index, line) in source.text.lines().enumerate() {
            let lower = line.to_lowercase();
            let name = NAMES.iter().find(|name| lower.contains(**name));
            let statement = STATEMENTS.iter().find(|statement| line.contains(**statement));
            let camel = line.contains(concat!("Sql", "ite")).then_some(&concat!("Sql", "ite"));
            if let Some(found) = name.or(statement).or(camel) {
                findings.push(format!(
                    "{}:{}: `{}`: SQL stays in {HOME}; add a function there and call it",
                    source.path,
                    index + 1,
                    found.trim()
                ));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_and_names_of_the_driver_are_found_elsewhere() {
        let source = |path: &str, text: &str| Source { path: path.to_owned(), text: text.to_owned() };
        let home = || source("crates/database/src/lib.rs", concat!("SELECT", " 1"));
        let check_one = |path: &str, text: &str, expected: usize| {
            let findings = check(&[home(), source(path, text)]);
            assert_eq!(findings.len(), expected, "{text}: {findings:?}");
        };
        check_one("crates/server/src/a.rs", concat!("//!\nquery(\"SELECT", " a FROM b\")"), 1);
        check_one("crates/server/src/a.rs", concat!("use sql", "x::Row;"), 1);
        check_one("crates/server/tests/it/a.rs", concat!("Sql", "itePool::new()"), 1);
        check_one("crates/server/src/a.rs", "// Select what is asked for.", 0);
        check_one("docs/a.md", concat!("SELECT", " 1"), 0);
        assert!(check(&[source("crates/server/src/a.rs", concat!("SELECT", " 1"))]).is_empty());
    }
}
