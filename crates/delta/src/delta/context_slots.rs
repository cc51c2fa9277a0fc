//! Context slots: for each context a row of adaptive bit probabilities, one for each bit of half a byte.

use std::hint::black_box;

use super::mixing::{Slot, stretch};
use crate::limits::ROW_MEMORY;

/// Two rows that a context may have: one line of a processor's cache. Slot 0 of a row holds the check.
#[derive(Debug, Clone)]
#[repr(align(64))]
struct Pair([[Slot; 16]; 2]);

const _: () = assert!(size_of::<Pair>() as u64 == 2 * ROW_MEMORY);

/// The rows of `N` contexts.
#[derive(Debug)]
pub(super) struct ContextSlots<const N: usize> {
    pairs: Vec<Pair>,
    mask: usize,
    /// What the states of slots came to mean, context by context.
    refined: Vec<u16>,
}

/// A context, as a number in which all of it counts.
#[inline]
pub(super) fn hash(kind: u32, value: u64) -> u32 {
    let x = (value ^ u64::from(kind) << 56).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    ((x ^ x >> 29).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 32) as u32
}

impl<const N: usize> ContextSlots<N> {
    /// 2^`log` rows of 32 bytes.
    pub(super) fn new(log: u32) -> Self {
        let mut refined = vec![0; N << 10];
        for (i, p) in refined.iter_mut().enumerate() {
            *p = ((i & 63) * 1024 + 512) as u16;
        }
        Self { pairs: vec![Pair([[Slot::NEW; 16]; 2]); 1 << (log - 1)], mask: (1 << log) - 1, refined }
    }

    /// The rows of `contexts` for the first half of a byte.
    #[inline]
    pub(super) fn first(&mut self, contexts: &[u32; N]) -> [usize; N] {
        // All are asked of memory before any is waited for.
        let mut asked = 0;
        for context in contexts {
            asked |= self.pairs[self.place(*context) >> 1].0[0][0].0;
        }
        black_box(asked);
        contexts.map(|context| self.row(context))
    }

    /// Those for the second half, when the first was `half`.
    #[inline]
    pub(super) fn second(&mut self, contexts: &[u32; N], half: u32) -> [usize; N] {
        self.first(&contexts.map(|context| hash(16, u64::from(context) << 8 | u64::from(half))))
    }

    #[inline]
    fn place(&self, context: u32) -> usize {
        (context as usize).wrapping_mul(0x2545_F491) >> 3 & self.mask
    }

    /// The row of a context, claimed if it was another's.
    #[inline]
    fn row(&mut self, context: u32) -> usize {
        let check = (context >> 16) as u16 | 1;
        let first = self.place(context);
        let pair = &mut self.pairs[first >> 1].0;
        let (this, other) = (first & 1, first & 1 ^ 1);
        if pair[this][0].0 == check {
            return first;
        }
        if pair[other][0].0 == check {
            return first ^ 1;
        }
        // The one whose first bit was updated less often is replaced.
        let count = |row: &[Slot; 16]| row[1].0 & 15;
        let victim = if count(&pair[other]) < count(&pair[this]) { other } else { this };
        pair[victim] = [Slot::NEW; 16];
        pair[victim][0] = Slot(check);
        first & !1 | victim
    }

    /// Writes the predictions of the rows for the bit at `node` into `inputs`; returns their states.
    #[inline]
    pub(super) fn ask(&self, rows: &[usize; N], node: usize, inputs: &mut [i16]) -> [usize; N] {
        let mut states = [0; N];
        for (k, (row, input)) in rows.iter().zip(inputs).enumerate() {
            states[k] = k << 10 | self.pairs[row >> 1].0[row & 1][node & 15].state();
            *input = stretch(u32::from(self.refined[states[k]]));
        }
        states
    }

    /// Learns that the bit was `bit`.
    #[inline]
    pub(super) fn learn(&mut self, rows: &[usize; N], node: usize, states: &[usize; N], bit: bool) {
        let target = if bit { 65535 } else { 0 };
        for (row, state) in rows.iter().zip(states) {
            self.pairs[row >> 1].0[row & 1][node & 15].learn(bit);
            let refined = &mut self.refined[*state];
            *refined = (i32::from(*refined) + ((target - i32::from(*refined)) >> 6)) as u16;
        }
    }
}

/// Where in a row the next bit of a half is, when the bits so far (after a leading 1) are `partial`.
#[inline]
pub(super) fn node(partial: u32, bits: u32) -> usize {
    let within = bits & 3;
    (partial & ((1 << within) - 1) | 1 << within) as usize
}
