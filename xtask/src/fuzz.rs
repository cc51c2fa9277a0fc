//! `cargo xtask fuzz`: deltas broken in every way, and files of any kind, within bounds.
//!
//! The targets are in `crates/delta/fuzz`. They are built with the fuzzer's instruments, debug assertions and overflow checks by
//! the stable compiler, begin with a corpus that is made of real releases, and what is found is kept under `target`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::command::{cargo, output, run, target_folder, workspace_root};
use crate::steps::Steps;
use crate::tools;

const USAGE: &str =
    "`fuzz` knows --seconds S and --seed N, or TARGET INPUT, where TARGET is `decode` or `round_trip`";

/// Targets and how many inputs each tries without `--seconds`: together about 70 seconds of one processor.
const TARGETS: [(&str, u32); 2] = [("decode", 8000), ("round_trip", 400)];

/// Seconds after which a target ends without `--seconds`, whatever it has tried: a slow machine tries less.
const SECONDS_MAX: u32 = 300;
/// Seconds of one input that are a hang: it takes some milliseconds.
const HANG_SECONDS: u32 = 60;
/// Memory of a target, in MiB: the fuzzer and its corpus take about 40 beside the 56 that decoding may take.
const MEMORY_MAX_MIB: u32 = 160;

/// The options of `cargo xtask fuzz`.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Seconds for each target.
    seconds: Option<u32>,
    /// Selects the sequence of inputs that is tried.
    seed: Option<u32>,
    /// A target and the one input that it is run with.
    again: Option<(String, PathBuf)>,
}

impl Options {
    /// From the words after `fuzz`.
    pub fn parse(words: &[&str]) -> Result<Self> {
        let mut options = Self::default();
        if let [target, input] = words
            && TARGETS.iter().any(|(name, _)| name == target)
        {
            let input = std::path::absolute(input)?;
            options.again = Some(((*target).to_owned(), input));
            return Ok(options);
        }
        for pair in words.chunks(2) {
            match *pair {
                ["--seconds", number] => options.seconds = Some(number.parse().context(USAGE)?),
                ["--seed", number] => options.seed = Some(number.parse().context(USAGE)?),
                _ => bail!(USAGE),
            }
        }
        Ok(options)
    }
}

/// Builds the targets and runs them.
pub fn fuzz(steps: &mut Steps, options: &Options) -> Result<()> {
    let folder = target_folder(&workspace_root()).join("fuzz");
    steps.run("fuzz: build", || {
        tools::ensure_cargo_fuzz()?;
        let targets = ["fuzz", "build", "--fuzz-dir", "crates/delta/fuzz", "--sanitizer", "none"];
        run(cargo(&targets).arg("--target-dir").arg(&folder))
    })?;
    let programs = folder.join(host()?).join("release");
    if let Some((target, input)) = &options.again {
        return steps.run("fuzz: again", || run(Command::new(programs.join(target)).arg(input)));
    }
    let corpus = folder.join("corpus");
    steps.run("fuzz: corpus", || make_corpus(&corpus))?;
    for (target, runs) in TARGETS {
        steps.run(&format!("fuzz: {target}"), || {
            let mut command = Command::new(programs.join(target));
            command.arg(corpus.join(target)).args(bounds(options, runs));
            watched(command, target, &folder)
        })?;
    }
    Ok(())
}

/// How long a target runs, and what of one input is a finding.
fn bounds(options: &Options, runs: u32) -> Vec<String> {
    let mut bounds = vec![
        format!("-seed={}", options.seed.unwrap_or(1)),
        format!("-max_total_time={}", options.seconds.unwrap_or(SECONDS_MAX)),
        format!("-timeout={HANG_SECONDS}"),
        format!("-rss_limit_mb={MEMORY_MAX_MIB}"),
    ];
    if options.seconds.is_none() {
        bounds.push(format!("-runs={runs}"));
    }
    bounds
}

/// Makes the corpus again, so that a seed gives the same inputs.
fn make_corpus(corpus: &Path) -> Result<()> {
    if corpus.exists() {
        fs::remove_dir_all(corpus).with_context(|| format!("remove {}", corpus.display()))?;
    }
    let mut command = cargo(&["run", "--quiet", "--package", "headwater-delta", "--example", "corpus", "--"]);
    command.arg(corpus);
    match std::env::var_os("HEADWATER_FEEDS") {
        Some(series) => drop(command.arg(series)),
        None => println!("  of made-up files alone; HEADWATER_FEEDS=DIR takes real releases too"),
    }
    run(&mut command)
}

