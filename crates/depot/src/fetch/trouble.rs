//! Why the turn of a source ends without the file.

use super::fault::Fault;
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
