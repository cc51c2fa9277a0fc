//! Context mixing: adaptive probabilities of bits (counters), and mixers that weigh several of them by gradient descent.
//!
//! All arithmetic is in whole numbers, so that every machine predicts the same. Inputs are mixed in the logistic
//! domain (`stretch(p) = ln(p / (1 - p))`), where one sure input counts for more than several unsure ones.

use std::fmt::Debug;

use super::range_coder::BitCoder;

/// How far a counter with so many observations moves towards the next one, of 2^16.
const RATES: [u32; 16] =
    [32768, 21845, 16384, 13107, 10922, 8192, 6553, 5461, 4681, 4096, 3640, 3276, 2978, 2730, 2520, 2340];

/// The same for a [`Counter`]: `2 / (2 * count + 3)` of 2^16.
const STEPS: [u32; 1024] = {
    let mut steps = [0; 1024];
    let mut count = 0;
    while count < 1024 {
        steps[count] = 131_072 / (2 * count as u32 + 3);
        count += 1;
    }
    steps
};

/// A probability that learns fast at first and slowly later: 22 bits of it, and how often it was updated (10 bits).
#[derive(Debug, Clone, Copy)]
pub(super) struct Counter(u32);

impl Default for Counter {
    fn default() -> Self {
        Self::at(1 << 15)
    }
}

impl Counter {
    /// One that starts at `p` of 2^16.
    pub(super) const fn at(p: u32) -> Self {
        Self(p << 16)
    }

    /// The probability of a set bit, 1 to 65535 of 2^16.
    #[inline]
    pub(super) fn p(self) -> u32 {
        (self.0 >> 16).clamp(1, 65535)
    }

    /// Its confidence after the updates it had, of 16.
    #[inline]
    pub(super) fn trust(self) -> i16 {
        const BY_COUNT: [i16; 4] = [0, 10, 13, 15];
        BY_COUNT.get((self.0 & 1023) as usize).copied().unwrap_or(16)
    }

    /// Learns that the bit was `bit`; after `limit` observations old ones fade.
    #[inline]
    pub(super) fn learn(&mut self, bit: bool, limit: u32) {
        let count = self.0 & 1023;
        let p = i64::from(self.0 >> 10);
        let target = if bit { (1i64 << 22) - 1 } else { 0 };
        let moved = p + (((target - p) * i64::from(STEPS[count as usize])) >> 16);
        self.0 = (moved as u32) << 10 | if count < limit { count + 1 } else { count };
    }

    /// Codes a bit with this counter alone.
    #[inline]
    pub(super) fn code(&mut self, coder: &mut impl BitCoder, bit: bool, limit: u32) -> bool {
        let bit = coder.bit(bit, self.p());
        self.learn(bit, limit);
        bit
    }
}

/// A counter in 16 bits, for tables with very many: 12 bits of probability, 4 of how often it was updated.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slot(pub(super) u16);

impl Slot {
    pub(super) const NEW: Self = Self::at(2048);

    /// One that starts at `p` of 2^12.
    pub(super) const fn at(p: u16) -> Self {
        Self(p << 4)
    }

    /// The probability of a set bit, of 2^16.
    #[inline]
    pub(super) fn p(self) -> u32 {
        u32::from(self.0)
    }

    /// Which of the 1024 states it is in: 64 steps of probability for each count.
    #[inline]
    pub(super) fn state(self) -> usize {
        usize::from(self.0 & 15) << 6 | usize::from(self.0 >> 10)
    }

    #[inline]
    pub(super) fn learn(&mut self, bit: bool) {
        let count = self.0 & 15;
        let p = i32::from(self.0 >> 4);
        let target = if bit { 4095 } else { 0 };
        let moved = p + (((target - p) * RATES[usize::from(count)] as i32 + 32768) >> 16);
        self.0 = (moved as u16) << 4 | (count + 1).min(15);
    }
}

/// Largest magnitude in the logistic domain.
pub(super) const STRETCH_MAX: i32 = 2047;

/// `1 / (1 + e^-x)`, in 1/65536, for x in 1/256 from -8 to 8 in steps of 1/2.
const SQUASH: [i32; 33] = [
    22, 36, 60, 99, 162, 267, 439, 720, 1179, 1921, 3108, 4971, 7812, 11955, 17625, 24743, 32768, 40793,
    47911, 53581, 57724, 60565, 62428, 63615, 64357, 64816, 65097, 65269, 65374, 65437, 65476, 65500, 65514,
];

