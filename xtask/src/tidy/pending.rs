//! What is excused from a rule that is younger than the code: folders that are not clean yet.
//!
//! A line is removed when its folder is clean, and none is added. `cargo xtask tidy pending` lists what is left.

/// Rule and folder.
const EXCUSED: &[(&str, &str)] = &[];

/// Whether a finding is of a folder that is excused from the rule.
pub fn is_excused(rule: &str, finding: &str) -> bool {
    EXCUSED.iter().any(|line| excuses(line, rule, finding))
}

/// The lines that excuse nothing.
pub fn unneeded(findings: &[(&str, String)]) -> Vec<(&'static str, &'static str)> {
    let needed = |line: &&(&str, &str)| findings.iter().any(|(rule, finding)| excuses(line, rule, finding));
    EXCUSED.iter().filter(|line| !needed(line)).copied().collect()
}

fn excuses((of, folder): &(&str, &str), rule: &str, finding: &str) -> bool {
    *of == rule && finding.starts_with(folder)
}

#[cfg(test)]
mod tests {
    use super::excuses;

    #[test]
    fn a_line_excuses_one_folder_from_one_rule() {
        let line = ("circles", "crates/a/");
        assert!(excuses(&line, "circles", "crates/a/src/lib.rs: 2 files"));
        assert!(!excuses(&line, "circles", "crates/ab/src/lib.rs: 2 files"));
        assert!(!excuses(&line, "words", "crates/a/src/lib.rs:1: x"));
    }
}
