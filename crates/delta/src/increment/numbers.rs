//! Whole numbers of any size: how many bits they have is foreseen, the first bits too, the rest nearly not.

use super::model::Counter;
use super::range::BitCoder;

/// Observations after which old ones fade.
const LIMIT: u32 = 127;

/// Codes numbers below 2^32 in one of some contexts.
#[derive(Debug)]
pub(super) struct Number {
    /// By context: a tree over the count of bits (0–32).
    widths: Vec<[Counter; 64]>,
    /// By context and count of bits: the two bits below the highest.
    heads: Vec<[[Counter; 4]; 33]>,
    /// By count of bits: each bit below those.
    tails: Vec<[Counter; 32]>,
}

impl Number {
    pub(super) fn new(contexts: usize) -> Self {
        Self {
            widths: vec![[Counter::default(); 64]; contexts],
            heads: vec![[[Counter::default(); 4]; 33]; contexts],
            tails: vec![[Counter::default(); 32]; 33],
        }
    }

    /// Codes `value` in `context`.
    pub(super) fn code(&mut self, coder: &mut impl BitCoder, context: usize, value: u32) -> u32 {
        let width = u32::BITS - value.leading_zeros();
        let mut node = 1usize;
        for i in (0..6).rev() {
            let bit = self.widths[context][node].code(coder, width >> i & 1 == 1, LIMIT);
            node = node << 1 | usize::from(bit);
        }
        let width = (node as u32 & 63).min(32);
        if width < 2 {
            return width;
        }
        let mut read = 1u32;
        for i in (0..width - 1).rev() {
            let bit = value >> i & 1 == 1;
            let depth = width - 2 - i;
            let counter = match depth {
                0 => &mut self.heads[context][width as usize][1],
                1 => &mut self.heads[context][width as usize][(2 | read & 1) as usize],
                _ => &mut self.tails[width as usize][i as usize],
            };
            let bit = counter.code(coder, bit, LIMIT);
            read = read << 1 | u32::from(bit);
        }
        read
    }

    /// Codes a number that may be negative.
    pub(super) fn code_signed(&mut self, coder: &mut impl BitCoder, context: usize, value: i32) -> i32 {
        let folded = (value << 1 ^ value >> 31) as u32;
        let folded = self.code(coder, context, folded);
        (folded >> 1) as i32 ^ -((folded & 1) as i32)
    }
}
