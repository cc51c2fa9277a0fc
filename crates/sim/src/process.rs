//! Programs on hosts: found, started, waited for, ended.
//!
//! A program's output goes to a log file, so that a failing scenario can show it. Dropping a [`Process`] kills that
//! process by its own id, nothing else.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::limits::{COMMAND_WAIT_MAX, LOG_LINES_SHOWN_MAX};
use crate::wait;

/// A running program.
#[derive(Debug)]
pub struct Process {
    child: Child,
    name: String,
    log: PathBuf,
}

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit status; `None` if a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to stdout.
    pub stdout: String,
}

/// One of our own programs, from beside the test's executable.
///
/// # Errors
/// It was not built.
pub fn program(name: &str) -> Result<PathBuf> {
    let test = std::env::current_exe().context("where the test's executable lies")?;
    let found = test.ancestors().skip(1).take(2).map(|folder| folder.join(name)).find(|path| path.is_file());
    found.with_context(|| {
        format!("`{name}` is not beside {}; run `cargo build --workspace --bins` first", test.display())
    })
}

impl Process {
    /// Starts a program; stdout and stderr are appended to `log`.
    ///
    /// # Errors
    /// The log cannot be opened or the program not be started.
    pub fn start(name: &str, mut command: Command, log: &Path) -> Result<Self> {
        let output = append_to(log)?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let child = command.spawn().with_context(|| format!("cannot start {name}: {command:?}"))?;
        Ok(Self { child, name: name.to_owned(), log: log.to_owned() })
    }

    /// Fails if the program has ended.
    ///
    /// # Errors
    /// It has.
    pub fn check_running(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("{} ended with {status}:\n{}", self.name, tail(&self.log)),
        }
    }

    /// SIGKILL, now.
    pub fn kill(&mut self) {
        // An error means that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// It has not ended within `limit`.
    pub fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        let what = format!("the end of {}", self.name);
        wait::until(&what, limit, || Ok(self.child.try_wait()?))
    }

    /// Has it ended?
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Runs a command to its end, for at most [`COMMAND_WAIT_MAX`]; stderr is appended to `log`.
///
/// # Errors
/// As [`run_within`].
pub fn run(name: &str, command: Command, log: &Path) -> Result<Ended> {
    run_within(COMMAND_WAIT_MAX, name, command, log)
}

/// [`run`] with another limit.
///
/// # Errors
/// It cannot be started, or takes longer than `limit`.
pub fn run_within(limit: Duration, name: &str, mut command: Command, log: &Path) -> Result<Ended> {
    let output = tempfile::NamedTempFile::new()?;
    command.stdin(Stdio::null()).stdout(output.reopen()?).stderr(append_to(log)?);
    let child = command.spawn().with_context(|| format!("cannot start {name}: {command:?}"))?;
    let mut process = Process { child, name: name.to_owned(), log: log.to_owned() };
    let status = process.wait(limit)?;
    Ok(Ended { code: status.code(), stdout: std::fs::read_to_string(output.path())? })
}

/// The end of a log.
pub fn tail(log: &Path) -> String {
    let text =
        std::fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LOG_LINES_SHOWN_MAX)..].join("\n")
}

fn append_to(log: &Path) -> Result<File> {
    File::options()
        .create(true)
        .append(true)
        .open(log)
        .with_context(|| format!("cannot open {}", log.display()))
}
