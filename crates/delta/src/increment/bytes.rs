//! What a byte is likely to be.
//!
//! Bytes that no copy brings, and the few in a copy that are another than expected, are coded bit by bit. Each bit is
//! foreseen by contexts of three kinds: what was written just before, what the base has at this place (the expected
//! bytes), and what replaced the same bytes of the base before. A [`Mixer`] learns which of them to believe.

use std::hint::black_box;

use super::history::History;
use super::model::{Counter, Logistic, Mixer, Slot, squash};
use super::range::BitCoder;

/// Contexts that look up a row of slots.
const ROWS: usize = 10;
/// Opinions mixed: the rows, the repetition, the expected byte, a constant, and three that are nothing.
const INPUTS: usize = 16;

/// Where a byte stands.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Place {
    /// What kind of byte it is (below [`CLASSES`]): new, or changed, or of a field.
    pub(super) class: u32,
    /// The bytes the base has from here on, first lowest.
    pub(super) expected: u64,
    /// The bytes the base has before here, last lowest.
    pub(super) expected_before: u64,
    /// What stood in the base where this stretch of new bytes began, hashed with the bytes since.
    pub(super) replaced: u32,
    /// A context of the kind of content: column and byte above in tables, word in text.
    pub(super) content: u32,
}

/// Kinds of places.
pub(super) const CLASSES: usize = 16;

/// Two rows that a context may have: one line of a processor's cache. Slot 0 of a row holds the check.
#[derive(Debug, Clone)]
#[repr(align(64))]
struct Pair([[Slot; 16]; 2]);

/// Foresees bytes, and learns from each.
#[derive(Debug)]
pub(super) struct ByteModel {
    rows: Vec<Pair>,
    row_mask: usize,
    refine: Vec<u16>,
    logistic: Logistic,
    alike: Vec<Counter>,
    expected: Vec<Counter>,
    mixers: [Mixer<INPUTS>; 3],
    trust: u32,
}

#[inline]
fn hash(kind: u32, value: u64) -> u32 {
    let x = (value ^ u64::from(kind) << 56).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    ((x ^ x >> 29).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 32) as u32
}

impl ByteModel {
    /// A model with 2^`rows_log` rows of 32 bytes.
    pub(super) fn new(rows_log: u32) -> Self {
        let mut refine = vec![0; ROWS << 10];
        for (i, p) in refine.iter_mut().enumerate() {
            *p = ((i & 63) * 1024 + 512) as u16;
        }
        Self {
            rows: vec![Pair([[Slot::NEW; 16]; 2]); 1 << (rows_log - 1)],
            row_mask: (1 << rows_log) - 1,
            refine,
            logistic: Logistic::new(),
            alike: vec![Counter::default(); 256 * 2],
            expected: vec![Counter::default(); CLASSES * 16 * 256],
            mixers: [
                Mixer::new(CLASSES * 256, 2500, 10),
                Mixer::new(40 * 8, 2500, 10),
                Mixer::new(256 * 8, 2500, 10),
            ],
            trust: 0,
        }
    }

    fn contexts(place: &Place, history: &History) -> [u32; ROWS] {
        let last = history.last();
        let class = u64::from(place.class);
        let e = place.expected;
        let same = u64::from(place.expected_before & 0xff == last & 0xff)
            | u64::from(place.expected_before & 0xff00 == last & 0xff00) << 1;
        [
            hash(0, last & 0xff | class << 8),
            hash(1, last & 0xffff),
            hash(2, last & 0xff_ffff),
            hash(3, last & 0xffff_ffff),
            hash(4, last & 0xffff_ffff_ffff),
            hash(5, e & 0xff | (last & 0xff) << 8 | class << 16),
            hash(6, e & 0xff_ffff | same << 24 | class << 32),
            hash(7, u64::from(place.replaced)),
            hash(8, u64::from(place.content)),
            hash(9, e & 0xff | (last & 0xffff) << 8 | (place.expected_before & 0xffff) << 24),
        ]
    }

    /// The pair of rows for a context.
    #[inline]
    fn pair(&self, context: u32) -> usize {
        ((context as usize).wrapping_mul(0x2545_F491) >> 3 & self.row_mask) >> 1
    }

    /// The row of a context, claimed if it was another's.
    #[inline]
    fn row(&mut self, context: u32) -> usize {
        let check = (context >> 16) as u16 | 1;
        let first = (context as usize).wrapping_mul(0x2545_F491) >> 3 & self.row_mask;
        let pair = &mut self.rows[first >> 1].0;
        let (this, other) = (first & 1, first & 1 ^ 1);
        if pair[this][0].0 == check {
            return first;
        }
        if pair[other][0].0 == check {
            return first ^ 1;
        }
        // The one whose first bit was told less often gives way.
        let count = |row: &[Slot; 16]| row[1].0 & 15;
        let victim = if count(&pair[other]) < count(&pair[this]) { other } else { this };
        pair[victim] = [Slot::NEW; 16];
        pair[victim][0] = Slot(check);
        first & !1 | victim
    }

