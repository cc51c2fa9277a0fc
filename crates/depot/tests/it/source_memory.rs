//! What is remembered of sources: pure, so time is an argument.

use std::time::Duration;

use headwater_depot::SourceMemory;
use headwater_depot::fetch::{HeadStarts, SourcePace};
use headwater_depot::limits::{
    BACK_OFF_MAX, BACK_OFF_MIN, HEAD_START, HEAD_START_DEAD, HEAD_START_MAX, HEAD_START_MIN, MEMORY_KEPT,
    METADATA_SLOW, METADATA_SLOW_MAX, RACES_LOST_MAX, SOURCES_REMEMBERED_MAX,
};
use jiff::{SignedDuration, Timestamp};

use crate::world::now;

fn after(time: Duration) -> Timestamp {
    now().checked_add(SignedDuration::try_from(time).unwrap()).unwrap()
}

const SECOND: Duration = Duration::from_secs(1);

fn silence(millis: u64) -> SourcePace {
    SourcePace { silence: Duration::from_millis(millis), total: Duration::from_millis(2 * millis) }
}

fn head_start(memory: &SourceMemory, at: Timestamp) -> Duration {
    memory.head_start("u", &HeadStarts::default(), at).silence
}

/// The memory as the next run has it.
fn next_run(memory: &SourceMemory) -> SourceMemory {
    serde_json::from_str(&serde_json::to_string(memory).unwrap()).unwrap()
}

#[test]
fn a_head_start_is_about_twice_what_the_source_usually_needs() {
    let check = |answers: &[u64], expected: Duration| {
        let mut memory = SourceMemory::default();
        answers.iter().for_each(|millis| memory.answered("u", silence(*millis), now()));
        assert_eq!(head_start(&memory, now()), expected, "after answers in {answers:?} ms");
    };
    check(&[], HEAD_START);
    check(&[3], HEAD_START_MIN);
    check(&[400, 400, 400], Duration::from_millis(800));
    check(&[400, 400, 400, 1500], Duration::from_millis(1350));
    check(&[1300], Duration::from_millis(2600));
    check(&[20_000], HEAD_START_MAX);
    let mut memory = SourceMemory::default();
    memory.answered("u", silence(400), now());
    (0..30).for_each(|_| memory.answered("u", silence(1200), now()));
    let learnt = head_start(&memory, now());
    assert!((Duration::from_millis(2350)..Duration::from_millis(2401)).contains(&learnt), "{learnt:?}");
}

#[test]
fn metadata_as_a_whole_has_the_time_that_the_source_usually_needs_for_it() {
    let total = |memory: &SourceMemory| memory.head_start("u", &HeadStarts::default(), now()).total;
    let mut memory = SourceMemory::default();
    assert_eq!(total(&memory), METADATA_SLOW);
    memory.answered("u", silence(100), now());
    assert_eq!(total(&memory), METADATA_SLOW);
    memory.answered("v", silence(1250), now());
    assert_eq!(memory.head_start("v", &HeadStarts::default(), now()).total, Duration::from_secs(5));
    memory.answered("v", silence(20_000), now());
    assert_eq!(memory.head_start("v", &HeadStarts::default(), now()).total, METADATA_SLOW_MAX);
}

#[test]
fn to_lose_a_race_is_no_failure_and_the_next_run_gives_more_time() {
    let mut memory = SourceMemory::default();
    memory.lost("u", now());
    assert_eq!(head_start(&memory, now()), HEAD_START_DEAD, "the rest of this run does not wait again");
    let mut memory = next_run(&memory);
    assert!(!memory.is_dead("u", now()));
    assert_eq!(head_start(&memory, now()), 2 * HEAD_START, "it may only be slow");
    memory.answered("u", silence(1500), now());
    assert_eq!(head_start(&next_run(&memory), now()), 3 * SECOND, "and it was");
}

#[test]
fn one_that_is_known_to_answer_is_not_passed_over_for_one_slow_answer() {
    let mut memory = SourceMemory::default();
    memory.answered("u", silence(400), now());
    memory.lost("u", now());
    assert_eq!(head_start(&memory, now()), Duration::from_millis(800), "in the same run");
    memory.lost("u", now());
    assert_eq!(head_start(&memory, now()), HEAD_START_DEAD, "twice in a run is enough");
    assert_eq!(head_start(&next_run(&memory), now()), Duration::from_millis(1600), "in the next");
}

#[test]
fn one_that_loses_run_after_run_is_dead_and_losing_then_does_not_keep_it_so() {
    let mut memory = SourceMemory::default();
    for _ in 0..RACES_LOST_MAX {
        memory = next_run(&memory);
        assert!(!memory.is_dead("u", now()));
        memory.lost("u", now());
    }
    let mut memory = next_run(&memory);
    assert_eq!(head_start(&memory, now()), HEAD_START_DEAD);
    // It loses all the time within the short head start that it has.
    for seconds in 0..BACK_OFF_MIN.as_secs() {
        memory = next_run(&memory);
        memory.lost("u", after(seconds as u32 * SECOND));
    }
    assert_eq!(head_start(&next_run(&memory), after(BACK_OFF_MIN)), 2 * HEAD_START, "it gets another chance");
}

#[test]
fn failures_are_remembered_for_a_minute_doubling_to_an_hour_until_an_answer() {
    let mut memory = SourceMemory::default();
    for failure in 0..10 {
        memory.failed("u", now());
        let until = BACK_OFF_MIN.saturating_mul(1 << failure).min(BACK_OFF_MAX);
        assert!(memory.is_dead("u", after(until - SECOND)), "failure {failure}");
        assert_eq!(head_start(&memory, after(until - SECOND)), HEAD_START_DEAD, "failure {failure}");
        assert!(!memory.is_dead("u", after(until)), "failure {failure}");
    }
    let mut gave = memory.clone();
    gave.gave("u");
    assert!(!gave.is_dead("u", now()), "content counts as well");
    memory.answered("u", silence(10), now());
    assert!(!memory.is_dead("u", now()));
    memory.failed("u", now());
    assert!(!memory.is_dead("u", after(BACK_OFF_MIN)), "the history is cleared, too");
}

#[test]
fn what_is_remembered_fades() {
    let mut memory = SourceMemory::default();
    memory.answered("u", silence(1400), now());
    assert_eq!(head_start(&memory, after(MEMORY_KEPT)), Duration::from_millis(2800));
    assert_eq!(head_start(&memory, after(MEMORY_KEPT + SECOND)), HEAD_START);
    memory.failed("v", after(MEMORY_KEPT + SECOND));
    assert_eq!(memory.len(), 1, "and is not kept");
    // The clock was set back by a year.
    let back = now().checked_sub(SignedDuration::from_hours(24 * 365)).unwrap();
    assert!(!memory.is_dead("v", back));
    assert_eq!(head_start(&memory, back), HEAD_START);
}

#[test]
fn busy_is_remembered_until_its_time_and_never_for_ever() {
    let mut memory = SourceMemory::default();
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
    let mut memory = SourceMemory::default();
    for number in 0..=SOURCES_REMEMBERED_MAX {
        memory.failed(&format!("u{number}"), after(number as u32 * Duration::from_millis(1)));
    }
    assert_eq!(memory.len(), SOURCES_REMEMBERED_MAX);
    assert!(!memory.is_dead("u0", after(SECOND)), "the oldest is forgotten");
    assert!(memory.is_dead("u1", after(3 * SECOND)));
}
