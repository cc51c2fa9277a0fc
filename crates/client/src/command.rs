//! Runs hooks and install commands with a time limit, a small environment and bounded output.
//!
//! The command starts in the given folder, in a process group of its own. At the limit the whole group is killed. Its
//! environment is `PATH`, `LANG=C.UTF-8` and what the caller adds; nothing is inherited.

use std::collections::VecDeque;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, Command};

use crate::limits::{COMMAND_OUTPUT_BYTES_MAX, COMMAND_TIME_MAX};
use crate::os;

/// Where commands are looked for.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// How a command ended, with its output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandOutcome {
    /// How it ended.
    pub end: CommandEnd,
    /// The end of what it wrote, both streams, at most [`COMMAND_OUTPUT_BYTES_MAX`] bytes.
    pub output: String,
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandEnd {
    /// Exit status 0.
    Succeeded,
    /// Another exit status; `None` if a signal ended it.
    Failed(Option<i32>),
    /// It was killed at the time limit, in seconds.
    TimedOut(u64),
    /// It could not be started.
    NotStarted,
}

impl CommandOutcome {
    /// Whether it succeeded.
    pub fn succeeded(&self) -> bool {
        self.end == CommandEnd::Succeeded
    }
}

impl std::fmt::Display for CommandOutcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.end {
            CommandEnd::Succeeded => write!(f, "succeeded")?,
            CommandEnd::Failed(Some(status)) => write!(f, "ended with status {status}")?,
            CommandEnd::Failed(None) => write!(f, "was ended by a signal")?,
            CommandEnd::TimedOut(seconds) => write!(f, "was stopped after its limit of {seconds} s")?,
            CommandEnd::NotStarted => write!(f, "could not be started")?,
        }
        if self.output.is_empty() { Ok(()) } else { write!(f, ": {}", self.output) }
    }
}

/// Runs `command` in `folder` for at most `limit`.
///
/// A program name with a `/` in it is taken from `folder` if it is relative.
pub async fn run(
    command: &[String],
    folder: &Path,
    variables: &[(&str, String)],
    limit: Duration,
) -> CommandOutcome {
    let limit = limit.min(COMMAND_TIME_MAX);
    let Some((program, arguments)) = command.split_first() else {
        return not_started("the command is empty");
    };
    let program = if program.contains('/') { folder.join(program) } else { program.into() };
    let mut prepared = Command::new(&program);
    prepared
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("PATH", PATH)
        .env("LANG", "C.UTF-8")
        .envs(variables.iter().map(|(name, value)| (*name, value.as_str())))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let mut child = match os::in_own_process_group(&mut prepared).spawn() {
        Ok(child) => child,
        Err(error) => return not_started(&format!("{}: {error}", program.display())),
    };
    let group = GroupGuard::new(&child);
    let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
        return not_started("its output cannot be read");
    };
    let mut tails = (Tail::default(), Tail::default());
    let finished = {
        let (out, err) = &mut tails;
        // The reads end only when every process that holds the pipes has ended, so what the command left running in the
        // background counts as the command.
        let all = async {
            let (status, (), ()) = tokio::join!(child.wait(), out.read(stdout), err.read(stderr));
            status
        };
        tokio::time::timeout(limit, all).await
    };
    let end = match finished {
        Ok(Ok(status)) if status.success() => CommandEnd::Succeeded,
        Ok(Ok(status)) => CommandEnd::Failed(status.code()),
        Ok(Err(_)) => CommandEnd::Failed(None),
        Err(_) => CommandEnd::TimedOut(limit.as_secs()),
    };
    drop(group);
    if matches!(end, CommandEnd::TimedOut(_)) {
        let _ = child.wait().await;
    }
    CommandOutcome { end, output: joined(&tails.0, &tails.1) }
}

/// Kills the group when dropped, so that nothing outlives a cancelled run.
pub(crate) struct GroupGuard(Option<u32>);

impl GroupGuard {
    /// The group of a child that leads its own.
    pub(crate) fn new(leader: &Child) -> Self {
        Self(leader.id())
    }
}

impl Drop for GroupGuard {
    fn drop(&mut self) {
        if let Some(leader) = self.0 {
            os::kill_process_group(leader);
        }
    }
}

/// The end of a stream of any length.
#[derive(Default)]
pub(crate) struct Tail {
    bytes: VecDeque<u8>,
}

impl Tail {
    async fn read(&mut self, mut stream: impl AsyncRead + Unpin) {
        let mut chunk = [0; 4096];
        while let Ok(count @ 1..) = stream.read(&mut chunk).await {
            self.bytes.extend(&chunk[..count]);
            let excess = self.bytes.len().saturating_sub(COMMAND_OUTPUT_BYTES_MAX / 2);
            self.bytes.drain(..excess);
        }
    }

    /// As [`Tail::read`], if there is a stream.
    pub(crate) async fn read_some(&mut self, stream: Option<impl AsyncRead + Unpin>) {
        if let Some(stream) = stream {
            self.read(stream).await;
        }
    }

    pub(crate) fn text(&self) -> String {
        let bytes: Vec<u8> = self.bytes.iter().copied().collect();
        String::from_utf8_lossy(&bytes).trim().to_owned()
    }
}

fn joined(stdout: &Tail, stderr: &Tail) -> String {
    let (stdout, stderr) = (stdout.text(), stderr.text());
    match (stdout.is_empty(), stderr.is_empty()) {
        (_, true) => stdout,
        (true, false) => stderr,
        (false, false) => format!("{stdout}\n{stderr}"),
    }
}

fn not_started(why: &str) -> CommandOutcome {
    CommandOutcome { end: CommandEnd::NotStarted, output: why.to_owned() }
}
