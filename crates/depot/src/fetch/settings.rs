//! The times and numbers of fetching.

use std::time::Duration;

use headwater_policy::{FamilySet, Proxy};

use super::source_memory::{HeadStarts, SourcePace};
use crate::limits;

/// The times and numbers that fetching goes by. The default is the product's.
#[derive(Debug, Clone)]
pub struct FetchSettings {
    /// Time to connect (P9).
    pub connect_timeout: Duration,
    /// Time without a byte before a source is given up (P9).
    pub idle_timeout: Duration,
    /// How long a source may keep the next one waiting for metadata.
    pub head_starts: HeadStarts,
    /// Time for the whole metadata of one source, and for one target.
    pub metadata_total: Duration,
    /// Silence after which a body goes on at another source.
    pub soft_stall: Duration,
    /// Longest wait for a busy source when no other is left.
    pub busy_wait_max: Duration,
    /// Blobs fetched at once, at least 1.
    pub blobs_at_once: usize,
    /// The families of this computer's addresses: a name's other addresses are not tried.
    pub families: FamilySet,
    /// By which public sources are reached; `None` for directly. The fleet's own always are.
    pub proxy: Option<Proxy>,
    /// What requests say of us.
    pub user_agent: String,
}

impl Default for FetchSettings {
    fn default() -> Self {
        Self {
            connect_timeout: limits::CONNECT_TIMEOUT,
            idle_timeout: limits::IDLE_TIMEOUT,
            head_starts: HeadStarts::default(),
            metadata_total: limits::METADATA_TOTAL,
            soft_stall: limits::SOFT_STALL,
            busy_wait_max: limits::BUSY_WAIT_MAX,
            blobs_at_once: limits::BLOBS_AT_ONCE,
            families: FamilySet::BOTH,
            proxy: None,
            user_agent: concat!("headwater/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

impl Default for HeadStarts {
    fn default() -> Self {
        Self {
            first: SourcePace { silence: limits::HEAD_START, total: limits::METADATA_SLOW },
            dead: limits::HEAD_START_DEAD,
            min: limits::HEAD_START_MIN,
            max: SourcePace { silence: limits::HEAD_START_MAX, total: limits::METADATA_SLOW_MAX },
        }
    }
}
