//! Bytes that stand where the base has others: what a change in a copy came to be.
//!
//! What the base has there, and around, says most of it.

use super::model::{Counter, Logistic, Mixer, squash};
use super::range::BitCoder;
use super::rows::{Rows, hash, node};
use crate::limits::REPLACED_ROWS_LOG;

/// Contexts that look up a row.
const ROWS: usize = 3;
/// Opinions mixed: the rows, the expected byte, a constant, and three that are nothing.
const INPUTS: usize = 8;

/// Where a byte stands.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Place {
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

const CLASSES: usize = 2;

/// Foresees replaced bytes, and learns from each.
#[derive(Debug)]
pub(super) struct Replaced {
    rows: Rows<ROWS>,
    expected: Vec<Counter>,
    mixer: Mixer<INPUTS>,
    logistic: Logistic,
    /// Whether each of the last four was as expected.
    trust: usize,
}

impl Replaced {
    pub(super) fn new() -> Self {
        Self {
            rows: Rows::new(REPLACED_ROWS_LOG),
            expected: vec![Counter::default(); CLASSES << 12],
            mixer: Mixer::new(CLASSES << 8, 4000, 14),
            logistic: Logistic::new(),
            trust: 0,
        }
    }

    fn contexts(place: &Place) -> [u32; ROWS] {
        let (e, before, last) = (place.expected, place.expected_before, place.last);
        let class = place.class as u64;
        let same = u64::from(before & 0xff == last & 0xff) | u64::from(before & 0xff00 == last & 0xff00) << 1;
        [
            hash(1, last & 0xffff),
            hash(3, e & 0xff_ffff | same << 24 | class << 32),
            hash(4, e & 0xff | (last & 0xffff) << 8 | (before & 0xffff) << 24),
        ]
    }

    /// Codes `byte`, and learns it.
    pub(super) fn code(&mut self, coder: &mut impl BitCoder, byte: u8, place: &Place) -> u8 {
        let contexts = Self::contexts(place);
        let class = place.class as usize;
        let e = (place.expected & 0xff) as u32;
        let mut rows = self.rows.first(&contexts);
        let mut partial = 1u32;
        for i in 0..8 {
            if i == 4 {
                rows = self.rows.second(&contexts, partial);
            }
            let node = node(partial, i);
            let mut inputs = [0; INPUTS];
            let states = self.rows.ask(&rows, node, &self.logistic, &mut inputs);
            let agrees = (e | 256) >> (8 - i) == partial;
            let told = if agrees { (e >> (7 - i) & 1 | i << 1 | 128) as usize } else { i as usize };
            let expected = class << 12 | self.trust << 8 | told;
            inputs[ROWS] = self.logistic.stretch(self.expected[expected].p());
            inputs[ROWS + 1] = 256;
            let choice = (class << 4 | self.trust) << 4 | usize::from(agrees) << 3 | i as usize;
            let p = squash(self.mixer.mix(&inputs, choice)).clamp(32, 65535 - 32) as u32;
            let bit = coder.bit(byte >> (7 - i) & 1 == 1, p);
            self.rows.learn(&rows, node, &states, bit);
            self.expected[expected].learn(bit, 30);
            self.mixer.learn(&inputs, bit);
            partial = partial << 1 | u32::from(bit);
        }
        self.trust = (self.trust << 1 | usize::from(partial & 0xff == e)) & 15;
        partial as u8
    }
}
