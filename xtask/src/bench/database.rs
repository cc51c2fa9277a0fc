//! `cargo xtask bench database`: what a large fleet costs the database.
//!
//! Steps: build the example `fleet` of the crate `database`, let it fill a SQLite file and time what a server asks of it,
//! the same on a PostgreSQL where one is named, and render a table.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::bench::page::{self, machine, processes};
use crate::command::{cargo, output, run as run_command, target_folder, workspace_root};

/// The page whose measured part `--write` replaces.
const PAGE: &str = "docs/benchmarks/database.md";
/// The program that is timed.
const PROGRAM: [&str; 7] =
    ["build", "--package", "headwater-database", "--example", "fleet", "--features", "testing,postgres"];
/// Names a PostgreSQL, as for the tests.
const POSTGRES: &str = "HEADWATER_POSTGRES_URL";

/// What a run measures, and where its results go.
#[derive(Debug, PartialEq, Eq)]
pub struct Options {
    clients: u64,
    days: u64,
    debug: bool,
    write: bool,
}

/// What the program prints.
#[derive(Debug, Deserialize)]
struct Measured {
    database: String,
    clients: u64,
    days: u64,
    bytes: u64,
    filled_seconds: f64,
    rows: Vec<Row>,
}

#[derive(Debug, Deserialize)]
struct Row {
    what: String,
    median_ms: f64,
    longest_ms: f64,
}

impl Options {
    /// From the words after `bench database`.
    pub fn parse(words: &[&str]) -> Result<Self> {
        let mut options = Self { clients: 10_000, days: 30, debug: false, write: false };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut number = || {
                let value = words.next().with_context(|| format!("`{word}` needs a number"))?;
                value.parse().with_context(|| format!("`{word} {value}`: not a number"))
            };
            match *word {
                "--write" => options.write = true,
                "--debug" => options.debug = true,
                "--clients" => options.clients = number()?,
                "--days" => options.days = number()?,
                other => bail!("`bench database` does not know `{other}`"),
            }
        }
        if options.clients == 0 || options.days < 2 {
            bail!("a fleet has at least one client, and a history of at least two days");
        }
        Ok(options)
    }
}

/// Measures and renders.
pub fn run(options: &Options) -> Result<()> {
    let mut build = cargo(&PROGRAM);
    if !options.debug {
        build.arg("--release");
    }
    run_command(&mut build)?;
    let target = target_folder(&workspace_root());
    let program = target.join(if options.debug { "debug" } else { "release" }).join("examples/fleet");
    let folder = target.join("bench-database");
    remove(&folder)?;
    fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
    let mut busy = Vec::new();
    let mut measured = vec![measure(&program, options, &folder.to_string_lossy())?];
    busy.extend(processes());
    remove(&folder)?;
    match std::env::var(POSTGRES) {
        Ok(address) => measured.push(measure(&program, options, &address)?),
        Err(_) => println!("  SKIPPED: PostgreSQL: {POSTGRES} names none that is empty"),
    }
    busy.extend(processes());
    let text = tables(&measured, options, &machine(&busy));
    println!("\n{text}");
    if options.write {
        page::write_measured(PAGE, &text)?;
    }
    Ok(())
}

fn measure(program: &Path, options: &Options, place: &str) -> Result<Measured> {
    let (clients, days) = (options.clients.to_string(), options.days.to_string());
    let printed = output(Command::new(program).args([&clients, &days, place]))?;
    serde_json::from_str(&printed).with_context(|| format!("{} printed: {printed}", program.display()))
}

fn tables(measured: &[Measured], options: &Options, machine: &str) -> String {
    let build = if options.debug { "debug" } else { "release" };
    let mut text = format!("Measured on {machine}, with a {build} build.\n");
    for one in measured {
        let Measured { database, clients, days, bytes, filled_seconds, rows } = one;
        text.push_str(&format!(
            "\n{database}: {clients} clients, {days} days; filled in {filled_seconds:.0} s"
        ));
        if *bytes > 0 {
            text.push_str(&format!(", {} MB", bytes / 1_000_000));
        }
        text.push_str(".\n\n| question | median, ms | longest, ms |\n|---|---:|---:|\n");
        for Row { what, median_ms, longest_ms } in rows {
            text.push_str(&format!("| {what} | {median_ms:.1} | {longest_ms:.1} |\n"));
        }
    }
    text
}

fn remove(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("remove {}", folder.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_parsed_or_named() {
        let words = ["--clients", "100000", "--days", "90", "--write", "--debug"];
        let expected = Options { clients: 100_000, days: 90, debug: true, write: true };
        assert_eq!(Options::parse(&words).unwrap(), expected);
        let check = |words: &[&str], expected: &str| {
            let error = format!("{:#}", Options::parse(words).unwrap_err());
            assert!(error.contains(expected), "{error}");
        };
        check(&["--clients"], "needs a number");
        check(&["--days", "x"], "not a number");
        check(&["--days", "1"], "at least two days");
        check(&["--what"], "--what");
    }

    #[test]
    fn what_was_measured_becomes_a_table() {
        let printed = r#"{"database": "SQLite", "clients": 5, "days": 2, "bytes": 3000000, "filled_seconds": 1.4,
            "rows": [{"what": "a page", "median_ms": 1.25, "longest_ms": 2.0}]}"#;
        let measured = serde_json::from_str(printed).unwrap();
        let options = Options { clients: 5, days: 2, debug: false, write: false };
        let text = tables(&[measured], &options, "a machine");
        assert!(text.contains("SQLite: 5 clients, 2 days; filled in 1 s, 3 MB."), "{text}");
        assert!(text.contains("| a page | 1.2 | 2.0 |"), "{text}");
    }

    #[test]
    fn the_page_has_a_measured_part() {
        page::assert_measured(PAGE);
    }
}
