//! The operations of a delta: literal bytes, then a copy from the base, each as a few coded numbers.

use std::ops::Range;

use super::numbers::Number;
use super::range_coder::BitCoder;

/// One operation: literal bytes, then a copy from the base.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Op {
    /// Bytes that no copy brings.
    pub(super) literal: u32,
    /// Bytes copied, some of which may be changed.
    pub(super) copy: u32,
    /// Where in the base they begin.
    pub(super) base: u32,
}

/// The parts of a base of `size` bytes that no copy brings, in order.
pub(super) fn left_out(ops: &[Op], size: u32) -> Vec<Range<u32>> {
    let mut copies: Vec<(u32, u32)> = ops.iter().map(|op| (op.base, op.copy)).collect();
    copies.sort_unstable();
    let mut parts = Vec::new();
    let mut end = 0;
    for (start, length) in copies {
        let start = start.min(size);
        if start > end {
            parts.push(end..start);
        }
        end = end.max(start.saturating_add(length).min(size));
    }
    if end < size {
        parts.push(end..size);
    }
    parts
}

/// What is written and what the base has where a number is coded; zeros where that is not known yet.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Around {
    /// The last eight bytes written, newest lowest.
    pub(super) last: u64,
    /// The next eight bytes of the base, first lowest.
    pub(super) expected: u64,
}

/// Codes ops, each after the one before, in the first so many of four contexts.
#[derive(Debug)]
pub(super) struct OpModel<const CONTEXTS: usize> {
    /// What every length and place is a multiple of: bytes of a record.
    unit: u32,
    literals: Number<CONTEXTS>,
    copies: Number<CONTEXTS>,
    moves: Number<CONTEXTS>,
    /// The op before.
    before: Op,
    /// Of the current operation: what the base has where its new bytes begin, and how many these are.
    anchor: u64,
    literal: u32,
}

fn width(n: u32) -> u64 {
    u64::from(u32::BITS - n.leading_zeros())
}

fn first<const N: usize>(contexts: [u64; 4]) -> [u64; N] {
    std::array::from_fn(|i| contexts[i])
}

impl<const CONTEXTS: usize> OpModel<CONTEXTS> {
    pub(super) fn new(unit: u32) -> Self {
        Self {
            unit: unit.max(1),
            literals: Number::new(),
            copies: Number::new(),
            moves: Number::new(),
            before: Op::default(),
            anchor: 0,
            literal: 0,
        }
    }

    /// Where the base goes on if nothing was left out of it.
    pub(super) fn base_end(&self) -> u32 {
        self.before.base.wrapping_add(self.before.copy)
    }

    /// Codes how many new bytes there are.
    pub(super) fn literal(&mut self, coder: &mut impl BitCoder, around: Around, literal: u32) -> u32 {
        self.anchor = around.expected & 0xffff_ffff_ffff;
        let contexts = [
            0,
            width(self.before.literal) << 8 | width(self.before.copy),
            self.anchor << 8 | around.last & 0xff,
            around.last & 0xffff_ffff,
        ];
        self.literal =
            self.literals.code(coder, first(contexts), literal / self.unit).saturating_mul(self.unit);
        self.literal
    }

    /// Codes where the copy begins and how long it is, after its new bytes.
    pub(super) fn copy(&mut self, coder: &mut impl BitCoder, around: Around, op: Op) -> Op {
        let literal = self.literal;
        let end = self.base_end();
        let size = u64::from(literal.min(255));
        let moved = (op.base.wrapping_sub(end) as i32)
            .wrapping_div(self.unit as i32)
            .wrapping_sub((literal / self.unit) as i32);
        let contexts = [
            0,
            width(literal) << 8 | width(self.before.copy),
            self.anchor << 8 | size,
            around.last & 0xffff_ffff | size << 32,
        ];
        let moved = self.moves.code_signed(coder, first(contexts), moved);
        let base = end.wrapping_add(literal).wrapping_add((moved as u32).wrapping_mul(self.unit));
        let contexts = [
            0,
            width(literal) << 32 | u64::from(moved.unsigned_abs().min(65535)),
            u64::from(self.before.copy) << 8 | size,
            around.last & 0xffff_ffff | width(self.before.copy) << 32,
        ];
        let copy = self.copies.code(coder, first(contexts), op.copy / self.unit).saturating_mul(self.unit);
        self.before = Op { literal, copy, base };
        self.before
    }
}
