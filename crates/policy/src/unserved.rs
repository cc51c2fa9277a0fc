//! Why a plan has no source at all (P4a), and what to do about it.

use std::fmt;

use crate::class::Class;
use crate::source_url::SourceUrl;

/// Why no source gives a client a class. Displayed as a sentence that ends with what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unserved {
    /// The client has no address.
    NoAddress,
    /// The plan would end at the server, but its URL is an address of a family that the client does not have (P6).
    ServerFamily(SourceUrl),
    /// No entry gives the class to the client, and no fallback applies.
    NoEntry(Class),
}

impl fmt::Display for Unserved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAddress => {
                f.write_str("the client has no address, so no entry selects it; check its network connection")
            }
            Self::ServerFamily(url) => write!(
                f,
                "the server at {url} has an address of a family that the client does not have; give the server a DNS name, \
                 or name a source of the client's family in the source list"
            ),
            Self::NoEntry(class) => write!(
                f,
                "no entry gives it to the client, and no fallback applies; add an entry, or switch the fallback to the \
                 server on: `headwater sources options --server-fallback-{class} on`"
            ),
        }
    }
}
