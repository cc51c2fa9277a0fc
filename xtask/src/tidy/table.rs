//! Which crate may use which: the table in ARCHITECTURE.md is the rule, cargo's metadata is the fact.
//!
//! What only a crate's tests use is not counted: it builds no layer.

use std::collections::{BTreeMap, BTreeSet};

use super::workspace::{Member, short};

type Table = BTreeMap<String, BTreeSet<String>>;

/// Findings where the workspace and the table differ.
pub fn check(members: &[Member], architecture: &Option<String>) -> Vec<String> {
    let names: BTreeSet<String> = members.iter().map(|member| member.short().to_owned()).collect();
    let Some(text) = architecture else {
        return vec![
            "ARCHITECTURE.md: missing; it holds the table of crates and what each may use".to_owned(),
        ];
    };
    let table = match parse(text, &names) {
        Ok(table) => table,
        Err(problem) => return vec![format!("ARCHITECTURE.md: {problem}")],
    };
    let mut findings = Vec::new();
    for name in table.keys().filter(|name| !names.contains(*name)) {
        findings.push(format!(
            "ARCHITECTURE.md: `{name}` is in the table and not in the workspace; remove the row"
        ));
    }
    for member in members {
        let Some(allowed) = table.get(member.short()) else {
            findings.push(format!(
                "ARCHITECTURE.md: no row for `{}`; a new crate is a decision: add it, with an ADR",
                member.short()
            ));
            continue;
        };
        for used in member.uses.iter().map(|used| short(used)).filter(|used| !allowed.contains(*used)) {
            findings.push(format!(
                "{}/Cargo.toml: uses `{used}`, which its row in ARCHITECTURE.md does not allow; move the code, or decide otherwise in an ADR",
                member.folder
            ));
        }
    }
    findings
}

/// Reads the markdown table whose first column is `crate` and whose last lists what each may use.
fn parse(text: &str, names: &BTreeSet<String>) -> Result<Table, String> {
    let mut table = Table::new();
    let mut inside = false;
    for line in text.lines() {
        let cells: Vec<&str> = line.trim().trim_matches('|').split('|').map(str::trim).collect();
        let is_row = line.trim_start().starts_with('|') && cells.len() >= 2;
        if !is_row {
            inside = false;
        } else if cells[0] == "crate" && cells[cells.len() - 1].contains("may use") {
            inside = true;
        } else if inside && !cells[0].starts_with("---") && !cells[0].starts_with(":--") {
            let name = cells[0].trim_matches('`').to_owned();
            let allowed = allowed(cells[cells.len() - 1], &name, names)?;
            table.insert(name, allowed);
        }
    }
    if table.is_empty() {
        return Err("no table with the columns `crate` … `may use` was found".to_owned());
    }
    Ok(table)
}

/// `–`, a list of names in backquotes, or `all but` such a list.
fn allowed(cell: &str, name: &str, names: &BTreeSet<String>) -> Result<BTreeSet<String>, String> {
    let listed: BTreeSet<String> = cell.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    if let Some(unknown) = listed.iter().find(|listed| !names.contains(*listed)) {
        return Err(format!("the row of `{name}` names `{unknown}`, which is no crate of the workspace"));
    }
    if cell.starts_with("all but") {
        return Ok(names.difference(&listed).cloned().collect());
    }
    Ok(listed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "| crate | what | may use |\n| --- | --- | --- |\n| `a` | x | – |\n| `b` | y | `a` |\n| `c` | z | all but `b` |\n";

    fn member(name: &str, uses: &[&str]) -> Member {
        Member {
            package: format!("headwater-{name}"),
            folder: format!("crates/{name}"),
            has_library: true,
            uses: uses.iter().map(|used| format!("headwater-{used}")).collect(),
        }
    }

    fn check_one(b: &[&str], c: &[&str], table: &str, expected: &[&str]) {
        let members = [member("a", &[]), member("b", b), member("c", c)];
        let findings = check(&members, &Some(table.to_owned()));
        assert_eq!(findings.len(), expected.len(), "{findings:?}");
        for (finding, expected) in findings.iter().zip(expected) {
            assert!(finding.contains(expected), "{finding} does not contain {expected}");
        }
    }

    #[test]
    fn what_the_table_allows_is_no_finding() {
        check_one(&["a"], &["a"], TABLE, &[]);
    }

    #[test]
    fn what_it_does_not_allow_is() {
        check_one(&["c"], &["b"], TABLE, &["crates/b/Cargo.toml: uses `c`", "crates/c/Cargo.toml: uses `b`"]);
    }

    #[test]
    fn rows_and_crates_are_the_same() {
        check_one(
            &[],
            &[],
            "| crate | may use |\n| --- | --- |\n| `a` | – |\n| `b` | – |\n| `d` | – |\n",
            &["`d` is in the table", "no row for `c`"],
        );
        check_one(&[], &[], "no table\n", &["no table with the columns"]);
    }
}
