//! A change of the server reads in its own transaction: what another connection reads may be gone when it commits.
//!
//! Looked at is each function of the server that begins a transaction, from there, or from where it waits for its turn,
//! to where it gives the transaction away. It is text that is read: a read by a function that such a one calls is found
//! if that function reads by `self.db` itself. The publisher's work between its lock and its commit is not looked at; it
//! takes minutes.

use std::collections::BTreeSet;

use super::code::code_only;
use super::lengths::functions;
use super::workspace::Source;

/// The crate that changes the database.
const ROOT: &str = "crates/server/src/";
/// What begins a change: the wait for its turn, the transaction.
const BEGINS: [&str; 2] = [".change().await", "db.begin().await"];
/// What gives a transaction away.
const ENDS: [&str; 3] = ["commit(", "(tx,", "(tx)"];
/// What is called on the database and reads nothing that is stored.
const NO_READS: [&str; 2] = ["begin", "last_recorded"];

/// A function's name, where it stands, and its code.
struct Body<'a> {
    path: &'a str,
    name: String,
    line: usize,
    code: String,
}

/// Findings of reads by another connection than that of the change.
pub fn check(sources: &[Source]) -> Vec<String> {
    let bodies: Vec<Body<'_>> = sources
        .iter()
        .filter(|it| it.path.starts_with(ROOT) && it.path.ends_with(".rs"))
        .flat_map(bodies)
        .collect();
    let begins = |body: &&Body<'_>| body.code.contains(BEGINS[1]);
    let readers: BTreeSet<&str> = bodies
        .iter()
        .filter(|body| !begins(body) && reads(&body.code).is_some())
        .map(|body| body.name.as_str())
        .collect();
    let found = |body: &Body<'_>| {
        let change = change_of(&body.code);
        let read = reads(change).or_else(|| calls(change).find(|name| readers.contains(name)))?;
        Some(format!(
            "{}:{}: `fn {}` reads by `{read}` while it changes; read with the transaction, which is a `Connection`",
            body.path, body.line, body.name
        ))
    };
    bodies.iter().filter(begins).filter_map(found).collect()
}

fn bodies(source: &Source) -> Vec<Body<'_>> {
    let code = code_only(&source.text);
    let lines: Vec<&str> = code.lines().collect();
    let body = |function: super::lengths::Function| Body {
        path: &source.path,
        code: lines[function.line - 1..function.line - 1 + function.lines].join("\n"),
        name: function.name,
        line: function.line,
    };
    functions(&code).into_iter().map(body).collect()
}

/// From where a function begins its change to where it gives it away.
fn change_of(code: &str) -> &str {
    let start = BEGINS.iter().filter_map(|begin| code.find(begin)).min().unwrap_or(code.len());
    let change = &code[start..];
    let end = ENDS.iter().filter_map(|end| change.rfind(end)).max().unwrap_or(change.len());
    &change[..end]
}

/// The first function that is called on `….db` and reads.
fn reads(code: &str) -> Option<&str> {
    code.match_indices(".db").find_map(|(at, dot)| {
        // A chain may go on in the next line.
        let called = code[at + dot.len()..].trim_start().strip_prefix('.').map(word)?;
        (!called.is_empty() && !NO_READS.contains(&called)).then_some(called)
    })
}

/// What is called on `self`, or on a service that it holds.
fn calls(code: &str) -> impl Iterator<Item = &str> {
    code.match_indices("self.").filter_map(|(at, own)| {
        let mut rest = &code[at + own.len()..];
        for _ in 0..2 {
            let name = word(rest);
            match rest[name.len()..].chars().next() {
                Some('(') => return Some(name),
                Some('.') => rest = &rest[name.len() + 1..],
                _ => return None,
            }
        }
        None
    })
}

fn word(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_one(body: &str, expected: Option<&str>) {
        let helper = "async fn known(&self) { self.db.client(id).await }\n";
        let text = format!("{helper}async fn change_it(&self) {{\n{body}\n}}\n");
        let findings = check(&[Source { path: format!("{ROOT}a.rs"), text }]);
        let found = findings.first().map(String::as_str).unwrap_or_default();
        assert_eq!(findings.len(), usize::from(expected.is_some()), "{body}: {findings:?}");
        assert!(found.contains(expected.unwrap_or_default()), "{body}: {found}");
    }

    #[test]
    fn a_change_reads_by_its_own_transaction() {
        check_one("let tx = self.db.begin().await?; tx.client(id).await?; tx.commit(a).await", None);
        check_one(
            "let tx = self.db.begin().await?; self.db.client(id).await?; tx.commit(a).await",
            Some("`client`"),
        );
        check_one(
            "let turn = self.change().await; self.db\n.client(id); let tx = self.db.begin().await?;",
            Some("`client`"),
        );
        check_one(
            "let tx = self.db.begin().await?; self.known(id).await?; save(tx, id).await",
            Some("`known`"),
        );
        check_one(
            "let tx = self.db.begin().await?; self.fleet.known(id).await?; save(tx).await",
            Some("`known`"),
        );
    }

    #[test]
    fn before_and_after_a_change_anything_is_read() {
        check_one("self.db.client(id).await?; let tx = self.db.begin().await?; tx.commit(a).await", None);
        check_one("let tx = self.db.begin().await?; tx.commit(a).await; self.known(id).await", None);
        check_one("self.db.client(id).await", None);
        check_one("let tx = self.db.begin().await?; self.known_to(tx, id).await", None);
    }
}
