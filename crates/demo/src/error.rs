//! Why the demo ended early.

use std::fmt;
use std::io;
use std::path::Path;

/// The result of a step of the demo.
pub type Result<T> = std::result::Result<T, Error>;

/// What the caller should make of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// A step failed.
    Failed,
    /// The options or the feed are not valid.
    BadInput,
    /// The disk is full, or a file cannot be read or written.
    Disk,
}

/// Why the demo ended early.
#[derive(Debug, Clone)]
pub struct Error {
    /// What the caller should make of it.
    pub kind: ErrorKind,
    /// What failed, and why.
    pub message: String,
    /// What to do about it; empty if the message says so.
    pub hint: String,
}

impl Error {
    /// A step failed.
    pub fn failed(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Failed, message: message.into(), hint: String::new() }
    }

    /// The options or the feed are not valid.
    pub fn bad_input(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::BadInput, ..Self::failed(message) }
    }

    /// A file or folder cannot be read or written. A missing one is bad input.
    pub fn file(doing: &str, path: &Path, error: &io::Error) -> Self {
        let kind = match error.kind() {
            io::ErrorKind::NotFound => ErrorKind::BadInput,
            _ => ErrorKind::Disk,
        };
        Self { kind, ..Self::failed(format!("cannot {doing} {}: {error}", path.display())) }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
