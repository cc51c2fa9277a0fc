//! Every limit of the update agent, with its unit and its reason.

use std::time::Duration;

/// Free space that holding for others leaves on the disk, in bytes: the endpoint's own work comes first.
pub const FREE_BYTES_MIN: u64 = 64 * 1024 * 1024;

/// Files and folders (inodes) that holding for others leaves to the disk: the endpoint's own work comes first.
pub const FREE_FILES_MIN: u64 = 1024;

/// Bytes of one class that a run reads from the served tree to verify them: a second of a small computer's time. A few GiB
/// take a few dozen runs.
pub const SCRUB_BYTES: u64 = 256 * 1024 * 1024;

/// Bytes of one message that is carried to the server: a statement with the largest body, written as JSON text.
pub const CARRIED_BODY_BYTES_MAX: usize = 2 * 1024 * 1024 + 64 * 1024;

/// Bytes of one answer that is carried back: a certificate and its chain, or a domain's keys.
pub const CARRIED_ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// Messages of enrolled clients that are carried at once; further ones get 503 with `Retry-After`.
pub const CARRIED_AT_ONCE_MAX: usize = 32;

/// Messages that are carried at once of callers without a certificate (they enrol or renew): a few, so that they do not
/// take the permits of enrolled clients.
pub const CARRIED_ANONYMOUS_AT_ONCE_MAX: usize = 4;

/// Time for a message to arrive whole.
pub const CARRIED_BODY_TIME_MAX: Duration = Duration::from_secs(10);

/// Time for the server's answer.
pub const CARRIED_ANSWER_TIME_MAX: Duration = Duration::from_secs(10);

/// The value of `Retry-After` if too much is being carried, in seconds.
pub const CARRIED_RETRY_AFTER_SECONDS: u32 = 5;
