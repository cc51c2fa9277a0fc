//! Seeded chance: content that does not compress, and moments nobody chose.

use std::hash::{BuildHasher as _, RandomState};

/// A stream of numbers that its seed decides (xorshift64*).
#[derive(Debug, Clone)]
pub struct Chance {
    state: u64,
}

impl Chance {
    /// From a seed, so that a run can be repeated.
    pub fn new(seed: u64) -> Self {
        // The state must not be zero; neighbouring seeds shall not begin alike.
        Self { state: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1 }
    }

    /// The seed from `HEADWATER_SEED`, or a new one; print it.
    pub fn seed() -> u64 {
        let given = std::env::var("HEADWATER_SEED").ok().and_then(|seed| seed.parse().ok());
        given.unwrap_or_else(|| RandomState::new().hash_one(std::process::id()) >> 32)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        self.state.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.number() % end.max(1)
    }

    /// Bytes that do not compress.
    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(length + 8);
        while bytes.len() < length {
            bytes.extend(self.number().to_le_bytes());
        }
        bytes.truncate(length);
        bytes
    }
}
