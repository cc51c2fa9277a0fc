//! Why a sync, or one component of it, went no further.

use headwater_repo::error_chain;

use crate::error::Error;

/// Why a sync, or one component of it, went no further: a sentence.
#[derive(Debug)]
pub(in crate::publishing) struct Stopped(pub String);

impl<E: std::error::Error + 'static> From<E> for Stopped {
    fn from(error: E) -> Self {
        Self(error_chain(&error))
    }
}

impl From<Stopped> for Error {
    fn from(stopped: Stopped) -> Self {
        Self::Corrupt { what: "vendor source", reason: stopped.0 }
    }
}
