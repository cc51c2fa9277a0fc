//! Whole numbers of any size: how many bits they have is predicted, and then each bit from the highest on, by all the
//! contexts in which the number stands. Where there is but one, its counters are taken at their word.

use super::mixing::{Counter, Mixer, filled, squash, stretch};
use super::range_coder::BitCoder;

/// Observations after which old ones fade.
const LIMIT: u32 = 127;

/// Inputs mixed: the contexts, a constant, and others that are nothing.
const INPUTS: usize = 8;
const TABLE_LOG: u32 = 14;

/// Bits below the highest that are predicted by those above them and by the contexts; the others are as good as chance.
const HEAD: u32 = 5;

/// Codes numbers below 2^32 that stand in so many contexts.
#[derive(Debug)]
pub(super) struct Number<const CONTEXTS: usize> {
    tables: Box<[[Counter; 1 << TABLE_LOG]; CONTEXTS]>,
    /// For the bits below the [`HEAD`].
    tail: Box<[Counter; 64 << 5]>,
    mixer: Mixer<INPUTS, 128>,
}

impl<const CONTEXTS: usize> Number<CONTEXTS> {
    pub(super) fn new() -> Self {
        Self {
            tables: filled([Counter::default(); 1 << TABLE_LOG]),
            tail: filled(Counter::default()),
            mixer: Mixer::new(2750, 6),
        }
    }

    /// Codes `value`, which stands in `contexts`, from the vaguest to the most exact.
    pub(super) fn code(&mut self, coder: &mut impl BitCoder, contexts: [u64; CONTEXTS], value: u32) -> u32 {
        let width = u32::BITS - value.leading_zeros();
        let mut node = 1u32;
        for i in (0..6).rev() {
            let bit = self.bit(coder, &contexts, u64::from(node), node as usize, width >> i & 1 == 1);
            node = node << 1 | u32::from(bit);
        }
        let width = (node & 63).min(32);
        if width < 2 {
            return width;
        }
        let mut read = 1u32;
        for i in (0..width - 1).rev() {
            let depth = width - 1 - i;
            let bit = value >> i & 1 == 1;
            let bit = if depth <= HEAD {
                let node = u64::from(width) << 40 | u64::from(i) << 33 | 1 << 32 | u64::from(read);
                self.bit(coder, &contexts, node, 64 + depth as usize, bit)
            } else {
                self.tail[(width << 5 | i) as usize].code(coder, bit, LIMIT)
            };
            read = read << 1 | u32::from(bit);
        }
        read
    }

    /// Codes a number that may be negative.
    pub(super) fn code_signed(
        &mut self,
        coder: &mut impl BitCoder,
        contexts: [u64; CONTEXTS],
        value: i32,
    ) -> i32 {
        let folded = (value << 1 ^ value >> 31) as u32;
        let folded = self.code(coder, contexts, folded);
        (folded >> 1) as i32 ^ -((folded & 1) as i32)
    }

    fn bit(
        &mut self,
        coder: &mut impl BitCoder,
        contexts: &[u64; CONTEXTS],
        node: u64,
        depth: usize,
        bit: bool,
    ) -> bool {
        if CONTEXTS == 1 {
            return self.tables[0][slot(contexts[0], node)].code(coder, bit, LIMIT);
        }
        let mut at = [0; CONTEXTS];
        let mut inputs = [0; INPUTS];
        for (k, context) in contexts.iter().enumerate() {
            at[k] = slot(*context, node);
            let counter = self.tables[k][at[k]];
            inputs[k] = (stretch(counter.p()) * counter.trust()) >> 4;
        }
        inputs[CONTEXTS] = 256;
        let p = squash(self.mixer.mix(&inputs, depth));
        let bit = coder.bit(bit, p.clamp(32, 65535 - 32) as u32);
        self.mixer.learn(&inputs, bit);
        for (table, at) in self.tables.iter_mut().zip(at) {
            table[at].learn(bit, LIMIT);
        }
        bit
    }
}

/// Where in a table the counter of a bit is.
#[inline]
fn slot(context: u64, node: u64) -> usize {
    let hash = (context.wrapping_mul(0xBF58_476D_1CE4_E5B9) ^ node).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (hash >> (64 - TABLE_LOG)) as usize
}
