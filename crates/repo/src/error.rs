//! What can go wrong, by what the caller would do about it.

use jiff::Timestamp;

use crate::names::Role;

/// Metadata that did not pass verification. Which file it was and from which source is the caller's to add.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// Not metadata of that role: not JSON, wrong type, a field missing, longer than its limit.
    #[error("{role} metadata cannot be read: {reason}")]
    Unparsable {
        /// The role that was expected.
        role: String,
        /// What is wrong with the bytes.
        reason: String,
    },
    /// Fewer valid signatures of authorised keys than the role's threshold.
    #[error("{role} metadata is not signed by enough of its role's keys: {reason}")]
    WrongSignature {
        /// The role whose keys should have signed.
        role: String,
        /// What was found.
        reason: String,
    },
    /// Signed well, but too long ago (freeze protection).
    #[error("{role} metadata expired at {expired_at}")]
    Expired {
        /// The role that expired.
        role: String,
        /// When.
        expired_at: Timestamp,
    },
    /// Signed well, but first seen here so long ago that it counts as expired, whatever it states.
    #[error(
        "{role} metadata version {version} was first seen here at {first_seen}: after {days_max} days it counts as expired"
    )]
    SeenTooLongAgo {
        /// The role.
        role: String,
        /// Its version.
        version: u64,
        /// When it was first seen.
        first_seen: Timestamp,
        /// Days that it counts as fresh.
        days_max: u32,
    },
    /// Signed well, but older than what is already trusted (rollback protection, P11).
    #[error("{role} metadata is version {got}, older than the trusted version {have}")]
    Older {
        /// The role that went backwards.
        role: String,
        /// The version that is trusted.
        have: u64,
        /// The version that was offered.
        got: u64,
    },
    /// Not the file that its parent role pins: length, hash or version differ.
    #[error("{role} metadata is not the file that was announced: {reason}")]
    Mismatch {
        /// The role whose file differs.
        role: String,
        /// What differs.
        reason: String,
    },
    /// Nothing wrong, but the walk root, timestamp, snapshot, targets is not at its end.
    #[error("{role} metadata has not been loaded yet: finish the refresh first")]
    Incomplete {
        /// The role that is missing.
        role: String,
    },
    /// The search for one target went through more targets roles than
    /// [`ROLES_VISITED_MAX`](crate::limits::ROLES_VISITED_MAX).
    #[error("more than {visited_max} targets roles would have to be searched for this target")]
    TooManyRoles {
        /// The limit.
        visited_max: usize,
    },
}

/// A verified target whose content makes no sense: its publisher's mistake, not the source's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ContentError {
    /// Not the JSON that was expected, or with a name, path or number in it that is not allowed.
    #[error("{what} cannot be read: {reason}")]
    Unparsable {
        /// Release list or manifest.
        what: &'static str,
        /// The parser's message.
        reason: String,
    },
    /// Written by a later Headwater: this program has to be updated first.
    #[error("{what} has format {got}, this program knows up to {known}: update this program first")]
    UnknownFormat {
        /// Release list or manifest.
        what: &'static str,
        /// The format that was found.
        got: u64,
        /// The newest known format.
        known: u64,
    },
    /// Its parts contradict each other or exceed a limit.
    #[error("{what} is wrong: {reason}")]
    Invalid {
        /// Release list or manifest.
        what: &'static str,
        /// The contradiction.
        reason: String,
    },
}

/// A publication that was refused before anything was signed or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The available keys do not reach a role's threshold.
    #[error(
        "{role} needs signatures of {threshold} of its keys, and {found} of them signed: add the missing keys"
    )]
    KeysMissing {
        /// The role that stays unsigned.
        role: Role,
        /// Its threshold.
        threshold: usize,
        /// How many of its keys signed.
        found: usize,
    },
    /// This key signs neither root.
    #[error("key {key} does not belong to the root role, neither before nor after this change")]
    ForeignKey {
        /// The key's id.
        key: String,
    },
    /// The draft contradicts itself.
    #[error("{0}")]
    Invalid(String),
    /// The state to start from is not what was signed.
    #[error("the repository's present {role} metadata cannot be built upon")]
    Present {
        /// The role whose file is wrong.
        role: Role,
        /// Why.
        #[source]
        source: VerifyError,
    },
    /// A release list or manifest is wrong.
    #[error("the release cannot be published")]
    Content(#[from] ContentError),
}

/// An error and its causes on one line, outermost first. A cause whose text the line already holds is left out.
#[must_use]
pub fn error_chain(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        if !line.contains(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
        source = cause.source();
    }
    line
}
