//! What is remembered of sources between runs: how long each needs, which are dead, and which asked to be left alone.
//!
//! From it follows the head start that a source has before the next is started beside it (P9):
//!
//! * a source of which nothing is known: [`HeadStarts::first`];
//! * one that has answered: twice as long as it usually needs, within limits;
//! * one that lost its last race, because it was slower than its head start: the same again, doubled, in the next run.
//!   Only if it loses there too, without having answered in between, it is remembered as dead;
//! * one that is dead, or lost in this run: [`HeadStarts::dead`].
//!
//! An answer clears what is held against a source, at whatever speed it came, and time clears the rest. Memory shortens
//! or extends the wait for a source; it never changes the order (P7). Pure: `now` is an argument, and the caller keeps
//! the value between runs.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::limits::{
    BACK_OFF_MAX, BACK_OFF_MIN, MEMORY_KEPT, RACES_LOST_MAX, SOURCES_REMEMBERED_MAX, USUAL_WEIGHT,
};

/// Sources by base URL.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceMemory {
    sources: BTreeMap<String, Remembered>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Remembered {
    /// Failures since the last answer.
    #[serde(default)]
    failures: u32,
    /// Runs in which it lost since the last answer.
    #[serde(default)]
    races_lost: u32,
    /// It lost in this run: not kept for the next.
    #[serde(skip)]
    lost_now: bool,
    /// Remembered as dead until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dead_until: Option<Timestamp>,
    /// Not to be asked before then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    busy_until: Option<Timestamp>,
    /// What it usually needs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    usual: Option<SourcePace>,
    /// When something was last learnt of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    learnt: Option<Timestamp>,
}

/// How fast a source answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourcePace {
    /// The longest time without a byte, from the first request on.
    pub silence: Duration,
    /// The whole time.
    pub total: Duration,
}

/// What head starts are made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeadStarts {
    /// For a source of which nothing is known.
    pub first: SourcePace,
    /// For one that is dead: silence.
    pub dead: Duration,
    /// The shortest for one that has answered: silence.
    pub min: Duration,
    /// The longest for any.
    pub max: SourcePace,
}

impl SourceMemory {
    /// How long a source may keep the next one waiting.
    pub fn head_start(&self, url: &str, head_starts: &HeadStarts, now: Timestamp) -> SourcePace {
        let HeadStarts { first, dead, min, max } = *head_starts;
        let dead = SourcePace { silence: dead, total: first.total };
        let Some(source) = self.sources.get(url).filter(|source| !source.has_faded(now)) else {
            return first;
        };
        // Of one that is known to answer, a single lost race says little, even in the same run.
        let lost_now = source.lost_now && (source.usual.is_none() || source.races_lost > 1);
        if source.is_dead(now) || lost_now {
            return dead;
        }
        let base = source.usual.map_or(first, |usual| SourcePace {
            silence: (usual.silence * 2).max(min),
            total: (usual.total * 2).max(first.total),
        });
        let doubled = if source.races_lost > 0 && !source.lost_now { 2 } else { 1 };
        SourcePace {
            silence: (base.silence * doubled).min(max.silence),
            total: (base.total * doubled).min(max.total),
        }
    }

    /// Is the source remembered as dead at `now`?
    pub fn is_dead(&self, url: &str, now: Timestamp) -> bool {
        self.sources.get(url).is_some_and(|source| source.is_dead(now))
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

    /// The source answered well, in that time: nothing is held against it.
    pub fn answered(&mut self, url: &str, pace: SourcePace, now: Timestamp) {
        let source = self.source(url, now);
        let usual = source.usual.map_or(pace, |usual| usual.towards(pace));
        *source = Remembered { usual: Some(usual), learnt: Some(now), ..Remembered::default() };
    }

    /// The source gave content: nothing is held against it.
    pub fn gave(&mut self, url: &str) {
        if let Some(source) = self.sources.get_mut(url) {
            *source = Remembered { usual: source.usual, learnt: source.learnt, ..Remembered::default() };
        }
    }

    /// The source was slower than its head start, and another was taken. That is no failure; it is one if it happens in
    /// run after run.
    pub fn lost(&mut self, url: &str, now: Timestamp) {
        let source = self.source(url, now);
        // Within the short time that a dead source has, losing says nothing new; and of one run, one race counts.
        if source.is_dead(now) || (source.lost_now && source.races_lost > 1) {
            return;
        }
        source.learnt = Some(now);
        if source.lost_now {
            // It was known to answer, and lost twice in this run.
            source.races_lost += 1;
            return;
        }
        source.lost_now = true;
        source.races_lost = source.races_lost.saturating_add(1);
        if source.races_lost >= RACES_LOST_MAX {
            source.fail(now);
        }
    }

    /// The source failed: dead for 1 minute, doubling to 1 hour.
    pub fn failed(&mut self, url: &str, now: Timestamp) {
        self.source(url, now).fail(now);
    }

    /// The source is busy for `wait`, as it answered.
    pub fn busy(&mut self, url: &str, wait: Duration, now: Timestamp) {
        let source = self.source(url, now);
        source.busy_until = Some(later(now, wait.min(BACK_OFF_MAX)));
        source.learnt = Some(now);
    }

    /// Sources remembered.
    pub fn len(&self) -> usize {
        self.sources.len()
    }

    /// Is nothing remembered?
    pub fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    fn source(&mut self, url: &str, now: Timestamp) -> &mut Remembered {
        self.sources.retain(|_, source| !source.has_faded(now));
        if self.sources.len() >= SOURCES_REMEMBERED_MAX && !self.sources.contains_key(url) {
            let oldest = self.sources.iter().min_by_key(|(_, source)| source.learnt);
            if let Some(oldest) = oldest.map(|(url, _)| url.clone()) {
                self.sources.remove(&oldest);
            }
        }
        self.sources.entry(url.to_owned()).or_default()
    }
}

impl Remembered {
    fn is_dead(&self, now: Timestamp) -> bool {
        // As for a busy one: what a clock that was ahead wrote does not count.
        let left = self.dead_until.and_then(|until| Duration::try_from(until.duration_since(now)).ok());
        left.is_some_and(|left| !left.is_zero() && left <= BACK_OFF_MAX)
    }

    /// Is it so old that it says nothing any more? A time that is as far ahead was noted
    /// under another clock.
    fn has_faded(&self, now: Timestamp) -> bool {
        let Some(learnt) = self.learnt else { return false };
        now.duration_since(learnt).unsigned_abs() > MEMORY_KEPT
    }

    fn fail(&mut self, now: Timestamp) {
        let doubled = BACK_OFF_MIN.saturating_mul(1 << self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        self.dead_until = Some(later(now, doubled.min(BACK_OFF_MAX)));
        self.learnt = Some(now);
    }
}

impl SourcePace {
    /// A part of the way to what was seen last: one slow answer does not make a slow source.
    fn towards(self, seen: Self) -> Self {
        let mean = |usual: Duration, seen: Duration| (usual * (USUAL_WEIGHT - 1) + seen) / USUAL_WEIGHT;
        Self { silence: mean(self.silence, seen.silence), total: mean(self.total, seen.total) }
    }
}

fn later(now: Timestamp, wait: Duration) -> Timestamp {
    let wait = SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX);
    now.checked_add(wait).unwrap_or(Timestamp::MAX)
}
