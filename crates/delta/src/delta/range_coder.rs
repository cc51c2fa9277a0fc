//! A binary arithmetic coder: each bit costs what its model did not predict.
//!
//! One walk makes and reads deltas: it asks a [`BitCoder`] for each bit, naming the bit it would write. A
//! [`BitWriter`] writes that one and answers it; a [`BitReader`] ignores it and answers the one it reads. So the two
//! directions cannot drift apart.
//!
//! The coder is the carry-less one of the lpaq family (32-bit bounds, 16-bit probabilities), in whole numbers only.
//! An end of input reads as zeros, and the writer leaves trailing zeros out: what a cut-off delta decodes to is
//! caught by the file's digest, and every walk is bounded by the file's size.

use std::io::{self, Read};

use crate::body::read_some;
use crate::limits::CHUNK;

/// Bits of a probability; it is never 0 nor all.
pub(super) const PROBABILITY_BITS: u32 = 16;

/// Where bits go to or come from.
pub(super) trait BitCoder {
    /// Codes one bit that is set with probability `p` of 2^16 (1 to 65535); answers the bit.
    fn bit(&mut self, bit: bool, p: u32) -> bool;
}

/// Writes bits.
#[derive(Debug)]
pub(super) struct BitWriter {
    low: u32,
    high: u32,
    out: Vec<u8>,
}

impl BitWriter {
    pub(super) fn new() -> Self {
        Self { low: 0, high: u32::MAX, out: Vec::new() }
    }

    /// The bytes that decode to what was written.
    pub(super) fn finish(mut self) -> Vec<u8> {
        // The number with the most trailing zero bytes between the bounds.
        for bits in [32u32, 24, 16, 8] {
            let mask = 1u32.checked_shl(bits).map_or(u32::MAX, |unit| unit - 1);
            let rounded = (u64::from(self.low) + u64::from(mask)) & !u64::from(mask);
            if rounded <= u64::from(self.high) {
                self.out.extend_from_slice(&(rounded as u32).to_be_bytes());
                break;
            }
            if bits == 8 {
                self.out.extend_from_slice(&self.high.to_be_bytes());
            }
        }
        while self.out.last() == Some(&0) {
            self.out.pop();
        }
        self.out
    }
}

/// Where the range is cut: the lower part stands for a set bit.
#[inline]
fn cut(low: u32, high: u32, p: u32) -> u32 {
    let range = high - low;
    low + (range >> PROBABILITY_BITS) * p + (((range & 0xffff) * p) >> PROBABILITY_BITS)
}

impl BitCoder for BitWriter {
    #[inline]
    fn bit(&mut self, bit: bool, p: u32) -> bool {
        let middle = cut(self.low, self.high, p);
        if bit {
            self.high = middle;
        } else {
            self.low = middle + 1;
        }
        while (self.low ^ self.high) >> 24 == 0 {
            self.out.push((self.high >> 24) as u8);
            self.low <<= 8;
            self.high = self.high << 8 | 0xff;
        }
        bit
    }
}

/// Reads bits.
#[derive(Debug)]
pub(super) struct BitReader<R> {
    low: u32,
    high: u32,
    window: u32,
    input: R,
    buffer: Vec<u8>,
    at: usize,
    failed: Option<io::Error>,
}

impl<R: Read> BitReader<R> {
    pub(super) fn new(input: R) -> Self {
        let mut reader =
            Self { low: 0, high: u32::MAX, window: 0, input, buffer: Vec::new(), at: 0, failed: None };
        for _ in 0..4 {
            reader.window = reader.window << 8 | reader.next_byte();
        }
        reader
    }

    /// What went wrong with reading, if anything did: from there on it read zeros.
    pub(super) fn failure(self) -> Option<io::Error> {
        self.failed
    }

    fn next_byte(&mut self) -> u32 {
        if self.at == self.buffer.len() {
            self.refill();
        }
        let byte = self.buffer.get(self.at).copied().unwrap_or(0);
        self.at = (self.at + 1).min(self.buffer.len());
        u32::from(byte)
    }

    #[cold]
    fn refill(&mut self) {
        self.buffer.resize(CHUNK, 0);
        let read = match read_some(&mut self.input, &mut self.buffer) {
            Ok(read) => read,
            Err(error) => {
                self.failed.get_or_insert(error);
                0
            }
        };
        self.buffer.truncate(read);
        self.at = 0;
    }
}

impl<R: Read> BitCoder for BitReader<R> {
    #[inline]
    fn bit(&mut self, _bit: bool, p: u32) -> bool {
        let middle = cut(self.low, self.high, p);
        let bit = self.window <= middle;
        if bit {
            self.high = middle;
        } else {
            self.low = middle + 1;
        }
        while (self.low ^ self.high) >> 24 == 0 {
            self.low <<= 8;
            self.high = self.high << 8 | 0xff;
            self.window = self.window << 8 | self.next_byte();
        }
        bit
    }
}
