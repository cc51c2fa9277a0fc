//! What an increment is made of: a head, then one stream of coded bits. `docs/increments.md` describes it.
//!
//! [`code`] is the one way through the stream, for both directions.

use std::io::Read;

use super::ReadAt;
use super::addresses::Addresses;
use super::elf::{Layout, Segment};
use super::fields::Fields;
use super::map::{Around, Op, OpModel};
use super::numbers::Number;
use super::pages::Pages;
use super::range::BitCoder;
use super::table::{Table, WIDTH_MAX};
use super::walk::{Program, Target, Walk};
use crate::body::DecodeError;
use crate::limits::{
    ELF_SEGMENTS_MAX, FIELD_MEMORY, FIELDS_MAX, INCREMENT_MEMORY_FIXED, MEMORY_UNIT, OP_MEMORY, OPS_MAX,
    ROW_MEMORY, ROWS_LOG_MAX, ROWS_LOG_MIN,
};

/// The version of the format that is written and read.
const FORMAT: u8 = 1;

/// What kind of content the files are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    /// Anything, compared nearby first.
    Text,
    /// Records of one width.
    Table(Table),
    /// A program with addresses.
    Program,
}

/// What stands before the coded bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    /// Memory to decode, in [`MEMORY_UNIT`]s.
    memory_units: u8,
    /// Size of the table that foresees bytes, as a power of two.
    pub(super) rows_log: u8,
}

/// Bytes of a head.
pub(super) const HEAD_SIZE: usize = 3;

impl Head {
    /// The head of an increment with so many ops and fields and new bytes.
    pub(super) fn new(ops: usize, fields: usize, new_bytes: u64) -> Self {
        let rows_log = u64::BITS - new_bytes.leading_zeros();
        let rows_log = (rows_log as u8).clamp(ROWS_LOG_MIN, ROWS_LOG_MAX);
        let memory = memory_without_fields(rows_log, ops) + (fields * FIELD_MEMORY) as u64;
        Self { memory_units: memory.div_ceil(MEMORY_UNIT).min(255) as u8, rows_log }
    }

    /// Bytes of memory that decoding takes, at most.
    pub(super) fn memory(self) -> u64 {
        u64::from(self.memory_units) * MEMORY_UNIT
    }

    pub(super) fn bytes(self) -> [u8; HEAD_SIZE] {
        [FORMAT, self.memory_units, self.rows_log]
    }

    /// Reads a head; nothing is allocated before it is checked.
    pub(super) fn read(stored: &mut impl Read, memory_max: u64) -> Result<Self, DecodeError> {
        let mut bytes = [0; HEAD_SIZE];
        stored
            .read_exact(&mut bytes)
            .map_err(|_| DecodeError::WrongFile("it is too short for an increment"))?;
        let [format, memory_units, rows_log] = bytes;
        if format != FORMAT {
            return Err(DecodeError::WrongFile("it is an increment of another format"));
        }
        let head = Self { memory_units, rows_log };
        if head.memory() > memory_max {
            return Err(DecodeError::Memory { needed: head.memory(), allowed: memory_max });
        }
        if !(ROWS_LOG_MIN..=ROWS_LOG_MAX).contains(&rows_log)
            || head.memory() < memory_without_fields(rows_log, 0)
        {
            return Err(DecodeError::WrongFile("it states too little memory"));
        }
        Ok(head)
    }
}

fn memory_without_fields(rows_log: u8, ops: usize) -> u64 {
    INCREMENT_MEMORY_FIXED + (ROW_MEMORY << rows_log) + (ops * OP_MEMORY) as u64
}

/// What an encoder knows beforehand.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan<'a> {
    pub(super) content: Content,
    pub(super) ops: &'a [Op],
    /// The parts of the new program that are loaded.
    pub(super) segments: &'a [Segment],
}

