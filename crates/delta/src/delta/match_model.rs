//! The match model: what was written so far, as far back as memory allows, and the byte that followed the longest
//! earlier occurrence of the last bytes.

use crate::limits::{HISTORY_INDEX_LOG, HISTORY_LOG};

/// Bytes alike before a place is taken for a repetition.
const ALIKE_MIN: usize = 5;

/// Of copied bytes, every so many-th is indexed, and so many of the last ones.
const INDEXED_EVERY: usize = 16;
const INDEXED_LAST: usize = 32;

const MASK: usize = (1 << HISTORY_LOG) - 1;

/// The last bytes written, with an index of where each few bytes were seen last.
#[derive(Debug)]
pub(super) struct History {
    ring: Vec<u8>,
    written: usize,
    index: Vec<u32>,
    /// The last eight bytes, newest lowest.
    last: u64,
    /// Where the bytes after the repetition begin.
    alike_at: usize,
    /// Bytes of the repetition so far; 0: there is none.
    alike_length: usize,
}

impl History {
    pub(super) fn new() -> Self {
        Self {
            ring: vec![0; MASK + 1],
            written: 0,
            index: vec![0; 1 << HISTORY_INDEX_LOG],
            last: 0,
            alike_at: 0,
            alike_length: 0,
        }
    }

    /// The last eight bytes, newest lowest.
    #[inline]
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// The byte so many before the next.
    #[inline]
    pub(super) fn back(&self, distance: usize) -> u8 {
        self.ring[self.written.wrapping_sub(distance) & MASK]
    }

    /// Notes copied bytes.
    pub(super) fn pass(&mut self, bytes: &[u8]) {
        self.alike_length = 0;
        let (body, tail) = bytes.split_at(bytes.len().saturating_sub(INDEXED_LAST));
        for part in body.chunks(INDEXED_EVERY) {
            let at = self.written & MASK;
            let room = part.len().min(self.ring.len() - at);
            self.ring[at..at + room].copy_from_slice(&part[..room]);
            self.ring[..part.len() - room].copy_from_slice(&part[room..]);
            self.written += part.len();
            self.last = match part.last_chunk::<8>() {
                Some(bytes) => u64::from_be_bytes(*bytes),
                None => part.iter().fold(self.last, |last, byte| last << 8 | u64::from(*byte)),
            };
            let slot = self.slot();
            self.index[slot] = self.written as u32;
        }
        for &byte in tail {
            self.push(byte);
        }
    }

    /// Notes a byte.
    #[inline]
    pub(super) fn push(&mut self, byte: u8) {
        if self.alike_length > 0 {
            if self.ring[self.alike_at & MASK] == byte {
                self.alike_length = (self.alike_length + 1).min(255);
                self.alike_at += 1;
            } else {
                self.alike_length = 0;
            }
        }
        self.ring[self.written & MASK] = byte;
        self.written += 1;
        self.last = self.last << 8 | u64::from(byte);
        let slot = self.slot();
        if self.alike_length == 0 {
            self.find(self.index[slot] as usize);
        }
        self.index[slot] = self.written as u32;
    }

    #[inline]
    fn slot(&self) -> usize {
        ((self.last << (64 - 8 * ALIKE_MIN)).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - HISTORY_INDEX_LOG))
            as usize
    }

    fn find(&mut self, candidate: usize) {
        if candidate == 0 || self.written - candidate >= MASK {
            return;
        }
        let mut length = 0;
        while length < 32
            && length < candidate
            && self.ring[(candidate - 1 - length) & MASK] == self.ring[(self.written - 1 - length) & MASK]
        {
            length += 1;
        }
        if length >= ALIKE_MIN {
            self.alike_at = candidate;
            self.alike_length = length;
        }
    }

    /// The byte that followed when the last bytes were seen before, and how many were alike.
    #[inline]
    pub(super) fn predicted(&self) -> Option<(u8, usize)> {
        (self.alike_length > 0).then(|| (self.ring[self.alike_at & MASK], self.alike_length))
    }
}
