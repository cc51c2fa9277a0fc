//! The clock of this computer, compared with the server's.

use jiff::{SignedDuration, Timestamp};

use crate::limits::CLOCK_SKEW_WARN;

/// A warning if the clocks differ so much that valid metadata may look expired.
pub fn clock_warning(server_time: Timestamp, now: Timestamp) -> Option<String> {
    let skew = now.duration_since(server_time);
    let limit = SignedDuration::try_from(CLOCK_SKEW_WARN).unwrap_or(SignedDuration::MAX);
    (skew.abs() > limit).then(|| {
        let side = if skew.is_negative() { "behind" } else { "ahead of" };
        format!(
            "this computer's clock is {} min {side} the server's; set it, or valid metadata will look expired",
            skew.abs().as_mins()
        )
    })
}
