//! The project's own rules, run as a test and as `cargo xtask tidy`.
//!
//! A rule takes the text of files and returns findings; a finding names the place and what to do. Each rule is a module:
//! `table` (which crate may use which), `circles` (between files of a crate), `services` and `sql` (what the server's
//! services and other crates may name), `transactions` (a change reads in its own), `lengths`, `limits`, `security`,
//! `settings` (docs/settings.md), `words`, `vocabulary`, `rule_marks`. What clippy can check is left to it.

mod circles;
mod code;
mod imports;
mod lengths;
mod limits;
mod modules;
mod rule_marks;
mod security;
mod services;
mod settings;
mod sleeps;
mod sql;
mod table;
mod transactions;
mod vocabulary;
mod words;
mod workspace;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use self::workspace::Member;
pub use self::workspace::{members, sources};
use crate::command::workspace_root;

/// Runs every rule; fails with all findings.
pub fn check_workspace() -> Result<()> {
    let findings = findings()?;
    if findings.is_empty() {
        return Ok(());
    }
    bail!("{} findings of tidy:\n  {}", findings.len(), findings.join("\n  "));
}

/// The findings of all rules.
fn findings() -> Result<Vec<String>> {
    let root = workspace_root();
    let members = members()?;
    let sources = sources(&root)?;
    let rules = [
        table::check(&members, &read_if_there(&root.join("ARCHITECTURE.md"))?),
        circles::check(&members, &sources),
        lengths::check(&sources),
        limits::check(&members, &sources),
        words::check(&sources),
        vocabulary::check(&sources),
        rule_marks::check(&sources),
        security::check(&sources),
        services::check(&sources),
        settings::check(&sources),
        sleeps::check(&sources),
        sql::check(&sources),
        transactions::check(&sources),
        inherits_lints(&root, &members)?,
    ];
    Ok(rules.into_iter().flatten().collect())
}

/// Prints how many banned words each crate has, or where they are in `folder`.
pub fn show_words(folder: Option<&str>) -> Result<()> {
    let sources = sources(&workspace_root())?;
    let lines = match folder {
        None => vocabulary::counts(&sources),
        Some(folder) => vocabulary::check(&sources).into_iter().filter(|it| it.starts_with(folder)).collect(),
    };
    lines.iter().for_each(|line| println!("{line}"));
    Ok(())
}

/// Every crate takes the workspace's lints.
fn inherits_lints(root: &Path, members: &[Member]) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    for member in members {
        let manifest = format!("{}/Cargo.toml", member.folder);
        let text =
            fs::read_to_string(root.join(&manifest)).with_context(|| format!("cannot read {manifest}"))?;
        if !text.contains("[lints]\nworkspace = true") {
            findings.push(format!(
                "{manifest}: does not take the workspace's lints; add `[lints]` with `workspace = true`"
            ));
        }
    }
    Ok(findings)
}

fn read_if_there(path: &Path) -> Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_workspace_is_tidy() {
        if let Err(error) = super::check_workspace() {
            panic!("{error:#}");
        }
    }
}
