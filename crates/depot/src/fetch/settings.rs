//! The times and numbers of fetching.

use std::time::Duration;

use headwater_policy::FamilySet;

use crate::limits;

/// The times and numbers that fetching goes by. The default is the product's.
#[derive(Debug, Clone)]
pub struct FetchSettings {
    /// Time to connect (P9).
    pub connect_timeout: Duration,
    /// Time without a byte before a source is given up (P9).
    pub idle_timeout: Duration,
    /// Silence after which the next source is asked for metadata beside a source.
    pub soft_start: Duration,
    /// The same for a source remembered as failing.
    pub soft_start_failing: Duration,
    /// Time after which metadata that is still coming counts as silence.
    pub metadata_slow: Duration,
    /// Time for the whole metadata of one source.
    pub metadata_total: Duration,
    /// Silence after which a body goes on at another source.
    pub soft_stall: Duration,
    /// Longest wait for a busy source when no other is left.
    pub busy_wait_max: Duration,
    /// Blobs fetched at once, at least 1.
    pub blobs_at_once: usize,
    /// The families of this computer's addresses: a name's other addresses are not tried.
    pub families: FamilySet,
    /// What requests say of us.
    pub user_agent: String,
}

impl Default for FetchSettings {
    fn default() -> Self {
        Self {
            connect_timeout: limits::CONNECT_TIMEOUT,
            idle_timeout: limits::IDLE_TIMEOUT,
            soft_start: limits::SOFT_START,
            soft_start_failing: limits::SOFT_START_FAILING,
            metadata_slow: limits::METADATA_SLOW,
            metadata_total: limits::METADATA_TOTAL,
            soft_stall: limits::SOFT_STALL,
            busy_wait_max: limits::BUSY_WAIT_MAX,
            blobs_at_once: limits::BLOBS_AT_ONCE,
            families: FamilySet::BOTH,
            user_agent: concat!("headwater/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}
