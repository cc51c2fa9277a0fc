//! `cargo xtask bench build`: what a release build from nothing costs, and a debug build after a change.
//!
//! Steps: build `headwater` for release in an empty target folder with `wrapper` between cargo and the compiler, then
//! touch a file of the server and build again for debugging in the usual target folder. `report` renders the tables.

mod cpu;
mod report;
pub mod wrapper;

use std::fs::{self, File};
use std::path::Path;
use std::time::{Instant, SystemTime};

use anyhow::{Context, Result, bail};

use self::report::{Measured, Release};
use crate::bench::page::{self, machine, processes};
use crate::command::{cargo, run as run_command, target_folder, workspace_root};

/// The page whose measured part `--write` replaces.
const PAGE: &str = "docs/benchmarks/build.md";
/// What is built: the program of the README's demo.
const PROGRAM: [&str; 5] = ["build", "--package", "headwater-cli", "--bin", "headwater"];
/// The file that is touched: its crate is compiled again, and all that use it.
const TOUCHED: &str = "crates/server/src/lib.rs";

/// What a run measures, and where its results go.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Only the debug build after a change.
    only_rebuild: bool,
    /// Only this package, for release, in the usual target folder.
    package: Option<String>,
    write: bool,
}

impl Options {
    /// From the words after `bench build`.
    pub fn parse(words: &[&str]) -> Result<Self> {
        let mut options = Self::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match *word {
                "--write" => options.write = true,
                "--only-rebuild" => options.only_rebuild = true,
                "--package" => {
                    let name = words.next().context("`--package` needs a name, as headwater-server")?;
                    options.package = Some((*name).to_owned());
                }
                other => bail!("`bench build` does not know `{other}`"),
            }
        }
        if options.write && (options.only_rebuild || options.package.is_some()) {
            bail!("`--write` replaces all figures of the page: it needs a whole run");
        }
        Ok(options)
    }
}

/// Measures and renders.
pub fn run(options: &Options) -> Result<()> {
    if let Some(package) = &options.package {
        return one_package(package);
    }
    let mut measured = Measured::default();
    let mut busy = Vec::new();
    if !options.only_rebuild {
        measured.release = Some(release()?);
        busy.extend(processes());
    }
    measured.rebuild = Some(rebuild()?);
    busy.extend(processes());
    let tables = report::tables(&measured, &machine(&busy));
    println!("\n{tables}");
    if options.write {
        page::write_measured(PAGE, &tables)?;
    }
    Ok(())
}

/// A release build in an empty target folder, which is removed again.
fn release() -> Result<Release> {
    let folder = target_folder(&workspace_root()).join("bench-build");
    remove(&folder)?;
    let target = folder.join("target");
    fs::create_dir_all(&target).with_context(|| format!("make {}", target.display()))?;
    let log = folder.join("rustc.log");
    // Sources are fetched before the clock starts.
    run_command(&mut cargo(&["fetch", "--locked"]))?;
    let (started, before) = (Instant::now(), cpu::children()?);
    run_command(
        cargo(&PROGRAM)
            .args(["--release", "--locked", "--offline"])
            .env("CARGO_TARGET_DIR", &target)
            .env("RUSTC_WRAPPER", std::env::current_exe()?)
            .env(wrapper::LOG, &log),
    )?;
    let (wall, cpu) = (started.elapsed().as_secs_f64(), cpu::children()? - before);
    let size = fs::metadata(target.join("release/headwater")).context("the program was built")?.len();
    let packages = wrapper::read(&log)?;
    remove(&folder)?;
    Ok(Release { cpu, wall, size, packages })
}

/// Seconds of a debug build after a file was touched; what was not built before is built first.
fn rebuild() -> Result<f64> {
    run_command(&mut cargo(&PROGRAM))?;
    let touched = workspace_root().join(TOUCHED);
    let file = File::options().write(true).open(&touched).with_context(|| format!("open {TOUCHED}"))?;
    file.set_modified(now()).with_context(|| format!("touch {TOUCHED}"))?;
    let started = Instant::now();
    run_command(&mut cargo(&PROGRAM))?;
    Ok(started.elapsed().as_secs_f64())
}

/// What the compiler takes for one package for release, in the usual target folder: for trying settings.
fn one_package(package: &str) -> Result<()> {
    let folder = target_folder(&workspace_root()).join("bench-build");
    let log = folder.join("rustc.log");
    fs::create_dir_all(&folder)?;
    let build = |extra: &[&str]| {
        let mut command = cargo(&["build", "--release", "--lib", "--package", package]);
        command.args(extra).env("RUSTC_WRAPPER", std::env::current_exe()?).env(wrapper::LOG, &log);
        run_command(&mut command)
    };
    build(&[])?;
    run_command(&mut cargo(&["clean", "--release", "--package", package]))?;
    remove_file(&log)?;
    build(&[])?;
    for (name, cost) in wrapper::read(&log)? {
        println!("{name}: {:.1} CPU s, {:.1} s on the clock", cost.cpu, cost.wall);
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a file is touched, and nothing is decided by the time")]
fn now() -> SystemTime {
    SystemTime::now()
}

fn remove(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("remove {}", folder.display()))?;
    }
    Ok(())
}

fn remove_file(path: &Path) -> Result<()> {
    if path.exists() {
        fs::remove_file(path).with_context(|| format!("remove {}", path.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_parsed_or_named() {
        let expected = Options { write: true, ..Options::default() };
        assert_eq!(Options::parse(&["--write"]).unwrap(), expected);
        let check = |words: &[&str], expected: &str| {
            let error = Options::parse(words).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        };
        check(&["--package"], "needs a name");
        check(&["--what"], "--what");
        check(&["--only-rebuild", "--write"], "whole run");
    }

    #[test]
    fn the_page_has_a_measured_part() {
        page::assert_measured(PAGE);
    }
}
