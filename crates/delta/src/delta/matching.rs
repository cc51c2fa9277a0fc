//! Finding what of the new file the base has: suffix sorting, then the approximate matching of bsdiff.
//!
//! A copy may have some bytes that differ: code that moved is the same but for the addresses in it. So a match is
//! extended as long as at least half of the further bytes are alike.

use std::ops::Range;

use super::control::{Control, DeltaError, go_on};
use super::operations::Op;
use super::suffix_array;

/// Steps between two looks at whether the encoding was cancelled.
pub(super) const STEPS_BETWEEN_LOOKS: usize = 1 << 12;

/// A base, sorted by what follows each position.
pub(super) struct Index<'a> {
    base: &'a [u8],
    sorted: Vec<u32>,
    /// Where the suffixes with each first two bytes begin.
    starts: Vec<u32>,
}

impl<'a> Index<'a> {
    pub(super) fn new(base: &'a [u8], control: &dyn Control) -> Result<Self, DeltaError> {
        let sorted = suffix_array::sorted(base, control)?;
        let mut starts = vec![0u32; (1 << 16) + 1];
        let key =
            |at: usize| usize::from(base[at]) << 8 | usize::from(base.get(at + 1).copied().unwrap_or(0));
        for at in 0..base.len() {
            starts[key(at) + 1] += 1;
        }
        for i in 0..1 << 16 {
            starts[i + 1] += starts[i];
        }
        Ok(Self { base, sorted, starts })
    }

    /// The longest match of the start of `wanted`: where in the base, and how long; of equally long ones among a
    /// few, the one nearest to `near`.
    pub(super) fn longest(&self, wanted: &[u8], near: i64) -> (usize, usize) {
        if wanted.len() < 2 {
            return (0, 0);
        }
        let key = usize::from(wanted[0]) << 8 | usize::from(wanted[1]);
        let (first, last) = (self.starts[key] as usize, self.starts[key + 1] as usize);
        if first == last {
            return (0, 0);
        }
        // Invariant: every suffix before `low` is less than `wanted`, none from `high` on is.
        let (mut low, mut high) = (first, last);
        let (mut alike_low, mut alike_high) = (0, 0);
        let mut best = (0, 0, 0);
        while low < high {
            let middle = low + (high - low) / 2;
            let at = self.sorted[middle] as usize;
            let skip = alike_low.min(alike_high);
            let length = skip + alike(&self.base[at + skip..], &wanted[skip..]);
            if length > best.1 {
                best = (at, length, middle);
            }
            if at + length < self.base.len()
                && (length == wanted.len() || self.base[at + length] > wanted[length])
            {
                high = middle;
                alike_high = length;
            } else {
                low = middle + 1;
                alike_low = length;
            }
        }
        self.nearest(best, near)
    }

    fn nearest(&self, (at, length, middle): (usize, usize, usize), near: i64) -> (usize, usize) {
        const LOOKED_AT: usize = 24;
        if length < 4 {
            return (at, length);
        }
        let pattern = &self.base[at..at + length];
        let mut chosen = at;
        let distance = |at: usize| (at as i64 - near).abs();
        let around = self.sorted[middle.saturating_sub(LOOKED_AT)..middle].iter().rev();
        for other in [
            &mut around.into_iter() as &mut dyn Iterator<Item = &u32>,
            &mut self.sorted[middle + 1..].iter().take(LOOKED_AT),
        ] {
            for &other in other {
                let other = other as usize;
                if !self.base[other..].starts_with(pattern) {
                    break;
                }
                if distance(other) < distance(chosen) {
                    chosen = other;
                }
            }
        }
        (chosen, length)
    }
}

/// Bytes alike at the start of both.
pub(super) fn alike(a: &[u8], b: &[u8]) -> usize {
    let whole = a.chunks_exact(8).zip(b.chunks_exact(8)).take_while(|(a, b)| a == b).count() * 8;
    whole + a[whole..].iter().zip(&b[whole..]).take_while(|(a, b)| a == b).count()
}

