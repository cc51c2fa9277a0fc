//! What is wrong with a text or a policy, in words.

use std::fmt;

/// A text that is not what it should be: what was read, why it will not do, and what will.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ParseError(pub(crate) String);

impl ParseError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

/// One error in a policy or a client. All that are found are reported at once; any of them blocks (S8).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The entry of the source list it is about, from 1; `None` if it is not about an entry.
    pub entry: Option<u32>,
    /// What is wrong, and what to do.
    pub message: String,
}

impl Problem {
    /// A problem that is not about one entry.
    pub fn general(message: impl Into<String>) -> Self {
        Self { entry: None, message: message.into() }
    }

    /// A problem of one entry, counted from 1.
    pub fn of_entry(entry: u32, message: impl Into<String>) -> Self {
        Self { entry: Some(entry), message: message.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.entry {
            Some(entry) => write!(f, "entry {entry}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}