    /// The rows of all contexts for four bits.
    #[inline]
    fn rows(&mut self, contexts: &[u32; ROWS]) -> [usize; ROWS] {
        // All are asked of memory before any is waited for.
        let mut asked = 0;
        for context in contexts {
            asked |= self.rows[self.pair(*context)].0[0][0].0;
        }
        black_box(asked);
        contexts.map(|context| self.row(context))
    }

    /// What the rows say of the bit at `node`; answers their states.
    #[inline]
    fn ask_rows(&self, rows: &[usize; ROWS], node: usize, inputs: &mut [i16; INPUTS]) -> [usize; ROWS] {
        let mut states = [0usize; ROWS];
        for k in 0..ROWS {
            states[k] = k << 10 | self.rows[rows[k] >> 1].0[rows[k] & 1][node].state();
            inputs[k] = self.logistic.stretch(u32::from(self.refine[states[k]]));
        }
        states
    }

    #[inline]
    fn learn_rows(&mut self, rows: &[usize; ROWS], node: usize, states: &[usize; ROWS], bit: bool) {
        for k in 0..ROWS {
            self.rows[rows[k] >> 1].0[rows[k] & 1][node].learn(bit);
            let refined = &mut self.refine[states[k]];
            let target = if bit { 65535 } else { 0 };
            *refined = (i32::from(*refined) + ((target - i32::from(*refined)) >> 6)) as u16;
        }
    }

    /// Codes `byte`, and learns it. The history is told by the caller.
    pub(super) fn code(
        &mut self,
        coder: &mut impl BitCoder,
        byte: u8,
        place: &Place,
        history: &History,
    ) -> u8 {
        let contexts = Self::contexts(place, history);
        let foreseen = history.foreseen();
        let c1 = (history.last() & 0xff) as usize;
        let e0 = (place.expected & 0xff) as u32;
        let mut rows = [0usize; ROWS];
        let mut partial = 1u32;
        let class = place.class as usize;
        for i in 0..8 {
            if i == 0 {
                rows = self.rows(&contexts);
            } else if i == 4 {
                let mut halfway = contexts;
                for (k, context) in halfway.iter_mut().enumerate() {
                    *context = hash(16 + k as u32, u64::from(*context) << 8 | u64::from(partial));
                }
                rows = self.rows(&halfway);
            }
            let node = if i < 4 { partial } else { partial & ((1 << (i - 4)) - 1) | 1 << (i - 4) } as usize;
            let mut inputs = [0i16; INPUTS];
            let states = self.ask_rows(&rows, node, &mut inputs);
            // The repetition foresees the next bit while it was right so far.
            let mut alike = None;
            let mut length = 0;
            if let Some((byte, l)) = foreseen
                && (u32::from(byte) | 256) >> (8 - i) == partial
            {
                let bit = usize::from(byte >> (7 - i) & 1);
                let at = l.min(255) << 1 | bit;
                inputs[ROWS] = self.logistic.stretch(self.alike[at].p());
                alike = Some(at);
                length = (l / 4).min(15) + 1;
            }
            // So does the expected byte.
            let agrees = (e0 | 256) >> (8 - i) == partial;
            let expected = ((class * 16 + self.trust as usize) << 8)
                | if agrees { (e0 >> (7 - i) & 1) as usize | (i as usize) << 1 | 128 } else { i as usize };
            inputs[ROWS + 1] = self.logistic.stretch(self.expected[expected].p());
            inputs[ROWS + 2] = 256;
            let choices = [
                class << 8 | partial as usize,
                (length << 1 | usize::from(agrees)) * 8 + i as usize,
                c1 << 3 | i as usize,
            ];
            let mut x = 0;
            for (mixer, choice) in self.mixers.iter_mut().zip(choices) {
                x += mixer.mix(&inputs, choice);
            }
            let p = squash(x / 3).clamp(32, 65535 - 32) as u32;
            let bit = coder.bit(byte >> (7 - i) & 1 == 1, p);
            self.learn_rows(&rows, node, &states, bit);
            if let Some(at) = alike {
                self.alike[at].learn(bit, 250);
            }
            self.expected[expected].learn(bit, 250);
            for mixer in &mut self.mixers {
                mixer.learn(&inputs, bit);
            }
            partial = partial << 1 | u32::from(bit);
        }
        let byte = partial as u8;
        self.trust = (self.trust << 1 | u32::from(u32::from(byte) == e0)) & 15;
        byte
    }
}
