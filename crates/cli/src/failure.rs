//! What a command ends with when it does not end well: an exit code, the thing and the reason, the hint.

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
    /// It was tried and did not work.
    Failed = 1,
    /// The input is wrong; nothing was tried.
    BadInput = 2,
    /// Some of it worked.
    Partly = 3,
    /// The disk is full, or a file may not be read or written.
    Disk = 4,
}

/// A command's unhappy end.
#[derive(Debug)]
pub struct Failure {
    /// What the process exits with.
    pub exit: Exit,
    /// The thing and the reason.
    pub message: String,
    /// Every single problem, where the input has several.
    pub problems: Vec<String>,
    /// What to do about it; empty where the message says it.
    pub hint: String,
    /// The server's code of a refusal.
    pub code: Option<String>,
}

impl Failure {
    /// The input is wrong.
    pub fn bad_input(message: impl Into<String>) -> Self {
        Self::new(Exit::BadInput, message)
    }

    /// It was tried and did not work.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(Exit::Failed, message)
    }

    /// A file or folder could not be read or written. A file that is not there is bad input; all else is
    /// the disk's or a permission's fault.
    pub fn file(doing: &str, path: &Path, error: &io::Error) -> Self {
        let message = format!("cannot {doing} {}: {error}", path.display());
        match error.kind() {
            io::ErrorKind::NotFound => Self::bad_input(message).with_hint("check the path"),
            io::ErrorKind::PermissionDenied => {
                Self::new(Exit::Disk, message).with_hint("check who owns it, or run as a user who may")
            }
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::new(Exit::Disk, message).with_hint("free space there, then run it again")
            }
            _ => Self::new(Exit::Disk, message),
        }
    }

    /// A failure with an exit code of one's own choice.
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
