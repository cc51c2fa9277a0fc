//! Every typed setting of a domain has a row in docs/settings.md, with its unit, default and consequence.

use super::workspace::Source;

const CODE: &str = "crates/policy/src/settings.rs";
const PAGE: &str = "docs/settings.md";

/// Settings that the page does not describe.
pub fn check(sources: &[Source]) -> Vec<String> {
    let text = |path: &str| {
        sources.iter().find(|source| source.path == path).map_or("", |source| source.text.as_str())
    };
    let names = names(text(CODE));
    if names.is_empty() {
        return vec![format!(
            "{CODE}: has no `pub struct Settings`; change xtask/src/tidy/settings.rs to where it is now"
        )];
    }
    let rows: Vec<&str> = text(PAGE).lines().filter(|line| line.starts_with("| `")).collect();
    let described = |name: &&str| rows.iter().any(|row| row.starts_with(&format!("| `{name}` |")));
    names
        .into_iter()
        .filter(|name| !described(name))
        .map(|name| {
            format!("{PAGE}: no row for `{name}`; add one with its unit, range, default and consequence")
        })
        .collect()
}

/// The fields of `Settings`.
fn names(code: &str) -> Vec<&str> {
    let fields = code.split_once("pub struct Settings {").map_or("", |(_, after)| after);
    let fields = fields.split_once("\n}").map_or("", |(fields, _)| fields);
    fields
        .lines()
        .filter_map(|line| line.trim().strip_prefix("pub ")?.split_once(':'))
        .map(|(name, _)| name)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(code: &str, page: &str) -> Vec<String> {
        let source = |path: &str, text: &str| Source { path: path.to_owned(), text: text.to_owned() };
        check(&[source(CODE, code), source(PAGE, page)])
    }

    #[test]
    fn a_setting_without_a_row_is_named() {
        let code =
            "pub struct Settings {\n    /// One.\n    pub one: Option<u32>,\n    pub two: Option<bool>,\n}\n";
        let page = "| setting | unit |\n| `one` | minutes |\nBut `two` is only mentioned.\n";
        let found = findings(code, page);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("no row for `two`"), "{found:?}");
        assert!(findings(code, &format!("{page}| `two` | on, off |\n")).is_empty());
    }

    #[test]
    fn moved_settings_are_noticed() {
        assert!(findings("pub struct Other {}", "")[0].contains("where it is now"));
    }
}
