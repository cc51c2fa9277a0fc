//! What is remembered of sources: pure, so time is an argument.

use std::time::Duration;

use headwater_depot::BackOff;
use headwater_depot::limits::{BACK_OFF_MAX, BACK_OFF_MIN, BACK_OFF_SOURCES_MAX};
use jiff::{SignedDuration, Timestamp};

use crate::world::now;

fn after(time: Duration) -> Timestamp {
    now().checked_add(SignedDuration::try_from(time).unwrap()).unwrap()
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn failures_are_remembered_for_a_minute_doubling_to_an_hour_until_a_success() {
    let mut memory = BackOff::default();
    for failure in 0..10 {
        memory.failed("u", now());
        let until = BACK_OFF_MIN.saturating_mul(1 << failure).min(BACK_OFF_MAX);
        assert!(memory.is_failing("u", after(until - SECOND)), "failure {failure}");
        assert!(!memory.is_failing("u", after(until)), "failure {failure}");
    }
    memory.succeeded("u");
    assert!(memory.is_empty());
}

#[test]
fn busy_is_remembered_until_its_time_and_never_for_ever() {
    let mut memory = BackOff::default();
    memory.busy("u", 30 * SECOND, now());
    assert_eq!(memory.busy_for("u", after(10 * SECOND)), Some(20 * SECOND));
    assert_eq!(memory.busy_for("u", after(30 * SECOND)), None);
    memory.busy("u", 1_000_000 * SECOND, now());
    assert_eq!(memory.busy_for("u", now()), Some(BACK_OFF_MAX));
    // The clock was set back by a year: what was noted then holds no source off.
    let back = now().checked_sub(SignedDuration::from_hours(24 * 365)).unwrap();
    assert_eq!(memory.busy_for("u", back), None);
}

#[test]
fn no_more_sources_are_remembered_than_the_limit() {
    let mut memory = BackOff::default();
    for number in 0..=BACK_OFF_SOURCES_MAX {
        memory.failed(&format!("u{number}"), now());
    }
    assert_eq!(memory.len(), BACK_OFF_SOURCES_MAX);
}
