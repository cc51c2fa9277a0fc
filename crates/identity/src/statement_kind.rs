//! The kinds of statements.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The kind of a statement, and of the answer to it. Every kind has its own numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StatementKind {
    /// A request to enrol, which is sealed and has number 0; only answers are of this kind.
    Enrolment,
    /// The client is there.
    CheckIn,
    /// The outcome of a run. Numbers without a gap: 1, 2, 3, …
    Report,
    /// The client asks for another certificate.
    Renewal,
}

impl fmt::Display for StatementKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Enrolment => "enrolment",
            Self::CheckIn => "check_in",
            Self::Report => "report",
            Self::Renewal => "renewal",
        })
    }
}
