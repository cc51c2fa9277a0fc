//! The project's own commands: `cargo xtask test`, `ci`, `tidy`, `reference`, `fuzz` and `bench`.
//!
//! Each command is a list of named steps, each timed; the first that fails ends the run with what to do about it.
//! `tools` installs what a step needs and the machine does not have.

mod bench;
mod checks;
mod command;
mod fuzz;
mod postgres;
mod steps;
mod tidy;
mod tools;

use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::steps::Steps;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  test [--quick] [--full]  build everything, run every test, then `fuzz`; --quick leaves out the tests between hosts and `fuzz`,
                           --full runs the whole of HEADWATER_FEEDS where a test would take a part of it
  ci                       format, lints, tidy, licences and bans, test
  lint                     what `ci` runs before the tests
  tidy                     the project's own rules: dependency table, import circles, lengths, headers, words
  tidy words [FOLDER]      banned words: how many each crate has, or where they are in a folder
  reference                writes docs/reference, the command lines as Markdown; `lint` checks that it is current
  fuzz [--seconds S] [--seed N]
                           broken deltas of real releases, and pairs of files: none may give a panic, a hang or a wrong file;
                           without --seconds (for each target) as many as `test` tries, --seed tries others
  fuzz TARGET INPUT        one input again, as a finding names it
  bench deltas --data DIR [--series a,b] [--distances 1,2,5,14] [--peers x,y] [--json FILE] [--reuse FILE [--only-reuse]] [--hops] [--write]
                           our deltas beside other tools: bytes, CPU time, memory; DIR has a folder for each series and
                           in it a file for each release. --hops: also ours between neighbours, and which of all of them a
                           server would choose. --json keeps the rows, --reuse takes those that are still true
                           (--only-reuse: and measures nothing), --write writes the tables and the chart of docs/benchmarks
  bench build [--only-rebuild] [--package NAME] [--write]
                           a release build of `headwater` from nothing, and a debug build after a change: seconds, CPU
                           seconds, of each package too; --write replaces the figures of docs/benchmarks/build.md.
                           --package: what one package takes for release, in the usual target folder
  bench database [--clients N] [--days N] [--debug] [--write]
                           what a server asks of the database of a large fleet, on SQLite and on the empty PostgreSQL that
                           HEADWATER_POSTGRES_URL names; --write replaces the figures of docs/benchmarks/database.md

environment:
  HEADWATER_FEEDS               folder with real series: each folder a component, each file in it a release
  HEADWATER_POSTGRES_URL        a PostgreSQL for the tests of the database, instead of one that `test` starts
  HEADWATER_REQUIRE_NAMESPACES  1: a machine that may not make network namespaces fails instead of skipping";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(compiled) = bench::build::wrapper::run(&arguments) {
        return compiled.map_or_else(|error| failure(&error), ExitCode::from);
    }
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failure(&error),
    }
}

fn failure(error: &anyhow::Error) -> ExitCode {
    eprintln!("xtask: {error:#}");
    ExitCode::FAILURE
}

fn run(arguments: &[String]) -> Result<()> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut steps = Steps::default();
    match words.as_slice() {
        ["tidy"] => steps.run("tidy", tidy::check_workspace),
        ["tidy", "words"] => steps.run("words", || tidy::show_words(None)),
        ["tidy", "words", folder] => steps.run("words", || tidy::show_words(Some(folder))),
        ["reference"] => steps.run("reference", checks::write_reference),
        ["lint"] => checks::lint(&mut steps),
        ["ci"] => {
            checks::lint(&mut steps)?;
            checks::test(&mut steps, &checks::TestOptions::default())
        }
        ["test", flags @ ..] => checks::test(&mut steps, &checks::TestOptions::parse(flags)?),
        ["fuzz", words @ ..] => fuzz::fuzz(&mut steps, &fuzz::Options::parse(words)?),
        ["bench", "deltas", words @ ..] => {
            let options = bench::deltas::Options::parse(words)?;
            steps.run("bench deltas", || bench::deltas::run(&options))
        }
        ["bench", "build", words @ ..] => {
            let options = bench::build::Options::parse(words)?;
            steps.run("bench build", || bench::build::run(&options))
        }
        ["bench", "database", words @ ..] => {
            let options = bench::database::Options::parse(words)?;
            steps.run("bench database", || bench::database::run(&options))
        }
        _ => bail!("unknown command `{}`\n{USAGE}", words.join(" ")),
    }?;
    steps.summary();
    Ok(())
}
