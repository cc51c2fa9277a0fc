//! The least rate at which a caller must take what we send. Time counts only while we have something to send and the caller
//! does not take it: not while our own bandwidth limit holds it back, and not between requests.

use std::time::Duration;

use crate::limits::SEND_BYTES_MIN;

/// What a connection took of what we sent: in each span of waiting [`SEND_BYTES_MIN`] bytes, or it is cut.
#[derive(Debug)]
pub(super) struct SendRate {
    span: Duration,
    waited: Duration,
    sent: u64,
}

impl SendRate {
    pub(super) fn new(span: Duration) -> Self {
        Self { span, waited: Duration::ZERO, sent: 0 }
    }

    /// For how long more it may keep us waiting.
    pub(super) fn left(&self) -> Duration {
        self.span.saturating_sub(self.waited)
    }

    /// It took so many bytes, after it had kept us waiting for that time.
    pub(super) fn took(&mut self, bytes: u64, waited: Duration) {
        self.waited += waited;
        self.sent += bytes;
        if self.sent >= SEND_BYTES_MIN {
            (self.waited, self.sent) = (Duration::ZERO, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_caller_that_takes_a_byte_now_and_then_wins_no_time() {
        let mut rate = SendRate::new(30 * SECOND);
        for second in 1..=30 {
            rate.took(1, SECOND);
            assert_eq!(rate.left(), (30 - second) * SECOND);
        }
        rate.took(SEND_BYTES_MIN - 31, SECOND);
        assert_eq!(rate.left(), Duration::ZERO);
        rate.took(1, Duration::ZERO);
        assert_eq!(rate.left(), 30 * SECOND, "enough was taken: another span begins");
    }

    #[test]
    fn time_in_which_nothing_was_to_be_sent_does_not_count() {
        let mut rate = SendRate::new(30 * SECOND);
        (0..1000).for_each(|_| rate.took(1, Duration::ZERO));
        assert_eq!(rate.left(), 30 * SECOND);
    }
}
