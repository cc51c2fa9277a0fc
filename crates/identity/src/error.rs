//! What can be wrong with an identity. No text here ever holds key material.

use headwater_policy::ClientId;

use crate::statement_kind::StatementKind;

/// A key, certificate, token or sealed text that will not do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// Not what its file should hold.
    #[error("this is not {wanted}")]
    Unreadable {
        /// What was expected, with the way to get one.
        wanted: &'static str,
    },
    /// A key, and a certificate of another key.
    #[error("the key in it is not that of the certificate in it")]
    OtherKey,
    /// Longer than the limit.
    #[error("{what} has more than {max} bytes")]
    Oversized {
        /// What is too long.
        what: &'static str,
        /// The limit, in bytes.
        max: usize,
    },
    /// More names than one certificate has.
    #[error("a certificate has at most {0} names and addresses")]
    Names(usize),
    /// A signing request that nothing is issued for.
    #[error("the signing request is refused: {0}")]
    Request(&'static str),
    /// A name or address that no certificate can be issued for.
    #[error("no certificate can be issued for `{0}`: it is neither an address nor a host name")]
    Name(String),
    /// A certificate that is not a fleet client's.
    #[error("the certificate names no client of a Headwater fleet")]
    NoClient,
    /// A CA handed in whose name cannot be written again as it is, so that no cross-signed certificate of it can be
    /// made.
    #[error(
        "the CA's subject is not a plain common name; hand in a CA whose only name is a common name in UTF-8"
    )]
    Subject,
    /// What was sealed cannot be opened: another key, another purpose, or bytes that were changed.
    #[error("it was not sealed to this key and for this purpose, or was changed since")]
    Sealed,
    /// The operating system gave no randomness, or the library refused its own key.
    #[error("the system gave no random numbers to make a key from")]
    NoRandomness,
    /// The TLS library refused what it was given.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
}

/// Why a statement or answer did not pass verification.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StatementVerifyError {
    /// A format of a later program.
    #[error("it has format {0}; this program reads format 1")]
    Format(u32),
    /// Longer than the limit.
    #[error("its body has more than {0} bytes")]
    Oversized(usize),
    /// It claims to be of another kind than was asked for.
    #[error("it is of kind {found}, and {wanted} was asked for")]
    Kind {
        /// What was asked for.
        wanted: StatementKind,
        /// What it claims.
        found: StatementKind,
    },
    /// It is of another client.
    #[error("it is of client {found}, and {wanted} was asked for")]
    Client {
        /// The client that it should be of.
        wanted: ClientId,
        /// What it claims, as text.
        found: String,
    },
    /// It answers another statement.
    #[error("it answers number {found}, and {wanted} was asked")]
    Sequence {
        /// The number asked.
        wanted: u64,
        /// The number answered.
        found: u64,
    },
    /// Not signed by the key that should have signed it, or changed since.
    #[error("its signature is not by the key that it should be by")]
    Signature,
}
