//! Literals: new bytes, coded by context mixing.
//!
//! Bytes that no copy brings are coded bit by bit. Each bit is predicted by contexts of several kinds: what was written
//! just before, what the base has at this place (the expected bytes), what replaced the same bytes of the base before,
//! and how the file went on when the last bytes were seen before. A [`Mixer`] learns how much each of them counts.

use super::context_slots::{ContextSlots, hash, node};
use super::match_model::History;
use super::mixing::{Counter, Mixer, expectation, filled, probability, stretch};
use super::range_coder::BitCoder;
use super::table::Table;

/// Contexts that look up a row.
const ROWS: usize = 5;
/// Inputs mixed: the rows, the repetition, the expected byte.
const INPUTS: usize = 7;

/// Codes new bytes, and learns from each; and from copied ones how the file goes on.
#[derive(Debug)]
pub(super) struct NewBytes {
    rows: ContextSlots<ROWS>,
    alike: Box<[Counter; 256 * 2]>,
    expected: Box<[Counter; 16 << 8]>,
    mixer: Mixer<INPUTS, { 40 * 8 }>,
    /// Whether each of the last four was as expected.
    trust: usize,
    history: History,
    table: Option<Table>,
    /// The word so far.
    word: u32,
    /// What stood in the base where this run of new bytes began, hashed with the bytes since.
    replaced: Option<u32>,
}

impl NewBytes {
    /// With 2^`rows_log` rows of 32 bytes; for a table or a text.
    pub(super) fn new(rows_log: u32, table: Option<Table>) -> Self {
        Self {
            rows: ContextSlots::new(rows_log),
            alike: filled(Counter::default()),
            expected: filled(Counter::default()),
            mixer: Mixer::new(3000, 10),
            trust: 0,
            history: History::new(),
            table,
            word: 0,
            replaced: None,
        }
    }

    /// Notes that a run of new bytes begins.
    pub(super) fn begin(&mut self) {
        self.replaced = None;
    }

    /// Notes copied bytes.
    pub(super) fn pass(&mut self, bytes: &[u8]) {
        self.history.pass(bytes);
        for byte in &bytes[bytes.len().saturating_sub(32)..] {
            self.spell(*byte);
        }
    }

    fn spell(&mut self, byte: u8) {
        self.word = if byte.is_ascii_alphanumeric() || byte >= 128 {
            (self.word ^ u32::from(byte)).wrapping_mul(0x0100_0193)
        } else {
            u32::from(byte)
        };
    }

    /// The context that the kind of content gives to the byte at `at`.
    fn content(&self, at: u64) -> u32 {
        self.table.as_ref().map_or(self.word, |table| {
            let column = (at % table.width as u64) as u32;
            column << 8 | u32::from(self.history.back(table.width))
        })
    }

    fn contexts(&mut self, at: u64, expected: u64) -> [u32; ROWS] {
        let last = self.history.last();
        let replaced = *self.replaced.get_or_insert(expected as u32);
        [
            hash(0, last & 0xff),
            hash(1, last & 0xffff),
            hash(2, last & 0xff_ffff),
            hash(4, u64::from(replaced)),
            hash(5, u64::from(self.content(at))),
        ]
    }

    /// Codes `byte`, which stands at `at` where the base has `expected`.
    pub(super) fn code(&mut self, coder: &mut impl BitCoder, byte: u8, at: u64, expected: u64) -> u8 {
        let contexts = self.contexts(at, expected);
        let predicted = self.history.predicted();
        let e = (expected & 0xff) as u32;
        let mut rows = self.rows.first(&contexts);
        let mut partial = 1u32;
        for i in 0..8 {
            if i == 4 {
                rows = self.rows.second(&contexts, partial);
            }
            let node = node(partial, i);
            let mut inputs = [0; INPUTS];
            let states = self.rows.ask(&rows, node, &mut inputs);
            // The match predicts the next bit while it was right so far.
            let mut alike = None;
            let mut length = 0;
            if let Some((byte, l)) = predicted
                && (u32::from(byte) | 256) >> (8 - i) == partial
            {
                let at = l.min(255) << 1 | usize::from(byte >> (7 - i) & 1);
                inputs[ROWS] = stretch(self.alike[at].p());
                alike = Some(at);
                length = (l / 4).min(15) + 1;
            }
            // So does the expected byte.
            let (agrees, expectation) = expectation(e, partial, i);
            let expected = self.trust << 8 | expectation;
            inputs[ROWS + 1] = stretch(self.expected[expected].p());
            let likeness = length << 1 | usize::from(agrees);
            let x = self.mixer.mix(&inputs, likeness << 3 | i as usize);
            let p = probability(x);
            let bit = coder.bit(byte >> (7 - i) & 1 == 1, p);
            self.rows.learn(&rows, node, &states, bit);
            if let Some(at) = alike {
                self.alike[at].learn(bit, 250);
            }
            self.expected[expected].learn(bit, 250);
            self.mixer.learn(&inputs, bit);
            partial = partial << 1 | u32::from(bit);
        }
        let byte = partial as u8;
        self.trust = (self.trust << 1 | usize::from(u32::from(byte) == e)) & 15;
        self.replaced =
            self.replaced.map(|hash| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193).rotate_left(5));
        self.spell(byte);
        self.history.push(byte);
        byte
    }
}
