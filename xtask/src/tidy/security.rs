//! Every test that `SECURITY.md` names exists: a line of the threat model without its test is a promise.

use super::workspace::Source;

/// Findings, one for each name that leads nowhere.
pub fn check(sources: &[Source]) -> Vec<String> {
    let Some(document) = sources.iter().find(|source| source.path == "SECURITY.md") else {
        return vec!["SECURITY.md: missing; it lists what an attacker can and cannot do".to_owned()];
    };
    let named = document.text.split('`').skip(1).step_by(2).filter(|text| text.contains("::"));
    named.filter(|name| !name.starts_with("crate::") && !exists(name, sources)).map(finding).collect()
}

fn finding(name: &str) -> String {
    format!("SECURITY.md: there is no test {name}; name the one that shows it now, or write it")
}

fn exists(name: &str, sources: &[Source]) -> bool {
    let Some((module, test)) = name.rsplit_once("::") else { return false };
    let Some((of, module)) = module.split_once("::") else { return false };
    let path = format!("crates/{of}/tests/it/{}.rs", module.replace("::", "/"));
    let function = format!("fn {test}(");
    sources.iter().any(|source| source.path == path && source.text.contains(&function))
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::workspace::Source;

    #[test]
    fn a_name_without_its_test_is_found() {
        let source = |path: &str, text: &str| Source { path: path.to_owned(), text: text.to_owned() };
        let test = source("crates/sim/tests/it/hosts/lying.rs", "fn lies() {}");
        let document =
            source("SECURITY.md", "as `crate::module::test`: `sim::hosts::lying::lies`, `sim::gone::lies`.");
        let found = check(&[test, document]);
        assert_eq!(found.len(), 1);
        assert!(found[0].contains("sim::gone::lies"), "{found:?}");
    }
}
