//! Every limit of the update agent, with its unit and its reason.

use std::time::Duration;

/// Free space that holding for others leaves on the disk, in bytes: the endpoint's own work comes first.
pub const FREE_BYTES_MIN: u64 = 64 * 1024 * 1024;

/// Bytes on the shelf of one class that a run reads to verify them: a second of a small computer's. Some GiB are looked through in
/// some dozens of runs.
pub const SCRUB_BYTES: u64 = 256 * 1024 * 1024;

/// Bytes of one message that is carried to the server: a statement with the largest body, written as JSON text.
pub const CARRIED_BODY_BYTES_MAX: usize = 2 * 1024 * 1024 + 64 * 1024;

/// Bytes of one answer that is carried back: a certificate and its chain, or a domain's keys.
pub const CARRIED_ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// Messages of members that are carried at once; who comes beyond is told to come back.
pub const CARRIED_AT_ONCE_MAX: usize = 32;

/// Messages that are carried at once of those who show no certificate (they enrol or renew): a few, so that unknown clients do
/// not take the members' places.
pub const CARRIED_NAMELESS_AT_ONCE_MAX: usize = 4;

/// Time for a message to arrive whole.
pub const CARRIED_BODY_TIME_MAX: Duration = Duration::from_secs(10);

/// Time for the server's answer.
pub const CARRIED_ANSWER_TIME_MAX: Duration = Duration::from_secs(10);

/// What `Retry-After` says when there is no place, in seconds.
pub const CARRIED_RETRY_AFTER_SECONDS: u32 = 5;
