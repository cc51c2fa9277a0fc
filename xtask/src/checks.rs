//! The steps of `test`, `lint` and `ci`: what is run, and in which order.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::command::{cargo, run, target_folder, workspace_root};
use crate::postgres::Postgres;
use crate::steps::Steps;
use crate::{fuzz, tidy, tools};

/// The second database: what is tested and linted has it, what is delivered does not.
const POSTGRES: &str = "headwater-database/postgres";

/// The options of `cargo xtask test`.
#[derive(Default)]
pub struct TestOptions {
    quick: bool,
    full: bool,
}

impl TestOptions {
    /// From the words after `test`.
    pub fn parse(flags: &[&str]) -> Result<Self> {
        let mut options = Self::default();
        for flag in flags {
            match *flag {
                "--quick" => options.quick = true,
                "--full" => options.full = true,
                other => bail!("`test` knows --quick and --full, not `{other}`"),
            }
        }
        Ok(options)
    }
}

/// Format, the project's own rules, lints, the pages of the reference, licences and bans.
pub fn lint(steps: &mut Steps) -> Result<()> {
    steps.run("format", || {
        let mut command = cargo(&["fmt", "--all", "--check"]);
        run(&mut command).context("run `cargo fmt --all`")
    })?;
    steps.run("tidy", tidy::check_workspace)?;
    steps.run("clippy", || {
        run(&mut cargo(&[
            "clippy",
            "--workspace",
            "--all-targets",
            "--features",
            POSTGRES,
            "--",
            "-D",
            "warnings",
        ]))
    })?;
    steps.run("reference", || reference(&["--check"]))?;
    steps.run("licences and bans", || {
        tools::ensure_cargo_deny()?;
        run(&mut cargo(&["deny", "check", "bans", "licenses", "sources"]))
    })
}

/// Writes the reference of both programs from what their command lines define.
pub fn write_reference() -> Result<()> {
    reference(&[])
}

/// `headwater reference` on docs/reference. It is a step of its own, because `tidy` reads files and compiles nothing. The
/// program is built as `test` builds it, so that nothing is compiled twice.
fn reference(flags: &[&str]) -> Result<()> {
    run(&mut cargo(&["build", "--quiet", "--workspace", "--bin", "headwater"]))?;
    let root = workspace_root();
    let mut command = Command::new(target_folder(&root).join("debug/headwater"));
    run(command.args(["reference", "docs/reference"]).args(flags).current_dir(root))
}

/// Everything that is built, then every test, then what the fuzzer finds in its time.
pub fn test(steps: &mut Steps, options: &TestOptions) -> Result<()> {
    let root = workspace_root();
    let mut python = None;
    steps.run("tools", || {
        if !options.quick {
            tools::ensure_host_tools();
        }
        tools::ensure_nextest()?;
        python = match tools::ensure_python(&root) {
            Ok(python) => Some(python),
            Err(error) if options.quick => {
                eprintln!("  {error:#}; the tests with python-tuf and schemathesis are skipped");
                None
            }
            Err(error) => return Err(error),
        };
        Ok(())
    })?;
    steps.run("build", || {
        run(&mut cargo(&["build", "--workspace", "--bins", "--examples"]))?;
        // The README's `cargo run -- demo` names no program: it must find the right one.
        run(cargo(&["run", "--quiet", "--", "demo", "--help"]).stdout(Stdio::null()))
    })?;
    steps.run("tests", || {
        let profile = if options.quick { "quick" } else { "default" };
        let others = ["--workspace", "--exclude", "headwater-database"];
        let mut command = cargo(&["nextest", "run", "--no-fail-fast", "--profile", profile]);
        command.args(others);
        if let Some(python) = &python {
            command.env("HEADWATER_PYTHON", python);
            command.env("HEADWATER_SCHEMATHESIS", python.with_file_name("schemathesis"));
        }
        if options.full {
            command.env("HEADWATER_FULL", "1");
        }
        let result = run(&mut command);
        let record = fs::read_to_string(target_folder(&root).join("nextest").join(profile).join("junit.xml"));
        skipped(&record.unwrap_or_default()).iter().for_each(|(line, count)| println!("  {count} × {line}"));
        result
    })?;
    steps.run("tests of the database", test_database)?;
    if has_doc_tests(&root)? {
        steps.run("doc tests", || run(&mut cargo(&["test", "--workspace", "--doc"])))?;
    }
    if options.quick {
        return Ok(());
    }
    fuzz::fuzz(steps, &fuzz::Options::default())
}

/// The tests of the crate `database`, on SQLite and on PostgreSQL.
fn test_database() -> Result<()> {
    let mut command = cargo(&["nextest", "run", "--no-fail-fast", "--package", "headwater-database"]);
    command.args(["--features", POSTGRES]);
    let mut server = None;
    if std::env::var_os("HEADWATER_POSTGRES_URL").is_none() {
        match Postgres::start() {
            Ok(started) => {
                command.env("HEADWATER_POSTGRES_URL", started.address());
                server = Some(started);
            }
            Err(error) => println!("  SKIPPED: the tests on PostgreSQL: {error:#}"),
        }
    }
    let result = run(&mut command);
    drop(server);
    result
}

/// Why tests skipped themselves, and how many for each reason: lines with `SKIPPED:` in nextest's record.
fn skipped(record: &str) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for line in record.lines() {
        let Some(at) = line.find("SKIPPED:") else { continue };
        let reason = line[at..].split("</system-").next().unwrap_or_default();
        let plain = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")];
        let reason =
            plain.iter().fold(reason.to_owned(), |text, (escaped, plain)| text.replace(escaped, plain));
        *counts.entry(reason).or_default() += 1;
    }
    counts
}

/// Whether there is code in a doc comment. Without any, building the documentation tests of every crate is a waste of time.
fn has_doc_tests(root: &Path) -> Result<bool> {
    for member in tidy::members()?.iter().filter(|member| member.has_library) {
        let sources = tidy::sources(&root.join(&member.folder).join("src"))?;
        if sources.iter().any(|source| has_doc_test(&source.text)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A fence that opens with no language, or with rustdoc's own words, is a test; `text` and other languages are not.
fn has_doc_test(text: &str) -> bool {
    let mut inside = false;
    for line in text.lines() {
        let comment = line.trim_start().strip_prefix("///").or_else(|| line.trim_start().strip_prefix("//!"));
        let Some(fence) = comment.and_then(|comment| comment.trim().strip_prefix("```")) else { continue };
        if !inside && ["", "rust", "no_run", "should_panic"].contains(&fence) {
            return true;
        }
        inside = !inside;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::{has_doc_test, skipped};

    #[test]
    fn the_reasons_of_skipped_tests_are_found() {
        let record = "<system-err>SKIPPED: no &apos;tuf&apos;</system-err>\n<system-err>SKIPPED: no hosts\nSKIPPED: no hosts</system-err>\nSkipped\n";
        let found: Vec<_> = skipped(record).into_iter().collect();
        assert_eq!(found, [("SKIPPED: no 'tuf'".to_owned(), 1), ("SKIPPED: no hosts".to_owned(), 2)]);
    }

    #[test]
    fn only_code_in_doc_comments_is_a_doc_test() {
        let check = |text: &str, expected: bool| assert_eq!(has_doc_test(text), expected, "{text}");
        check("/// ```\n/// assert!(true);\n/// ```\n", true);
        check("//! ```no_run\n//! ```\n", true);
        check("/// ```text\n/// a picture\n/// ```\n", false);
        check("let fence = \"```\";\n", false);
    }
}
