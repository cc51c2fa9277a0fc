//! What became of an address: where the copies put it, or what an earlier field taught.

use std::collections::BinaryHeap;

use super::elf::{Layout, Segment};
use super::fields::{Field, Fields, Origin};
use super::operations::Op;

/// How a prediction came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// The target was copied.
    Copied,
    /// It was not; what was before it was.
    Near,
    /// Another field with this target taught it.
    Learned,
}

/// How many [`Source`]s there are.
pub(super) const SOURCES: usize = Source::Learned as usize + 1;

/// Slots of what was learned.
const LEARNED: usize = 1 << 16;

/// The way from addresses of the base to those of the new file.
#[derive(Debug)]
pub(super) struct Addresses {
    pieces: Vec<Piece>,
    index: Index,
    segments: Vec<Segment>,
    new_segments: Vec<Segment>,
    /// Addresses that fields are relative to, and what became of them.
    origins: Vec<(u64, u64)>,
    learned: Vec<(u64, u64)>,
}

#[derive(Debug, Clone, Copy)]
struct Piece {
    start: u64,
    length: u64,
    new: u64,
}

impl Addresses {
    pub(super) fn new(fields: &Fields, new_segments: Vec<Segment>, ops: &[Op]) -> Self {
        let segments = fields.layout().segments.clone();
        let mut pieces = Vec::with_capacity(ops.len() + segments.len());
        let mut at = 0u64;
        for op in ops {
            at += u64::from(op.literal);
            let start = address(&segments, u64::from(op.base));
            if let (Some(start), Some(new)) = (start, address(&new_segments, at))
                && op.copy > 0
            {
                pieces.push(Piece { start, length: u64::from(op.copy), new });
            }
            at += u64::from(op.copy);
        }
        // What is only zeros in memory is in no copy.
        for (old, new) in segments.iter().zip(&new_segments) {
            if old.memory_size > old.file_size {
                pieces.push(Piece {
                    start: old.address.wrapping_add(old.file_size),
                    length: old.memory_size - old.file_size,
                    new: new.address.wrapping_add(new.file_size),
                });
            }
        }
        let learned = vec![(u64::MAX, 0); LEARNED];
        let pieces = longest(pieces);
        let index = Index::new(&pieces);
        let mut addresses = Self { pieces, index, segments, new_segments, origins: Vec::new(), learned };
        let moved = |origin: &u64| (*origin, if *origin == 0 { 0 } else { addresses.map(*origin).0 });
        addresses.origins = fields.origins().iter().map(moved).collect();
        addresses
    }

    /// The value that `field` with value `old` has when it stands at `new_at` of the new file.
    pub(super) fn predict(&self, field: &Field, old: u64, new_at: u64) -> Option<Prediction> {
        let (old_origin, new_origin) = match field.origin {
            Origin::Itself(tail) => (
                address(&self.segments, u64::from(field.at))?.wrapping_add(u64::from(tail)),
                address(&self.new_segments, new_at)?.wrapping_add(u64::from(tail)),
            ),
            Origin::Listed(listed) => self.origins[usize::from(listed)],
            Origin::Word(_) => return None,
        };
        let target = old_origin.wrapping_add(old);
        let (new_target, source) = self.follow(target);
        Some(Prediction { value: new_target.wrapping_sub(new_origin), new_origin, target, source })
    }

    /// Where what was at `target` likely is.
    pub(super) fn follow(&self, target: u64) -> (u64, Source) {
        let learned = self.learned[slot(target)];
        if learned.0 == target { (learned.1, Source::Learned) } else { self.map(target) }
    }

    /// Learns that a field was another than predicted.
    pub(super) fn learn(&mut self, prediction: &Prediction, value: u64) {
        self.moved(prediction.target, prediction.new_origin.wrapping_add(value));
    }

    /// Learns where `target` went.
    pub(super) fn moved(&mut self, target: u64, new_target: u64) {
        self.learned[slot(target)] = (target, new_target);
    }

    /// The addresses of a place in the base and of one in the new file.
    pub(super) fn places(&self, at: u64, new_at: u64) -> Option<(u64, u64)> {
        Some((address(&self.segments, at)?, address(&self.new_segments, new_at)?))
    }

    fn map(&self, target: u64) -> (u64, Source) {
        let (low, high) = self.index.around(target);
        let after = low + self.pieces[low..high].partition_point(|piece| piece.start <= target);
        let Some(piece) = after.checked_sub(1).map(|before| self.pieces[before]) else {
            return (target, Source::Near);
        };
        let source = if target - piece.start < piece.length { Source::Copied } else { Source::Near };
        (piece.new.wrapping_add(target - piece.start), source)
    }
}

