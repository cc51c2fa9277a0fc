//! Why the turn of a source ends without the file.

use std::time::Duration;

use super::fault::Fault;
use super::timeout::IdleTimeout;
use crate::store_error::StoreError;

/// Why one source's turn at a file ended without it.
pub(super) enum Trouble {
    /// Nothing came for a while, and another source may do better.
    Stalled,
    /// It was unable.
    Fault(Fault),
    /// Our own disk was.
    Disk(StoreError),
}

impl Trouble {
    /// Where nobody is left to do better, a stall is the idle time-out that ran out: the source's fault.
    pub(super) fn at_last(self, timeout: IdleTimeout, url: &str, span: Duration) -> Self {
        match self {
            Self::Stalled if timeout == IdleTimeout::Full => Fault::too_slow(url, span).into(),
            other => other,
        }
    }
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Disk(error)
    }
}
