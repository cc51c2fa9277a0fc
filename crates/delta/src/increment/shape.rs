//! The head of an increment: what a decoder has to know before the first op.

use super::elf::{Layout, Segment};
use super::map::{Op, OpModel};
use super::numbers::Number;
use super::range::BitCoder;
use crate::body::DecodeError;
use crate::limits::{ELF_SEGMENTS_MAX, OPS_MAX};

/// Codes the segments of a new program, as they differ from those of its base.
pub(super) fn segments(coder: &mut impl BitCoder, base: &Layout, new: &[Segment]) -> Vec<Segment> {
    let mut numbers = Number::new(1);
    let count = numbers.code(coder, 0, new.len() as u32).min(ELF_SEGMENTS_MAX as u32);
    let mut segments = Vec::new();
    let mut before = Segment::default();
    for i in 0..count as usize {
        let old = base.segments.get(i).copied().unwrap_or(before);
        let new = new.get(i).copied().unwrap_or_default();
        let mut number = |old: u64, new: u64| {
            let low = numbers.code_signed(coder, 0, new.wrapping_sub(old) as u32 as i32);
            old.wrapping_add(i64::from(low) as u64)
        };
        let segment = Segment {
            offset: number(old.offset, new.offset),
            address: number(old.address, new.address),
            file_size: number(old.file_size, new.file_size),
            memory_size: number(old.memory_size, new.memory_size),
        };
        segments.push(segment);
        before = segment;
    }
    segments
}

/// Codes all ops beforehand; `size` is that of the file.
pub(super) fn ops(coder: &mut impl BitCoder, ops: &[Op], size: u64) -> Result<Vec<Op>, DecodeError> {
    let mut count = Number::new(1);
    let mut model = OpModel::new();
    let count = count.code(coder, 0, ops.len() as u32);
    if count as usize > OPS_MAX {
        return Err(DecodeError::WrongFile("it has too many copies"));
    }
    let mut read = Vec::new();
    let mut made = 0;
    for i in 0..count as usize {
        let op = model.code(coder, ops.get(i).copied().unwrap_or_default());
        made += u64::from(op.literal) + u64::from(op.copy);
        if made > size {
            return Err(DecodeError::WrongFile("it is longer than declared"));
        }
        read.push(op);
    }
    Ok(read)
}
