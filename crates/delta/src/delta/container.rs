//! What a delta is made of: a head, then a zstd frame, or new bytes that are packed and one stream of coded bits.
//! `docs/deltas.md` describes it.
//!
//! [`code`] is the one way through the stream, for both directions.

use std::io::{ErrorKind, Read};
use std::ops::Range;

use super::addresses::Addresses;
use super::elf::{Layout, Segment, u32_at};
use super::fields::Fields;
use super::literals::NewBytes;
use super::numbers::Number;
use super::operations::{Around, Op, OpModel};
use super::packed::{Grain, Packed, dictionary};
use super::pages::Pages;
use super::range_coder::BitCoder;
use super::read_at::ReadAt;
use super::table::Table;
use super::walk::{New, Program, Target, Walk};
use crate::body::DecodeError;
use crate::limits::{
    DELTA_MEMORY_FIXED, ELF_SEGMENTS_MAX, FIELD_MEMORY, FIELDS_MAX, MEMORY_UNIT, OP_MEMORY, OPS_MAX,
    RECORD_WIDTH_MAX, RECORD_WIDTH_MIN, ROW_MEMORY, ROWS_LOG_MAX, ROWS_LOG_MIN,
};

/// The version of the format that is written and read.
const FORMAT: u8 = 1;

/// What kind of content the files are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    /// Anything else: each byte in the light of the word it is in.
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
    /// Size of the table that predicts bytes, as a power of two.
    pub(super) rows_log: u8,
    /// The new bytes, if they are packed.
    pub(super) packed: Option<Packed>,
}

/// Bytes of a head without those of [`Packed`].
const HEAD_SIZE: usize = 3;
/// Bytes more where new bytes are packed.
const PACKED_SIZE: usize = 12;
/// Instead of the rows where all the rest is a zstd frame.
const PREFIXED: u8 = 0;
/// Added to the rows where new bytes are packed.
const PACKED: u8 = 0x80;
/// Added to that where they are packed as words.
const WORDS: u8 = 0x40;

impl Head {
    /// The head of a delta with so many ops and fields and new bytes, packed or not.
    pub(super) fn new(ops: usize, fields: usize, new_bytes: u64, packed: Option<Packed>) -> Self {
        // Packed bytes are not predicted.
        let predicted = if packed.is_some() { 0 } else { new_bytes };
        let rows_log = u64::BITS - predicted.leading_zeros();
        let rows_log = (rows_log as u8).clamp(ROWS_LOG_MIN, ROWS_LOG_MAX);
        let mut head = Self { memory_units: 0, rows_log, packed };
        let memory = head.memory_of(ops) + head.dictionary().max((fields * FIELD_MEMORY) as u64);
        head.memory_units = units(memory);
        head
    }

    /// The head before a zstd frame that takes so many bytes of memory to decode.
    pub(super) fn prefixed(memory: u64) -> Self {
        Self { memory_units: units(memory), rows_log: PREFIXED, packed: None }
    }

    /// Whether all the rest is a zstd frame.
    pub(super) fn is_prefixed(self) -> bool {
        self.rows_log == PREFIXED
    }

    /// Bytes of memory that decoding takes, at most.
    pub(super) fn memory(self) -> u64 {
        u64::from(self.memory_units) * MEMORY_UNIT
    }

    /// Where in a delta of `size` bytes the packed bytes are, and where the coded bits.
    pub(super) fn parts(self, size: u64) -> [Range<u64>; 2] {
        let (head, stored) = match self.packed {
            Some(packed) => ((HEAD_SIZE + PACKED_SIZE) as u64, u64::from(packed.stored)),
            None => (HEAD_SIZE as u64, 0),
        };
        let coded = size.min(head + stored);
        [head..coded, coded..size]
    }

