//! The least rate at which a source must send, and the longest that a small file may take: for metadata, targets and
//! bodies alike. Without it, one byte a second would hold a run for ever.

use std::time::Duration;

use tokio::time::Instant;

use crate::limits::STALL_BYTES_MIN;

/// How long to wait for the next bytes of one answer: in each span [`STALL_BYTES_MIN`] bytes must come, or the rest.
#[derive(Debug)]
pub(super) struct MinimumRate {
    span: Duration,
    span_ends: Instant,
    came: u64,
    ends: Option<Instant>,
}

impl MinimumRate {
    /// From now on, without an end of the whole: for bodies.
    pub(super) fn new(span: Duration) -> Self {
        Self { span, span_ends: Instant::now() + span, came: 0, ends: None }
    }

    /// The same, and the whole must be there before `total` is over: for files that are kept in memory.
    pub(super) fn within(span: Duration, total: Duration) -> Self {
        Self { ends: Some(Instant::now() + total), ..Self::new(span) }
    }

    /// When it is over, unless more comes before.
    pub(super) fn deadline(&self) -> Instant {
        self.ends.map_or(self.span_ends, |ends| ends.min(self.span_ends))
    }

    pub(super) fn came(&mut self, bytes: u64) {
        self.came += bytes;
        if self.came >= STALL_BYTES_MIN {
            (self.span_ends, self.came) = (Instant::now() + self.span, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trickle_does_not_win_time() {
        let mut rate = MinimumRate::new(Duration::from_secs(2));
        let ends = rate.deadline();
        rate.came(STALL_BYTES_MIN - 1);
        assert_eq!(rate.deadline(), ends);
        rate.came(1);
        assert!(rate.deadline() > ends && rate.came == 0, "enough came: another span begins");
    }

    #[test]
    fn a_rate_that_is_just_enough_does_not_win_time_for_ever() {
        let mut rate = MinimumRate::within(Duration::from_secs(2), Duration::from_secs(3));
        let ends = rate.ends.unwrap();
        for _ in 0..1000 {
            rate.came(STALL_BYTES_MIN);
            assert!(rate.deadline() <= ends);
        }
    }
}
