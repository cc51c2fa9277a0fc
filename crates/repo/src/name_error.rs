//! The error of every name that the repository checks.

/// A name, path or number that the repository does not allow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} {text:?} is not allowed: {reason}")]
pub struct NameError {
    /// The kind of name.
    pub what: &'static str,
    /// The name, cut short where it is long.
    pub text: String,
    /// What is wrong, and what to write instead.
    pub reason: &'static str,
}

impl NameError {
    pub(crate) fn new(what: &'static str, text: &str, reason: &'static str) -> Self {
        const SHOWN_MAX: usize = 80;
        let text = text.chars().take(SHOWN_MAX).collect();
        Self { what, text, reason }
    }
}
