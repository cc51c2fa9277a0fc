//! What was written so far, as far back as memory allows, and where the same went before.

/// Bytes alike before a place is taken for a repetition.
const ALIKE_MIN: usize = 5;

/// The last bytes written, with an index of where each few bytes were seen last.
#[derive(Debug)]
pub(super) struct History {
    ring: Vec<u8>,
    mask: usize,
    written: usize,
    index: Vec<u32>,
    index_shift: u32,
    /// The last eight bytes, newest lowest.
    last: u64,
    /// Where the bytes after the repetition begin; 0: none.
    alike_at: usize,
    alike_length: usize,
}

impl History {
    pub(super) fn new(ring_log: u32, index_log: u32) -> Self {
        Self {
            ring: vec![0; 1 << ring_log],
            mask: (1 << ring_log) - 1,
            written: 0,
            index: vec![0; 1 << index_log],
            index_shift: 64 - index_log,
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
        self.ring[self.written.wrapping_sub(distance) & self.mask]
    }

    /// Notes bytes that nobody will look up.
    pub(super) fn pass(&mut self, bytes: &[u8]) {
        self.alike_length = 0;
        for &byte in bytes.iter().rev().take(8).rev() {
            self.last = self.last << 8 | u64::from(byte);
        }
        let mut bytes = bytes;
        while !bytes.is_empty() {
            let at = self.written & self.mask;
            let part = bytes.len().min(self.ring.len() - at);
            self.ring[at..at + part].copy_from_slice(&bytes[..part]);
            self.written += part;
            bytes = &bytes[part..];
        }
    }

    /// Notes a byte.
    #[inline(always)]
    pub(super) fn push(&mut self, byte: u8) {
        if self.alike_length > 0 {
            if self.ring[self.alike_at & self.mask] == byte {
                self.alike_length = (self.alike_length + 1).min(255);
                self.alike_at += 1;
            } else {
                self.alike_length = 0;
            }
        }
        self.ring[self.written & self.mask] = byte;
        self.written += 1;
        self.last = self.last << 8 | u64::from(byte);
        let slot = ((self.last << (64 - 8 * ALIKE_MIN)).wrapping_mul(0x9E37_79B9_7F4A_7C15)
            >> self.index_shift) as usize;
        if self.alike_length == 0 {
            self.find(self.index[slot] as usize);
        }
        self.index[slot] = self.written as u32;
    }

    fn find(&mut self, candidate: usize) {
        if candidate == 0 || self.written - candidate >= self.mask {
            return;
        }
        let mut length = 0;
        while length < 32
            && length < candidate
            && self.ring[(candidate - 1 - length) & self.mask]
                == self.ring[(self.written - 1 - length) & self.mask]
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
    pub(super) fn foreseen(&self) -> Option<(u8, usize)> {
        (self.alike_length > 0).then(|| (self.ring[self.alike_at & self.mask], self.alike_length))
    }
}
