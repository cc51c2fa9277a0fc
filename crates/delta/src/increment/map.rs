//! Which parts of the base stand where in the new file.

use super::numbers::Number;
use super::range::BitCoder;

/// New bytes, then a stretch of the base.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Op {
    /// Bytes that no copy brings.
    pub(super) literal: u32,
    /// Bytes copied, some of which may be changed.
    pub(super) copy: u32,
    /// Where in the base they begin.
    pub(super) base: u32,
}

/// Codes ops, each after the one before.
#[derive(Debug)]
pub(super) struct OpModel {
    literals: Number,
    copies: Number,
    moves: Number,
    before: Op,
}

impl OpModel {
    pub(super) fn new() -> Self {
        Self {
            literals: Number::new(4),
            copies: Number::new(16),
            moves: Number::new(16),
            before: Op::default(),
        }
    }

    pub(super) fn code(&mut self, coder: &mut impl BitCoder, op: Op) -> Op {
        let end = self.before.base.wrapping_add(self.before.copy);
        let size_context = |n: u32| (u32::BITS - n.leading_zeros()).div_ceil(2).min(7) as usize;
        let literal = self.literals.code(coder, size_context(self.before.literal).min(3), op.literal);
        let moved = op.base.wrapping_sub(end.wrapping_add(literal)) as i32;
        let moved = self.moves.code_signed(coder, size_context(literal), moved);
        let copy = self.copies.code(coder, size_context(literal), op.copy);
        let op = Op { literal, copy, base: end.wrapping_add(literal).wrapping_add(moved as u32) };
        self.before = op;
        op
    }
}
