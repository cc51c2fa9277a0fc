//! Every limit of this crate, with its unit and its reason.

use std::time::Duration;

/// Bytes of memory that making a delta takes for each byte of the two files: the files, a suffix array of the older,
/// and the streams.
pub const ENCODER_MEMORY_FACTOR: u64 = 12;

/// Bytes of memory that making a delta takes beside those (48 MiB): tables of the compressors, which short files do
/// not need less of.
pub const ENCODER_MEMORY_FIXED: u64 = 48 * 1024 * 1024;

/// Mebibytes of memory that making one delta may take unless a setting says otherwise: two files of 40 MB.
pub const ENCODER_MEMORY_MIB_DEFAULT: u64 = 1024;

/// Time after which deltas made so far join a release whose others are still being made: each joining is a new
/// version that every client and update agent reads.
pub const DELTAS_JOIN_INTERVAL: Duration = Duration::from_secs(60);

/// Time between two looks at whether something else was published while deltas are made, and those that nobody needs any
/// more are to be stopped.
pub const PUBLISHED_LOOK_INTERVAL: Duration = Duration::from_millis(200);

/// Part of its life that signed metadata may have left before it is signed again: a half, so that a weekend's fault of
/// the publisher is repaired before clients refuse it.
pub const RESIGN_LIFE_LEFT_DIVISOR: i32 = 2;
