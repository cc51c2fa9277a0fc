//! Comparing texts: what comes next is looked for nearby first.
//!
//! The longest match anywhere, which is what programs want, is often the wrong one in a text that repeats the same
//! thing a thousand times: going on behind the change costs less to code, and the next change is then in its place too.

use std::collections::HashMap;

use super::control::{Control, DeltaError, go_on};
use super::matching::{Index, STEPS_BETWEEN_LOOKS, alike};
use super::operations::Op;
use crate::limits::TEXT_EFFORT_MAX;

/// Bytes by which a place is looked up.
const KEY: usize = 8;
/// How far a change may reach for what follows to be looked for nearby.
const NEARBY: usize = 6000;
/// The same once [`TEXT_EFFORT_MAX`] is used up.
const NEARBY_TIRED: usize = 200;
/// Places with the same bytes that are looked at.
const ALIKE_MAX: usize = 12;
/// Fewest bytes of a match elsewhere.
const ELSEWHERE_MIN: usize = 40;

/// The value of matches, in quarters of a bit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Taste {
    /// A byte of a match.
    gain: i64,
    /// A new byte.
    new: i64,
    /// Any copy, in bits.
    cost: i64,
    /// Fewest bytes of a match.
    least: usize,
    /// Bytes from which on a match is as good as any.
    good: usize,
}

/// For texts of low entropy: they repeat themselves, and a copy costs as much as many new bytes.
pub(super) const REPETITIVE: Taste = Taste { gain: 2, new: 2, cost: 10, least: 12, good: 400 };

/// For texts of high entropy.
pub(super) const DENSE: Taste = Taste { gain: 8, new: 12, cost: 0, least: 12, good: 64 };

impl Taste {
    fn worth(&self, length: usize, skipped: usize) -> i64 {
        length as i64 * self.gain / 4 - self.new * skipped as i64 / 4 - self.cost
    }
}

/// The copies and new bytes that make `new` of the base.
pub(super) fn ops(
    taste: &Taste,
    index: &Index<'_>,
    base: &[u8],
    new: &[u8],
    control: &dyn Control,
) -> Result<Vec<Op>, DeltaError> {
    let mut ops = Vec::new();
    let (mut at, mut from) = (0usize, 0usize);
    let mut done = 0usize;
    let mut open = Op::default();
    let mut effort = 0;
    while at < new.len() {
        let length = alike(&base[from.min(base.len())..], &new[at..]);
        if length > 0 {
            if open.copy == 0 {
                open = Op { literal: (at - done) as u32, copy: 0, base: from as u32 };
            }
            open.copy += length as u32;
            at += length;
            from += length;
            done = at;
        }
        if open.copy > 0 {
            ops.push(std::mem::take(&mut open));
        }
        if at == new.len() {
            break;
        }
        go_on(control)?;
        let nearby = nearby(effort);
        effort += nearby as u64;
        let next = match next_nearby(taste, nearby, base, new, at, from) {
            Some(next) => Some(next),
            None => next_anywhere(index, new, at, from, control)?,
        };
        let Some(next) = next else { break };
        (at, from) = next;
    }
    if done < new.len() || ops.is_empty() {
        ops.push(Op { literal: (new.len() - done) as u32, copy: 0, base: from as u32 });
    }
    Ok(ops)
}

/// How far is looked after so many bytes were looked through.
fn nearby(effort: u64) -> usize {
    if effort < TEXT_EFFORT_MAX { NEARBY } else { NEARBY_TIRED }
}

/// Where both go on alike not far behind a difference at `at` and `from`.
fn next_nearby(
    taste: &Taste,
    nearby: usize,
    base: &[u8],
    new: &[u8],
    at: usize,
    from: usize,
) -> Option<(usize, usize)> {
    let near_base = &base[from.min(base.len())..base.len().min(from + nearby)];
    let near_new = &new[at..new.len().min(at + nearby)];
    let mut places: HashMap<&[u8], Vec<usize>> = HashMap::new();
    for (place, key) in near_base.windows(KEY).enumerate() {
        let places = places.entry(key).or_default();
        if places.len() < ALIKE_MAX {
            places.push(place);
        }
    }
    // What a match brings, in bits: its length, less the new bytes before it and the bytes of the base left out.
    let mut best: Option<(i64, usize, usize)> = None;
    for (skipped, key) in near_new.windows(KEY).enumerate() {
        if best.is_some_and(|(score, ..)| score >= taste.worth(taste.good, skipped)) {
            break;
        }
        for &place in places.get(key).into_iter().flatten() {
            let length = alike(&base[from + place..], &new[at + skipped..]).min(taste.good);
            let score = taste.worth(length, skipped) - 2 * i64::from((place + 1).ilog2());
            if length >= taste.least.min(new.len() - at) && best.is_none_or(|(before, ..)| score > before) {
                best = Some((score, skipped, place));
            }
        }
    }
    best.filter(|(score, ..)| *score > 0).map(|(_, skipped, place)| (at + skipped, from + place))
}

/// The next place from `at` on that is alike one anywhere in the base.
fn next_anywhere(
    index: &Index<'_>,
    new: &[u8],
    at: usize,
    from: usize,
    control: &dyn Control,
) -> Result<Option<(usize, usize)>, DeltaError> {
    for (skipped, at) in (at..new.len()).enumerate() {
        if skipped % STEPS_BETWEEN_LOOKS == 0 {
            go_on(control)?;
        }
        let (place, length) = index.longest(&new[at..], (from + skipped) as i64);
        if length >= ELSEWHERE_MIN {
            return Ok(Some((at, place)));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encoder_looks_less_far_once_its_effort_is_used_up() {
        let check = |effort: u64, expected: usize| assert_eq!(nearby(effort), expected, "{effort}");
        check(0, NEARBY);
        check(TEXT_EFFORT_MAX - 1, NEARBY);
        check(TEXT_EFFORT_MAX, NEARBY_TIRED);
    }
}
