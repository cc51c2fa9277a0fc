//! Between cargo and rustc: runs the compiler and writes down what each crate took.
//!
//! Cargo calls a `RUSTC_WRAPPER` with the compiler and its arguments. `xtask` is that program itself: where the variable
//! [`LOG`] is set, it does nothing else.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result};

use super::cpu;

/// Names the file that lines are added to.
pub const LOG: &str = "HEADWATER_RUSTC_LOG";

/// What the compiler took for one package: its library, its programs and its build script together.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Cost {
    /// CPU seconds.
    pub cpu: f64,
    /// Seconds on the clock, beside whatever else was compiled.
    pub wall: f64,
}

/// Runs the compiler if this process was started as the wrapper; its exit code.
pub fn run(arguments: &[String]) -> Option<Result<u8>> {
    let log = std::env::var_os(LOG)?;
    Some(compile(Path::new(&log), arguments))
}

fn compile(log: &Path, arguments: &[String]) -> Result<u8> {
    let (compiler, rest) = arguments.split_first().context("a wrapper is called with the compiler's path")?;
    let started = Instant::now();
    let status = Command::new(compiler).args(rest).env_remove(LOG).status().context("run the compiler")?;
    let package = std::env::var("CARGO_PKG_NAME").unwrap_or_default();
    if !package.is_empty() {
        let line = format!("{package} {} {}\n", cpu::children()?, started.elapsed().as_secs_f64());
        // One short write in append mode: lines of two compilers do not mix.
        let mut file = OpenOptions::new().create(true).append(true).open(log)?;
        file.write_all(line.as_bytes())?;
    }
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}

/// Reads what was written down.
pub fn read(log: &Path) -> Result<BTreeMap<String, Cost>> {
    let text = fs::read_to_string(log).with_context(|| format!("read {}", log.display()))?;
    parse(&text).with_context(|| format!("{} has a line that is no measurement", log.display()))
}

fn parse(text: &str) -> Option<BTreeMap<String, Cost>> {
    let mut costs: BTreeMap<String, Cost> = BTreeMap::new();
    for line in text.lines() {
        let mut words = line.split(' ');
        let cost = costs.entry(words.next()?.to_owned()).or_default();
        cost.cpu += words.next()?.parse::<f64>().ok()?;
        cost.wall += words.next()?.parse::<f64>().ok()?;
    }
    Some(costs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_package_are_summed() {
        let costs = parse("a 1.5 1\nb 1 2\na 2.5 3\n").unwrap();
        assert_eq!(costs["a"], Cost { cpu: 4.0, wall: 4.0 });
        assert_eq!(costs.len(), 2);
        assert_eq!(parse("a 1.5\n"), None);
    }
}