/// Codes all after the head: a file of `size` bytes that is made of `base`. A decoder has no plan.
pub(super) fn code<B: ReadAt + ?Sized>(
    coder: &mut impl BitCoder,
    head: Head,
    base: &B,
    size: u64,
    plan: Option<Plan<'_>>,
    target: &mut impl Target,
) -> Result<(), DecodeError> {
    let plan = plan.unwrap_or(Plan { content: Content::Text, ops: &[], segments: &[] });
    let mut pages = Pages::new(base).map_err(DecodeError::Read)?;
    let rows_log = u32::from(head.rows_log);
    match content(coder, plan.content)? {
        Content::Text => Walk::new(pages, None, None, rows_log).along(coder, plan.ops, size, target),
        Content::Table(table) => {
            Walk::new(pages, None, Some(table), rows_log).along(coder, plan.ops, size, target)
        }
        Content::Program => {
            let layout = Layout::read(&mut pages).map_err(DecodeError::Read)?;
            let layout = layout.ok_or(DecodeError::WrongFile("its base is not the one it was made from"))?;
            let segments = segments(coder, &layout, plan.segments);
            let ops = ops(coder, head, plan.ops, size)?;
            let left = head.memory().saturating_sub(memory_without_fields(head.rows_log, ops.len()));
            let most = FIELDS_MAX.min(left as usize / FIELD_MEMORY);
            let fields = Fields::find(layout, &mut pages, most).map_err(DecodeError::Read)?;
            let addresses = Addresses::new(&fields, segments, &ops);
            let program = Program { fields, addresses };
            Walk::new(pages, Some(program), None, rows_log).ops(coder, &ops, target)
        }
    }
}

fn content(coder: &mut impl BitCoder, content: Content) -> Result<Content, DecodeError> {
    let kind = match content {
        Content::Text => 0,
        Content::Program => 1,
        Content::Table(table) => table.width as u32,
    };
    match Number::new().code(coder, [0; 4], kind) {
        0 => Ok(Content::Text),
        1 => Ok(Content::Program),
        width if width as usize <= WIDTH_MAX => Ok(Content::Table(Table { width: width as usize })),
        _ => Err(DecodeError::WrongFile("its records are too wide")),
    }
}

/// Codes the loaded parts of a new program, as they differ from those of its base.
fn segments(coder: &mut impl BitCoder, base: &Layout, new: &[Segment]) -> Vec<Segment> {
    let mut numbers = Number::new();
    let count = numbers.code(coder, [0; 4], new.len() as u32).min(ELF_SEGMENTS_MAX as u32);
    let mut segments = Vec::new();
    let mut before = Segment::default();
    for i in 0..count as usize {
        let old = base.segments.get(i).copied().unwrap_or(before);
        let new = new.get(i).copied().unwrap_or_default();
        let mut number = |old: u64, new: u64| {
            let moved = numbers.code_signed(coder, [1; 4], new.wrapping_sub(old) as u32 as i32);
            old.wrapping_add(i64::from(moved) as u64)
        };
        before = Segment {
            offset: number(old.offset, new.offset),
            address: number(old.address, new.address),
            file_size: number(old.file_size, new.file_size),
            memory_size: number(old.memory_size, new.memory_size),
        };
        segments.push(before);
    }
    segments
}

/// Codes all ops, for where the copies are tells what became of the addresses in them.
fn ops(coder: &mut impl BitCoder, head: Head, ops: &[Op], size: u64) -> Result<Vec<Op>, DecodeError> {
    let count = Number::new().code(coder, [0; 4], ops.len() as u32) as usize;
    if count > OPS_MAX || memory_without_fields(head.rows_log, count) > head.memory() {
        return Err(DecodeError::WrongFile("it has more copies than it states memory for"));
    }
    let mut model = OpModel::new(1);
    let mut read = Vec::with_capacity(count);
    let mut made = 0;
    for i in 0..count {
        let op = ops.get(i).copied().unwrap_or_default();
        model.literal(coder, Around::default(), op.literal);
        let op = model.copy(coder, Around::default(), op);
        made += u64::from(op.literal) + u64::from(op.copy);
        if made > size {
            return Err(DecodeError::WrongFile("it is longer than declared"));
        }
        read.push(op);
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::increment::range::{BitReader, BitWriter};

    #[test]
    fn more_copies_than_the_limit_are_refused() {
        for (count, refused) in [(OPS_MAX, false), (OPS_MAX + 1, true)] {
            let head = Head { memory_units: 255, rows_log: ROWS_LOG_MIN };
            let mut writer = BitWriter::new();
            Number::new().code(&mut writer, [0; 4], count as u32);
            let bytes = writer.finish();
            let read = ops(&mut BitReader::new(&bytes[..]), head, &[], u64::MAX);
            assert_eq!(read.is_err(), refused, "{count}");
        }
    }

    #[test]
    fn more_segments_than_the_limit_are_not_kept() {
        for count in [ELF_SEGMENTS_MAX as u32, ELF_SEGMENTS_MAX as u32 + 1] {
            let mut writer = BitWriter::new();
            Number::new().code(&mut writer, [0; 4], count);
            let bytes = writer.finish();
            let read = segments(&mut BitReader::new(&bytes[..]), &Layout::default(), &[]);
            assert_eq!(read.len() as u64, ELF_SEGMENTS_MAX, "{count}");
        }
    }
}