    pub(super) fn bytes(self) -> Vec<u8> {
        let mut bytes = vec![FORMAT, self.memory_units, self.rows_log];
        if let Some(packed) = self.packed {
            bytes[2] |= if packed.grain == Grain::Words { PACKED | WORDS } else { PACKED };
            bytes.extend_from_slice(&packed.size.to_le_bytes());
            bytes.extend_from_slice(&packed.stored.to_le_bytes());
            bytes.extend_from_slice(&packed.dictionary.to_le_bytes());
        }
        bytes
    }

    /// Reads a head; nothing is allocated before it is checked.
    pub(super) fn read(stored: &mut impl Read, memory_max: u64) -> Result<Self, DecodeError> {
        let short = |error: std::io::Error| match error.kind() {
            ErrorKind::UnexpectedEof => DecodeError::WrongFile("it is too short for a delta"),
            _ => DecodeError::Read(error),
        };
        let mut bytes = [0; HEAD_SIZE];
        stored.read_exact(&mut bytes).map_err(short)?;
        let [format, memory_units, rows_log] = bytes;
        if format != FORMAT {
            return Err(DecodeError::WrongFile("it is a delta of another format"));
        }
        let mut packed = None;
        if rows_log & PACKED != 0 {
            let mut sizes = [0; PACKED_SIZE];
            stored.read_exact(&mut sizes).map_err(short)?;
            let grain = if rows_log & WORDS == 0 { Grain::Bytes } else { Grain::Words };
            let [size, stored, dictionary] = [0, 4, 8].map(|at| u32_at(&sizes, at));
            packed = Some(Packed { size, stored, dictionary, grain });
        }
        let rows_log = if packed.is_some() { rows_log & !(PACKED | WORDS) } else { rows_log };
        let head = Self { memory_units, rows_log, packed };
        if head.memory() > memory_max {
            return Err(DecodeError::Memory { needed: head.memory(), allowed: memory_max });
        }
        if head.is_prefixed() {
            return Ok(head);
        }
        if !(ROWS_LOG_MIN..=ROWS_LOG_MAX).contains(&rows_log) {
            return Err(DecodeError::WrongFile("it has another number of rows than any delta"));
        }
        if head.memory() < head.memory_of(0) + head.dictionary() {
            return Err(DecodeError::WrongFile("it states too little memory"));
        }
        Ok(head)
    }

    /// Bytes of the dictionary, which is there before the fields are.
    fn dictionary(self) -> u64 {
        self.packed.map_or(0, |packed| u64::from(packed.dictionary))
    }

    /// Bytes of memory that decoding takes with so many ops, beside the dictionary or the fields.
    fn memory_of(self, ops: usize) -> u64 {
        let window = self.packed.map_or(0, |packed| u64::from(packed.window()));
        DELTA_MEMORY_FIXED + window + (ROW_MEMORY << self.rows_log) + (ops * OP_MEMORY) as u64
    }
}

/// So many bytes in [`MEMORY_UNIT`]s.
fn units(memory: u64) -> u8 {
    memory.div_ceil(MEMORY_UNIT).min(255) as u8
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
    let content = content(coder, plan.content)?;
    if content != Content::Program && head.packed.is_none() {
        let table = if let Content::Table(table) = content { Some(table) } else { None };
        let new = New::Coded(Box::new(NewBytes::new(u32::from(head.rows_log), table)));
        let unit = table.map_or(1, |table| table.width as u32);
        return Walk::new(pages, None, new).along(coder, unit, plan.ops, size, target);
    }
    let mut loaded = None;
    if content == Content::Program {
        let layout = Layout::read(&mut pages).map_err(DecodeError::Read)?;
        let layout = layout.ok_or(DecodeError::WrongFile("its base is not the one it was made from"))?;
        let segments = segments(coder, &layout, plan.segments);
        loaded = Some((layout, segments));
    }
    let ops = ops(coder, head, plan.ops, size)?;
    let mut new = New::Replaced;
    if let Some(packed) = head.packed {
        target.begin(&dictionary(&mut pages, &ops, packed.dictionary)?)?;
        new = New::Packed;
    }
    let mut program = None;
    if let Some((layout, segments)) = loaded {
        let left = head.memory().saturating_sub(head.memory_of(ops.len()));
        let most = FIELDS_MAX.min(left as usize / FIELD_MEMORY);
        let fields = Fields::find(layout, &mut pages, most).map_err(DecodeError::Read)?;
        let addresses = Addresses::new(&fields, segments, &ops);
        program = Some(Program { fields, addresses });
    }
    Walk::new(pages, program, new).ops(coder, &ops, target)
}

