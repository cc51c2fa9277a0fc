//! Which deltas a publisher wants.

use std::time::Duration;

use headwater_repo::{STORAGE_PERCENT, limits};

use crate::limits::{DELTAS_JOIN_INTERVAL, ENCODER_MEMORY_MIB_DEFAULT};

/// Which deltas there shall be, and what they may take.
#[derive(Debug, Clone, Copy)]
pub struct DeltaSettings {
    /// Releases beside the current one that clients may come from, the nearest first.
    pub releases: usize,
    /// Of these, the ones that deltas are made from; from the others clients go over several.
    pub made_from: usize,
    /// Storage for the deltas to one file, in percent of its body.
    pub storage_percent: u64,
    /// Bytes of memory that making one delta may take.
    pub memory_bytes_max: u64,
    /// Deltas that are made at once.
    pub threads: usize,
    /// Time after which what was made joins though something is missing still.
    pub join_interval: Duration,
}

impl Default for DeltaSettings {
    fn default() -> Self {
        Self {
            releases: limits::RELEASES_MAX - 1,
            made_from: limits::RELEASES_MAX - 1,
            storage_percent: STORAGE_PERCENT,
            memory_bytes_max: ENCODER_MEMORY_MIB_DEFAULT << 20,
            threads: 1,
            join_interval: DELTAS_JOIN_INTERVAL,
        }
    }
}
