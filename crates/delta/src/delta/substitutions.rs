//! Bytes that stand where the base has others: what a change in a copy came to be.
//!
//! The bytes of the base there, and around, are the strongest contexts.

use super::context_slots::{ContextSlots, hash, node};
use super::mixing::{Counter, Mixer, expectation, filled, probability, stretch};
use super::range_coder::BitCoder;
use crate::limits::REPLACED_ROWS_LOG;

/// Contexts that look up a row.
const ROWS: usize = 2;
/// Inputs mixed: the rows, the expected byte, the differences of late.
const INPUTS: usize = 5;

/// What is known of a byte before it is coded.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ByteContext {
    /// What kind of byte it is.
    pub(super) class: Class,
    /// The bytes the base has from here on, first lowest.
    pub(super) expected: u64,
    /// The bytes the base has before here, last lowest.
    pub(super) expected_before: u64,
    /// The last eight bytes written, newest lowest.
    pub(super) last: u64,
}

/// Kinds of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Class {
    /// New.
    #[default]
    New,
    /// In a copy, and another than in the base.
    Changed,
}

const CLASSES: usize = Class::Changed as usize + 1;

/// Differences from what was expected that are remembered of each kind.
const DIFFERENCES: usize = 2;

/// By how much bytes differed from those expected, of late, newest first: what counts or leads somewhere moves by the
/// same again and again, and a carry comes after the same difference.
#[derive(Debug, Clone, Copy, Default)]
struct Differences {
    last: [u8; DIFFERENCES],
    /// Whether each of the last three bytes differed by it.
    trust: [usize; DIFFERENCES],
}

impl Differences {
    fn learn(&mut self, difference: u8) {
        for (trust, last) in self.trust.iter_mut().zip(self.last) {
            *trust = (*trust << 1 | usize::from(last == difference)) & 7;
        }
        if difference != self.last[0] {
            self.last = [difference, self.last[0]];
            self.trust.swap(0, 1);
        }
    }
}

/// Predicts replaced bytes, and learns from each.
#[derive(Debug)]
pub(super) struct Replaced {
    rows: ContextSlots<ROWS>,
    expected: Box<[Counter; CLASSES << 12]>,
    mixer: Mixer<INPUTS, { CLASSES << 12 }>,
    /// Whether each of the last four was as expected.
    trust: usize,
    /// After a byte that differed by so much.
    differences: Box<[Differences; 256]>,
    by_difference: Box<[Counter; (DIFFERENCES * CLASSES) << 7]>,
}

impl Replaced {
    pub(super) fn new() -> Self {
        Self {
            rows: ContextSlots::new(REPLACED_ROWS_LOG),
            expected: filled(Counter::default()),
            mixer: Mixer::new(4000, 14),
            trust: 0,
            differences: filled(Differences::default()),
            by_difference: filled(Counter::default()),
        }
    }

    fn contexts(byte_context: &ByteContext) -> [u32; ROWS] {
        let (e, before, last) = (byte_context.expected, byte_context.expected_before, byte_context.last);
        let class = byte_context.class as u64;
        let same = u64::from(before & 0xff == last & 0xff) | u64::from(before & 0xff00 == last & 0xff00) << 1;
        [
            hash(3, e & 0xff_ffff | same << 24 | class << 32),
            hash(4, e & 0xff | (last & 0xffff) << 8 | (before & 0xffff) << 24),
        ]
    }

    /// Codes `byte`, and learns it.
    pub(super) fn code(&mut self, coder: &mut impl BitCoder, byte: u8, byte_context: &ByteContext) -> u8 {
        let contexts = Self::contexts(byte_context);
        let class = byte_context.class as usize;
        let e = (byte_context.expected & 0xff) as u32;
        let before = usize::from((byte_context.last as u8).wrapping_sub(byte_context.expected_before as u8));
        let differences = self.differences[before];
        let mut rows = self.rows.first(&contexts);
        let mut partial = 1u32;
        for i in 0..8 {
            if i == 4 {
                rows = self.rows.second(&contexts, partial);
            }
            let node = node(partial, i);
            let mut inputs = [0; INPUTS];
            let states = self.rows.ask(&rows, node, &mut inputs);
            let (agrees, expectation) = expectation(e, partial, i);
            let expected = class << 12 | self.trust << 8 | expectation;
            inputs[ROWS] = stretch(self.expected[expected].p());
            let mut agreeing = 0;
            let mut asked = [None; DIFFERENCES];
            for (k, difference) in differences.last.into_iter().enumerate() {
                let predicted = u32::from((e as u8).wrapping_add(difference));
                if (predicted | 256) >> (8 - i) == partial {
                    let kind = (k * CLASSES + class) << 3 | differences.trust[k];
                    let at = kind << 4 | (i << 1 | predicted >> (7 - i) & 1) as usize;
                    inputs[ROWS + 1 + k] = stretch(self.by_difference[at].p());
                    asked[k] = Some(at);
                    agreeing |= 1 << k;
                }
            }
            let choice = (class << 4 | self.trust) << 4 | usize::from(agrees) << 3 | i as usize;
            let choice = choice << 4 | agreeing << 2 | differences.trust[0] & 3;
            let p = probability(self.mixer.mix(&inputs, choice));
            let bit = coder.bit(byte >> (7 - i) & 1 == 1, p);
            self.rows.learn(&rows, node, &states, bit);
            self.expected[expected].learn(bit, 30);
            for at in asked.into_iter().flatten() {
                self.by_difference[at].learn(bit, 250);
            }
            self.mixer.learn(&inputs, bit);
            partial = partial << 1 | u32::from(bit);
        }
        self.trust = (self.trust << 1 | usize::from(partial & 0xff == e)) & 15;
        self.differences[before].learn((partial as u8).wrapping_sub(e as u8));
        partial as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delta::range_coder::BitWriter;

    #[test]
    fn bytes_that_differ_by_the_same_cost_little() {
        let mut replaced = Replaced::new();
        let mut writer = BitWriter::new();
        let mut random = 1u32;
        for _ in 0..1000 {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let expected = (random >> 24) as u8;
            let byte_context = ByteContext {
                class: Class::Changed,
                expected: u64::from(expected),
                ..ByteContext::default()
            };
            replaced.code(&mut writer, expected.wrapping_add(7), &byte_context);
        }
        let size = writer.finish().len();
        assert!(size < 100, "{size}");
    }
}