/// What an expected byte means for bit `i` of a byte whose first bits are `partial` (behind a leading one): whether these
/// agree with it, and the context of that with the bit that it has next.
#[inline]
pub(super) fn expectation(expected: u32, partial: u32, i: u32) -> (bool, usize) {
    let agrees = (expected | 256) >> (8 - i) == partial;
    (agrees, if agrees { (expected >> (7 - i) & 1 | i << 1 | 128) as usize } else { i as usize })
}

/// The probability of 2^16 of what was mixed, never so sure that one wrong bit is dear.
#[inline]
pub(super) fn probability(mixed: i32) -> u32 {
    squash(mixed).clamp(32, 65535 - 32) as u32
}

/// The probability (of 2^16) at `x` of the logistic domain.
#[inline]
pub(super) const fn squash(x: i32) -> i32 {
    let x = if x > STRETCH_MAX { STRETCH_MAX } else { x };
    let x = if x < -STRETCH_MAX { -STRETCH_MAX } else { x };
    let x = (x + 2048) as usize;
    let (step, part) = (x >> 7, (x & 127) as i32);
    (SQUASH[step] * (128 - part) + SQUASH[step + 1] * part) >> 7
}

/// The inverse: `ln(p / (1 - p))`, in 1/256, for p in 1/4096.
static STRETCH: [i16; 4096] = {
    let mut stretch = [STRETCH_MAX as i16; 4096];
    let mut next = 0;
    let mut x = -STRETCH_MAX;
    while x <= STRETCH_MAX {
        let p = (squash(x) >> 4) as usize;
        while next <= p {
            stretch[next] = x as i16;
            next += 1;
        }
        x += 1;
    }
    stretch
};

/// Where `p` of 2^16 is in the logistic domain.
#[inline]
pub(super) fn stretch(p: u32) -> i16 {
    STRETCH[(p >> 4) as usize & 4095]
}

/// A table on the heap of as many as its type says, so that indexing needs no bounds check.
pub(super) fn filled<T: Clone + Debug, const N: usize>(first: T) -> Box<[T; N]> {
    vec![first; N].try_into().expect("it has as many as were asked for")
}

/// A weight of 1. Weights and inputs have 16 bits, so that compilers do eight at once on any x86-64 or aarch64.
const WEIGHT_ONE_LOG: u32 = 13;

/// Weighs `N` inputs; which weights are used is chosen by a small context.
#[derive(Debug)]
pub(super) struct Mixer<const N: usize, const CONTEXTS: usize> {
    weights: Box<[[i16; N]; CONTEXTS]>,
    chosen: usize,
    p: i32,
    rate: i32,
}

impl<const N: usize, const CONTEXTS: usize> Mixer<N, CONTEXTS> {
    /// Weights begin at `first` of 2^13.
    pub(super) fn new(first: i16, rate: i32) -> Self {
        Self { weights: filled([first; N]), chosen: 0, p: 32768, rate }
    }

    /// The mixed input, in the logistic domain.
    #[inline]
    pub(super) fn mix(&mut self, inputs: &[i16; N], context: usize) -> i32 {
        self.chosen = context;
        let weights = &self.weights[context];
        // 2^11 · 2^15 · 16 inputs stay within 31 bits.
        let sum: i32 =
            inputs.iter().zip(weights).map(|(input, weight)| i32::from(*input) * i32::from(*weight)).sum();
        let x = (sum >> WEIGHT_ONE_LOG).clamp(-STRETCH_MAX, STRETCH_MAX);
        self.p = squash(x);
        x
    }

    /// Learns that the bit was `bit`, from the last mix.
    #[inline]
    pub(super) fn learn(&mut self, inputs: &[i16; N], bit: bool) {
        let target = if bit { 65535 } else { 0 };
        let error = ((target - self.p) * self.rate) >> 7;
        for (weight, input) in self.weights[self.chosen].iter_mut().zip(inputs) {
            let step = (i32::from(*input) * error + 0x8000) >> 16;
            *weight = weight.saturating_add(step as i16);
        }
    }
}
