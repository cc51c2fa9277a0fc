//! The failure of a command: exit code, message, problems, hint.

use std::fmt;
use std::io;
use std::path::Path;

use serde_json::json;

/// Exit codes, the same in both programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// The command failed.
    Failed = 1,
    /// The input is not valid; nothing was done.
    BadInput = 2,
    /// Done in part.
    Partly = 3,
    /// The disk is full, or a file cannot be read or written.
    Disk = 4,
}

/// The failure of a command.
#[derive(Debug)]
pub struct Failure {
    /// The exit code of the process.
    pub exit: Exit,
    /// What failed, and why.
    pub message: String,
    /// The single problems of the input, if it has several.
    pub problems: Vec<String>,
    /// What to do about it; empty if the message says so.
    pub hint: String,
    /// The error code of the server, if it refused the request.
    pub code: Option<String>,
}

impl Failure {
    /// The input is not valid.
    pub fn bad_input(message: impl Into<String>) -> Self {
        Self::new(Exit::BadInput, message)
    }

    /// The command failed.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(Exit::Failed, message)
    }

    /// A file or folder cannot be read or written. A missing file is bad input; everything else is a problem of the disk
    /// or of permissions.
    pub fn file(doing: &str, path: &Path, error: &io::Error) -> Self {
        let message = format!("cannot {doing} {}: {error}", path.display());
        match error.kind() {
            io::ErrorKind::NotFound => Self::bad_input(message).with_hint("check the path"),
            io::ErrorKind::PermissionDenied => Self::new(Exit::Disk, message)
                .with_hint("check its owner and permissions, or run the command as another user"),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::new(Exit::Disk, message).with_hint("free space there, then run the command again")
            }
            _ => Self::new(Exit::Disk, message),
        }
    }

    /// A failure with a given exit code.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), problems: Vec::new(), hint: String::new(), code: None }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }

    /// Adds the single problems.
    #[must_use]
    pub fn with_problems(mut self, problems: Vec<String>) -> Self {
        self.problems = problems;
        self
    }

    /// The one object that `--json` prints on stdout.
    pub fn to_json(&self) -> serde_json::Value {
        json!({"error": {
            "message": self.message,
            "code": self.code,
            "problems": self.problems,
            "hint": self.hint,
            "exit": self.exit as u8,
        }})
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.message)?;
        for problem in &self.problems {
            write!(f, "\n  - {problem}")?;
        }
        if !self.hint.is_empty() {
            write!(f, "\n  hint: {}", self.hint)?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}