/// Runs a target to its end; a finding is an error with its input and how to run it again.
fn watched(mut command: Command, target: &str, folder: &Path) -> Result<()> {
    let findings = folder.join("findings");
    fs::create_dir_all(&findings).with_context(|| format!("make {}", findings.display()))?;
    let log = folder.join(format!("{target}.log"));
    let file = File::create(&log).with_context(|| format!("write {}", log.display()))?;
    command.arg(format!("-artifact_prefix={}/{target}-", findings.display()));
    // Otherwise glibc keeps more and more of what was freed, and the bound on memory would not be that of one input.
    command.env("MALLOC_MMAP_THRESHOLD_", "131072");
    command.env("RUST_BACKTRACE", "1").stdout(file.try_clone()?).stderr(file);
    println!("  $ {}", format!("{command:?}").replace('"', ""));
    let status = command.status().with_context(|| format!("`{target}` could not be started"))?;
    let log_bytes = fs::read(&log).with_context(|| format!("read {}", log.display()))?;
    let outcome = Outcome::parse(&String::from_utf8_lossy(&log_bytes));
    println!("  {}", outcome.progress);
    if status.success() {
        return Ok(());
    }
    let again = match &outcome.input {
        Some(input) => format!("the input is {input}; to run it again: cargo xtask fuzz {target} {input}"),
        None => "it wrote no input".to_owned(),
    };
    bail!("`{target}` found: {}\n  {again}\n  the whole log is {}", outcome.finding, log.display());
}

/// What matters of a target's log.
#[derive(Debug, Default, PartialEq, Eq)]
struct Outcome {
    /// Progress: inputs, and parts of the code that they reached.
    progress: String,
    /// What it found.
    finding: String,
    /// The file with the input that caused it.
    input: Option<String>,
}

impl Outcome {
    fn parse(log: &str) -> Self {
        let mut outcome = Self::default();
        let mut lines = log.lines().peekable();
        while let Some(line) = lines.next() {
            if line.starts_with('#') && line.contains("cov: ") {
                outcome.progress = line.split_whitespace().collect::<Vec<_>>().join(" ");
            } else if line.contains("panicked at ") {
                let why = lines.peek().copied().unwrap_or_default();
                outcome.finding = format!("{line} {why}");
            } else if line.contains("ERROR: libFuzzer: ") && outcome.finding.is_empty() {
                outcome.finding = line.to_owned();
            } else if let Some((_, input)) = line.split_once("Test unit written to ") {
                outcome.input = Some(input.to_owned());
            }
        }
        outcome
    }
}

/// The machine that the compiler builds for.
fn host() -> Result<String> {
    let version = output(Command::new("rustc").arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("`rustc -vV` names no host")?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{Options, Outcome};

    #[test]
    fn a_finding_comes_with_its_input() {
        let log = "\
#38	INITED cov: 1288 ft: 2873 corp: 36/360Kb exec/s: 38 rss: 49Mb
#99	NEW    cov: 1290 ft: 2875 corp: 37/360Kb
thread '<unnamed>' (31921) panicked at fuzz_targets/decode.rs:35:70:
another file came of it
==31921== ERROR: libFuzzer: deadly signal
artifact_prefix='findings/decode-'; Test unit written to findings/decode-crash-5022
";
        let expected = Outcome {
            progress: "#99 NEW cov: 1290 ft: 2875 corp: 37/360Kb".to_owned(),
            finding:
                "thread '<unnamed>' (31921) panicked at fuzz_targets/decode.rs:35:70: another file came of it"
                    .to_owned(),
            input: Some("findings/decode-crash-5022".to_owned()),
        };
        assert_eq!(Outcome::parse(log), expected);
        let hang = "ALARM: working on the last Unit for 61 seconds\n==1== ERROR: libFuzzer: timeout after 61 seconds\n";
        assert_eq!(Outcome::parse(hang).finding, "==1== ERROR: libFuzzer: timeout after 61 seconds");
    }

    #[test]
    fn words_are_bounds_or_one_input() {
        let check = |words: &[&str], understood: bool| {
            assert_eq!(Options::parse(words).is_ok(), understood, "{words:?}");
        };
        check(&[], true);
        check(&["--seconds", "60", "--seed", "7"], true);
        check(&["decode", "findings/decode-crash-5022"], true);
        check(&["--seconds"], false);
        check(&["--seconds", "soon"], false);
        check(&["encode", "findings/decode-crash-5022"], false);
    }
}
