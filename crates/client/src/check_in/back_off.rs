//! Pauses after failed check-ins.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::data::State;
use crate::limits::{CHECK_IN_BACK_OFF_MAX, CHECK_IN_BACK_OFF_MIN};

/// Whether a pause is still going on. A time further ahead than the longest pause was written under a clock that has
/// been set back since.
pub(crate) fn is_pausing(until: Option<Timestamp>, now: Timestamp) -> bool {
    let left = until.and_then(|until| Duration::try_from(until.duration_since(now)).ok());
    left.is_some_and(|left| !left.is_zero() && left <= CHECK_IN_BACK_OFF_MAX)
}

/// Starts the next pause of the direct route; each is twice as long as the one before.
pub(crate) fn pause_direct(state: &mut State, now: Timestamp) {
    let doublings = state.check_in_failures.min(16);
    let pause: Duration = CHECK_IN_BACK_OFF_MIN.saturating_mul(1 << doublings).min(CHECK_IN_BACK_OFF_MAX);
    state.check_in_failures = state.check_in_failures.saturating_add(1);
    state.check_in_not_before = after(now, pause);
}

/// Starts a pause of the routes through update agents.
pub(crate) fn pause_carried(state: &mut State, now: Timestamp) {
    state.carried_not_before = after(now, CHECK_IN_BACK_OFF_MIN);
}

fn after(now: Timestamp, pause: Duration) -> Option<Timestamp> {
    now.checked_add(SignedDuration::try_from(pause).unwrap_or(SignedDuration::ZERO)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_after_failed_check_ins_double_up_to_their_longest() {
        let now: Timestamp = "2026-05-01T12:00:00Z".parse().unwrap();
        let mut state = State::default();
        let mut pause = || {
            pause_direct(&mut state, now);
            state.check_in_not_before.unwrap().duration_since(now).unsigned_abs()
        };
        assert_eq!([pause(), pause()], [CHECK_IN_BACK_OFF_MIN, 2 * CHECK_IN_BACK_OFF_MIN]);
        let longest = (0..100).map(|_| pause()).max();
        assert_eq!((longest, pause()), (Some(CHECK_IN_BACK_OFF_MAX), CHECK_IN_BACK_OFF_MAX));
    }
}