/// The copies and new bytes that make `new` of the base. A match elsewhere is taken when it has `advantage` bytes more
/// than going on where we are.
pub(super) fn ops(
    index: &Index<'_>,
    new: &[u8],
    advantage: i64,
    control: &dyn Control,
) -> Result<Vec<Op>, DeltaError> {
    let base = index.base;
    let mut found = Vec::new();
    let at_offset = |scan: usize, offset: i64| {
        usize::try_from(scan as i64 + offset).ok().and_then(|at| base.get(at).copied())
    };
    let (mut scan, mut length, mut position) = (0usize, 0usize, 0usize);
    let (mut last_scan, mut last_position, mut offset) = (0usize, 0usize, 0i64);
    let mut steps = 0;
    let mut done = 0usize;
    while scan < new.len() {
        let mut old_score = 0i64;
        scan += length;
        let mut scored = scan;
        while scan < new.len() {
            steps += 1;
            if steps % STEPS_BETWEEN_LOOKS == 0 {
                go_on(control)?;
            }
            (position, length) = index.longest(&new[scan..], scan as i64 + offset);
            while scored < scan + length {
                old_score += i64::from(at_offset(scored, offset) == Some(new[scored]));
                scored += 1;
            }
            if length > 0 && length as i64 == old_score || length as i64 > old_score + advantage {
                break;
            }
            old_score -= i64::from(at_offset(scan, offset) == Some(new[scan]));
            scan += 1;
        }
        if length as i64 != old_score || scan == new.len() {
            let mut forward =
                extended((last_scan..scan).map(|i| (i, last_position + i - last_scan)), new, base);
            let mut backward = 0;
            if scan < new.len() {
                let pairs = (1..=(scan - last_scan).min(position)).map(|i| (scan - i, position - i));
                backward = extended(pairs, new, base);
            }
            if last_scan + forward > scan - backward {
                let overlap = last_scan + forward - (scan - backward);
                let ends = (last_scan + forward - overlap, last_position + forward - overlap);
                let kept = parted(overlap, ends, (scan - backward, position - backward), new, base);
                forward = forward - overlap + kept;
                backward -= kept;
            }
            if forward > 0 {
                found.push(Op {
                    literal: (last_scan - done) as u32,
                    copy: forward as u32,
                    base: last_position as u32,
                });
                done = last_scan + forward;
            }
            last_scan = scan - backward;
            last_position = position.wrapping_sub(backward);
            offset = position as i64 - scan as i64;
        }
    }
    if done < new.len() || found.is_empty() {
        found.push(Op { literal: (new.len() - done) as u32, copy: 0, base: 0 });
    }
    Ok(found)
}

/// `ops` with copies that begin and end at whole words where the new file has `code`: part of a word is no gain.
pub(super) fn in_words(ops: Vec<Op>, code: &[Range<u32>]) -> Vec<Op> {
    if code.is_empty() {
        return ops;
    }
    let whole = |at: u32| match code.iter().find(|code| code.contains(&at)) {
        Some(code) => (code.start + (at - code.start).next_multiple_of(4)).min(code.end),
        None => at,
    };
    let mut kept = Vec::with_capacity(ops.len());
    let (mut at, mut done) = (0, 0);
    for op in ops {
        let start = at + op.literal;
        at = start + op.copy;
        let (first, end) = (whole(start), whole(at));
        if end > first {
            kept.push(Op { literal: first - done, copy: end - first, base: op.base + (first - start) });
            done = end;
        }
    }
    if done < at || kept.is_empty() {
        kept.push(Op { literal: at - done, copy: 0, base: 0 });
    }
    kept
}

/// How many of the bytes that two matches claim the first should keep; of each, where the overlap is in both files.
fn parted(overlap: usize, first: (usize, usize), second: (usize, usize), new: &[u8], base: &[u8]) -> usize {
    let (mut score, mut best, mut kept) = (0i64, 0i64, 0usize);
    for i in 0..overlap {
        score += i64::from(base.get(first.1 + i) == Some(&new[first.0 + i]));
        score -= i64::from(base.get(second.1 + i) == Some(&new[second.0 + i]));
        if score > best {
            best = score;
            kept = i + 1;
        }
    }
    kept
}

/// How far along `pairs` of places most bytes are alike.
fn extended(pairs: impl Iterator<Item = (usize, usize)>, new: &[u8], base: &[u8]) -> usize {
    let (mut alike, mut best_score, mut best) = (0i64, 0i64, 0usize);
    for (i, (at_new, at_base)) in pairs.enumerate() {
        let Some(byte) = base.get(at_base) else { break };
        alike += i64::from(*byte == new[at_new]);
        let score = alike * 2 - (i as i64 + 1);
        if score > best_score {
            best_score = score;
            best = i + 1;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_begin_and_end_at_whole_words_of_code() {
        let check = |name: &str, code: Range<u32>, ops: &[(u32, u32, u32)], wanted: &[(u32, u32, u32)]| {
            let op = |&(literal, copy, base): &(u32, u32, u32)| Op { literal, copy, base };
            let made = in_words(ops.iter().map(op).collect(), &[code]);
            assert_eq!(made, wanted.iter().map(op).collect::<Vec<_>>(), "{name}");
        };
        check("elsewhere", 100..200, &[(3, 5, 7), (1, 9, 0)], &[(3, 5, 7), (1, 9, 0)]);
        check("whole words", 0..100, &[(4, 8, 40), (4, 4, 0)], &[(4, 8, 40), (4, 4, 0)]);
        check("parts of words", 0..100, &[(3, 15, 43), (5, 8, 3)], &[(4, 16, 44), (4, 8, 4)]);
        check("words from where the code begins", 2..90, &[(3, 15, 43)], &[(6, 12, 46)]);
        check("the end of the code", 0..15, &[(0, 14, 0), (6, 4, 90)], &[(0, 15, 0), (5, 4, 90)]);
        check("less than a word", 0..100, &[(5, 2, 9), (9, 4, 0)], &[(16, 4, 0)]);
        check("nothing is left", 0..100, &[(5, 2, 9), (1, 0, 0)], &[(8, 0, 0)]);
        check("two in a word", 0..100, &[(0, 5, 0), (0, 9, 81)], &[(0, 8, 0), (0, 8, 84)]);
        check("an end that copies claim", 0..7, &[(1, 5, 1), (0, 9, 30)], &[(4, 3, 4), (0, 8, 31)]);
    }
}
