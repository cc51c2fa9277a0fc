//! Change flags: which bytes of a copy differ from the base.
//!
//! Most blocks of a copy have no change at all, which costs a small part of a bit. In the others each byte is asked
//! for, in the light of what stands there and how the last change went.

use super::mixing::{Counter, Mixer, Slot, filled, squash, stretch};
use super::range_coder::BitCoder;
use super::substitutions::ByteContext;

/// Bytes of a copy whose flag is coded together.
pub(super) const BLOCK: usize = 32;

const CONTEXTS: usize = 3;
/// Inputs mixed: the contexts, and a constant.
const INPUTS: usize = 4;
const TABLE_LOG: u32 = 15;

/// Predicts where changes are.
#[derive(Debug)]
pub(super) struct Changes {
    blocks: Box<[Counter; 4 << 6]>,
    block_history: usize,
    bytes: Box<[Slot; CONTEXTS << TABLE_LOG]>,
    mixer: Mixer<INPUTS, 64>,
    since: usize,
}

impl Changes {
    pub(super) fn new() -> Self {
        Self {
            blocks: filled(Counter::at(4096)),
            block_history: 0,
            bytes: filled(Slot::at(512)),
            mixer: Mixer::new(3000, 12),
            since: 0,
        }
    }

    /// Codes whether anything in a block changed; `surprises` is what is known of the block beforehand (below 4).
    pub(super) fn block(&mut self, coder: &mut impl BitCoder, surprises: usize, dirty: bool) -> bool {
        let context = surprises << 6 | self.block_history & 63;
        let dirty = self.blocks[context].code(coder, dirty, 1000);
        self.block_history = self.block_history << 1 | usize::from(dirty);
        self.since = 0;
        dirty
    }

    /// Codes whether a byte is another than expected; `near` is where in eight bytes it is.
    pub(super) fn byte(
        &mut self,
        coder: &mut impl BitCoder,
        byte_context: &ByteContext,
        near: usize,
        changed: bool,
    ) -> bool {
        let since = self.since.min(7) as u64;
        let (expected, before) = (byte_context.expected, byte_context.last);
        let contexts = [
            since | (expected & 0xff) << 8,
            expected & 0xff_ffff,
            near as u64 | since << 8 | (before & 0xff) << 16,
        ];
        let mut at = [0; CONTEXTS];
        let mut inputs = [0; INPUTS];
        for (k, context) in contexts.into_iter().enumerate() {
            let hash = (context << 3 | k as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - TABLE_LOG);
            at[k] = k << TABLE_LOG | hash as usize;
            inputs[k] = stretch(self.bytes[at[k]].p());
        }
        inputs[CONTEXTS] = 256;
        let p = squash(self.mixer.mix(&inputs, self.since.min(63)));
        let changed = coder.bit(changed, p.clamp(16, 65535 - 16) as u32);
        for at in at {
            self.bytes[at].learn(changed);
        }
        self.mixer.learn(&inputs, changed);
        if changed {
            self.since = 0;
        } else {
            self.since += 1;
        }
        changed
    }
}
