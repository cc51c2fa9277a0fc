//! What is remembered of sources between runs: which failed lately, and which asked to be left alone for a while.
//!
//! Memory shortens the wait for a source that keeps failing; it never changes the order (P7). Pure: `now` is an
//! argument, and the caller keeps the value between runs.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::limits::{BACK_OFF_MAX, BACK_OFF_MIN, BACK_OFF_SOURCES_MAX};

/// Sources that failed or were busy, by base URL.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackOff {
    sources: BTreeMap<String, Memory>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Memory {
    /// Failures since the last success.
    failures: u32,
    /// Remembered as failing until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failing_until: Option<Timestamp>,
    /// Not to be asked before then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    busy_until: Option<Timestamp>,
}

impl BackOff {
    /// Is the source remembered as failing at `now`?
    pub fn is_failing(&self, url: &str, now: Timestamp) -> bool {
        self.sources.get(url).and_then(|memory| memory.failing_until).is_some_and(|until| now < until)
    }

    /// How long the source wants to be left alone from `now` on; `None` if it may be asked.
    ///
    /// A time further off than [`BACK_OFF_MAX`] was remembered under a clock that has since been set back: it does
    /// not count.
    pub fn busy_for(&self, url: &str, now: Timestamp) -> Option<Duration> {
        let until = self.sources.get(url)?.busy_until?;
        let left = Duration::try_from(until.duration_since(now)).ok()?;
        (!left.is_zero() && left <= BACK_OFF_MAX).then_some(left)
    }

    /// The source failed: 1 minute, doubling to 1 hour.
    pub fn failed(&mut self, url: &str, now: Timestamp) {
        let memory = self.memory(url, now);
        let doubled = BACK_OFF_MIN.saturating_mul(1 << memory.failures.min(16));
        memory.failures = memory.failures.saturating_add(1);
        memory.failing_until = Some(later(now, doubled.min(BACK_OFF_MAX)));
    }

    /// The source is busy for `wait`, as it answered.
    pub fn busy(&mut self, url: &str, wait: Duration, now: Timestamp) {
        self.memory(url, now).busy_until = Some(later(now, wait.min(BACK_OFF_MAX)));
    }

    /// The source answered well: nothing is held against it.
    pub fn succeeded(&mut self, url: &str) {
        self.sources.remove(url);
    }

    /// Sources remembered.
    pub fn len(&self) -> usize {
        self.sources.len()
    }

    /// Is nothing remembered?
    pub fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    fn memory(&mut self, url: &str, now: Timestamp) -> &mut Memory {
        if self.sources.len() >= BACK_OFF_SOURCES_MAX && !self.sources.contains_key(url) {
            self.sources.retain(|_, memory| {
                memory.failing_until.max(memory.busy_until).is_some_and(|until| until > now)
            });
            if self.sources.len() >= BACK_OFF_SOURCES_MAX {
                self.sources.pop_first();
            }
        }
        self.sources.entry(url.to_owned()).or_default()
    }
}

fn later(now: Timestamp, wait: Duration) -> Timestamp {
    let wait = SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX);
    now.checked_add(wait).unwrap_or(Timestamp::MAX)
}
