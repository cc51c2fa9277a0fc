//! Which deltas of a series the server would keep, and what clients then fetch.
//!
//! The example `selection` of `headwater-repo` decides it, by the server's own code, from the sizes.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::series::RELEASES_BEHIND;
use super::summary::{Age, Results, expected_bytes, share};
use crate::tools;

/// Clients of a population: enough that the server weighs them, and not what it expects where there are none.
const CLIENTS: f64 = 1e6;

/// A series as the server would serve it to one population.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// The series.
    pub series: String,
    /// Share of the clients one release behind.
    pub p: f64,
    /// Bytes of all deltas that it keeps.
    pub stored: u64,
    /// Bytes of all straight deltas.
    pub stored_straight: u64,
    /// How many releases it leads from straight to the newest.
    pub straight: usize,
    /// What a client fetches on average.
    pub expected: f64,
    /// The same, were every delta a straight one.
    pub expected_straight: f64,
}

/// The program that decides.
pub struct Chooser {
    program: PathBuf,
}

impl Chooser {
    /// Builds it.
    pub fn new() -> Result<Self> {
        Ok(Self { program: tools::example("headwater-repo", "selection", tools::Profile::Debug)? })
    }

    /// Of every series with all its hops measured, for each population.
    pub fn choices(&self, results: &Results, populations: &[f64]) -> Result<Vec<Choice>> {
        let mut choices = Vec::new();
        for series in results.series() {
            let Some((body, ages)) = results.ages(series) else { continue };
            for p in populations {
                choices.push(choose(&self.program, series, body, &ages, *p)?);
            }
        }
        Ok(choices)
    }
}

fn choose(program: &Path, series: &str, body: u64, ages: &[Age], p: f64) -> Result<Choice> {
    let line = |(behind, age): (usize, &Age)| {
        format!("{} {} {}\n", (CLIENTS * share(p, behind + 1)) as u64, age.straight, age.hop)
    };
    let input: String = ages.iter().enumerate().map(line).collect();
    let mut command = Command::new(program);
    command.arg(body.to_string());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    child.stdin.take().context("no standard input")?.write_all(input.as_bytes())?;
    let output = child.wait_with_output()?;
    if !output.status.success() {
        bail!("`{}` ended with {}", program.display(), output.status);
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let (stored, paths) =
        read(&text).with_context(|| format!("unexpected output of `{}`: `{text}`", program.display()))?;
    let all_straight =
        ages.iter().enumerate().map(|(behind, age)| (behind + 1, age.straight as f64)).collect();
    let sizes = paths.iter().enumerate().map(|(behind, (bytes, _))| (behind + 1, *bytes as f64)).collect();
    Ok(Choice {
        series: series.to_owned(),
        p,
        stored,
        stored_straight: ages.iter().map(|age| age.straight).sum(),
        straight: paths.iter().filter(|(_, hops)| *hops == 1).count(),
        expected: expected_bytes(&sizes, p).context("no release")?,
        expected_straight: expected_bytes(&all_straight, p).context("no release")?,
    })
}

/// Bytes that are stored, and for each age bytes and hops.
fn read(text: &str) -> Option<(u64, Vec<(u64, u64)>)> {
    let numbers =
        |line: &str| line.split_whitespace().map(|word| word.parse().ok()).collect::<Option<Vec<_>>>();
    let lines = text.lines().map(numbers).collect::<Option<Vec<_>>>()?;
    let (stored, paths) = lines.split_last()?;
    let paths =
        paths.iter().map(|path| if let [bytes, hops] = path[..] { Some((bytes, hops)) } else { None });
    let ([stored], paths) = (stored.as_slice(), paths.collect::<Option<Vec<_>>>()?) else { return None };
    (paths.len() == RELEASES_BEHIND).then_some((*stored, paths))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_output_is_parsed() {
        let text = "10 1\n".repeat(RELEASES_BEHIND) + "140\n";
        assert_eq!(read(&text), Some((140, vec![(10, 1); RELEASES_BEHIND])));
        assert_eq!(read("10 1\n140\n"), None);
        assert_eq!(read(&"10\n".repeat(RELEASES_BEHIND + 1)), None);
    }
}