fn content(coder: &mut impl BitCoder, content: Content) -> Result<Content, DecodeError> {
    let kind = match content {
        Content::Text => 0,
        Content::Program => 1,
        Content::Table(table) => table.width as u32,
    };
    match Number::new().code(coder, [0], kind) as usize {
        0 => Ok(Content::Text),
        1 => Ok(Content::Program),
        width @ RECORD_WIDTH_MIN..=RECORD_WIDTH_MAX => Ok(Content::Table(Table { width })),
        _ => Err(DecodeError::WrongFile("its records are narrower or wider than those of any table")),
    }
}

/// Codes the loaded parts of a new program, as they differ from those of its base.
fn segments(coder: &mut impl BitCoder, base: &Layout, new: &[Segment]) -> Vec<Segment> {
    let mut numbers = Number::new();
    let count = numbers.code(coder, [0], new.len() as u32).min(ELF_SEGMENTS_MAX as u32);
    let mut segments = Vec::new();
    let mut before = Segment::default();
    for i in 0..count as usize {
        let old = base.segments.get(i).copied().unwrap_or(before);
        let new = new.get(i).copied().unwrap_or_default();
        let mut number = |old: u64, new: u64| {
            let moved = numbers.code_signed(coder, [1], new.wrapping_sub(old) as u32 as i32);
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

/// Codes all ops. The places of the copies give what became of the addresses in them, and what they leave out.
fn ops(coder: &mut impl BitCoder, head: Head, ops: &[Op], size: u64) -> Result<Vec<Op>, DecodeError> {
    let count = Number::new().code(coder, [0], ops.len() as u32) as usize;
    if count > OPS_MAX || head.memory_of(count) + head.dictionary() > head.memory() {
        return Err(DecodeError::WrongFile("it has more copies than it states memory for"));
    }
    let mut model = OpModel::<1>::new(1);
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
    use crate::delta::range_coder::{BitReader, BitWriter};

    #[test]
    fn more_copies_than_the_limit_are_refused() {
        for (count, refused) in [(OPS_MAX, false), (OPS_MAX + 1, true)] {
            let head = Head { memory_units: 255, rows_log: ROWS_LOG_MIN, packed: None };
            let mut writer = BitWriter::new();
            Number::new().code(&mut writer, [0], count as u32);
            let bytes = writer.finish();
            let read = ops(&mut BitReader::new(&bytes[..]), head, &[], u64::MAX);
            assert_eq!(read.is_err(), refused, "{count}");
        }
    }

    #[test]
    fn records_narrower_or_wider_than_the_limits_are_refused() {
        for (width, refused) in [
            (RECORD_WIDTH_MIN - 1, true),
            (RECORD_WIDTH_MIN, false),
            (RECORD_WIDTH_MAX, false),
            (RECORD_WIDTH_MAX + 1, true),
        ] {
            let mut writer = BitWriter::new();
            Number::new().code(&mut writer, [0], width as u32);
            let bytes = writer.finish();
            let read = content(&mut BitReader::new(&bytes[..]), Content::Text);
            assert_eq!(read.is_err(), refused, "{width}");
        }
    }

    #[test]
    fn more_segments_than_the_limit_are_not_kept() {
        for count in [ELF_SEGMENTS_MAX as u32, ELF_SEGMENTS_MAX as u32 + 1] {
            let mut writer = BitWriter::new();
            Number::new().code(&mut writer, [0], count);
            let bytes = writer.finish();
            let read = segments(&mut BitReader::new(&bytes[..]), &Layout::default(), &[]);
            assert_eq!(read.len() as u64, ELF_SEGMENTS_MAX, "{count}");
        }
    }
}