/// Which pieces to look among for an address: how many begin before each of at most 2^16 steps of addresses.
#[derive(Debug)]
struct Index {
    start: u64,
    step_log: u32,
    before: Vec<u32>,
}

impl Index {
    fn new(pieces: &[Piece]) -> Self {
        let start = pieces.first().map_or(0, |piece| piece.start);
        let span = pieces.last().map_or(0, |piece| piece.start - start);
        let step_log = (u64::BITS - span.leading_zeros()).saturating_sub(16);
        let mut before = Vec::new();
        for (i, piece) in pieces.iter().enumerate() {
            let step = ((piece.start - start) >> step_log) as usize;
            if before.len() <= step {
                before.resize(step + 1, i as u32);
            }
        }
        before.push(pieces.len() as u32);
        Self { start, step_log, before }
    }

    /// Of the pieces that begin at `target` or before, the last is from the first of these on and before the second.
    fn around(&self, target: u64) -> (usize, usize) {
        let last = self.before.len() - 1;
        let step = target.saturating_sub(self.start) >> self.step_log;
        let step = last.min(usize::try_from(step).unwrap_or(last));
        (self.before[step] as usize, self.before[last.min(step + 1)] as usize)
    }
}

/// The pieces without overlaps: where several claim an address, the longest has it.
///
/// What is left of each is in one part, so that the pieces kept take the room of those that were looked at.
fn longest(mut pieces: Vec<Piece>) -> Vec<Piece> {
    pieces.sort_by_key(|piece| (piece.start, u64::MAX - piece.length));
    let mut open: BinaryHeap<(u64, u64, u64)> = BinaryHeap::with_capacity(pieces.len());
    let (mut next, mut kept) = (0, 0);
    let mut at = 0;
    while next < pieces.len() || !open.is_empty() {
        while let Some(piece) = pieces.get(next).filter(|piece| piece.start <= at) {
            open.push((piece.length, piece.start, piece.new));
            next += 1;
        }
        let begins = pieces.get(next).map_or(u64::MAX, |piece| piece.start);
        let Some(&(length, start, new)) = open.peek() else {
            at = begins;
            continue;
        };
        let end = start.saturating_add(length).min(begins);
        if end <= at {
            open.pop();
            continue;
        }
        let piece = Piece { start: at, length: end - at, new: new.wrapping_add(at - start) };
        match pieces[..kept].last_mut() {
            Some(last)
                if last.start + last.length == at && last.new.wrapping_add(last.length) == piece.new =>
            {
                last.length += piece.length;
            }
            _ => {
                pieces[kept] = piece;
                kept += 1;
            }
        }
        at = end;
    }
    pieces.truncate(kept);
    pieces
}

/// A field's likely value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Prediction {
    pub(super) value: u64,
    pub(super) source: Source,
    new_origin: u64,
    target: u64,
}

fn slot(target: u64) -> usize {
    (target.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 48) as usize
}

pub(super) fn address(segments: &[Segment], offset: u64) -> Option<u64> {
    let segment = segments.iter().find(|s| offset >= s.offset && offset - s.offset < s.file_size)?;
    Some(segment.address.wrapping_add(offset - segment.offset))
}

impl Layout {
    /// Where in the file that address is.
    pub(super) fn offset(&self, address: u64) -> Option<u64> {
        let segment =
            self.segments.iter().find(|s| address >= s.address && address - s.address < s.file_size)?;
        Some(segment.offset.wrapping_add(address - segment.address))
    }

    /// Whether there is something at `address` when the program runs.
    pub(super) fn contains(&self, address: u64) -> bool {
        self.segments.iter().any(|s| address >= s.address && address - s.address <= s.memory_size)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_longest_piece_has_an_address(
            claims in proptest::collection::vec((0u64..60, 1u64..30, 0u64..9), 0..40),
            first in prop_oneof![Just(0), Just(u64::MAX - 70)],
        ) {
            let piece = |&(start, length, new): &(u64, u64, u64)| Piece { start: first + start, length, new };
            let claims: Vec<Piece> = claims.iter().map(piece).collect();
            let kept = longest(claims.clone());
            prop_assert!(kept.len() <= claims.len());
            prop_assert!(kept.windows(2).all(|pair| pair[0].start + pair[0].length <= pair[1].start));
            let new = |pieces: &[Piece], at: u64| {
                let having = pieces.iter().filter(|piece| at >= piece.start && at - piece.start < piece.length);
                let best = having.max_by_key(|piece| (piece.length, piece.start, piece.new));
                best.map(|piece| piece.new.wrapping_add(at - piece.start))
            };
            for at in first..first + 70 {
                prop_assert_eq!(new(&kept, at), new(&claims, at), "{}", at - first);
            }
        }
    }
}
