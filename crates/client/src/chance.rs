//! A small seeded generator (SplitMix64) for jitter: the seed is an argument, so a run can be played again.

/// The generator.
#[derive(Debug, Clone)]
pub struct Chance(u64);

impl Chance {
    /// Starts at `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A seed of a client's own: from its id and the time it started, so that a site's clients differ.
    pub fn seed_of(id: &str, started_ms: i64) -> u64 {
        let mut seed = started_ms.cast_unsigned();
        for byte in id.bytes() {
            // FNV-1a.
            seed = (seed ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        seed
    }

    /// The next number, each equally likely.
    pub fn next_number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
