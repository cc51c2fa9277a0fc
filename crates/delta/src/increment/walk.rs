//! The walk along the new file, in which every bit of an increment is written or read.

use super::ReadAt;
use super::addresses::{Addresses, Source};
use super::bytes::{ByteModel, Place};
use super::changes::{BLOCK, Changes};
use super::elf::{u32_at, u64_at};
use super::fields::{Field, Fields, KINDS};
use super::history::History;
use super::map::{Around, Op, OpModel};
use super::model::Counter;
use super::numbers::Number;
use super::pages::Pages;
use super::range::BitCoder;
use super::table::Table;
use crate::body::DecodeError;
use crate::limits::{HISTORY_INDEX_LOG, HISTORY_LOG};

const CLASS_NEW: u32 = 0;
const CLASS_CHANGED: u32 = 1;
const CLASS_POINTER: u32 = 2;

/// Bytes walked between two deliveries.
const STRIDE: usize = 16 * 1024;

/// Bytes of the base that are read before and after those at hand.
const MARGIN: usize = 8;

/// What the walk makes, and what it is told: an encoder knows the file, a decoder learns it.
pub(super) trait Target {
    /// `length` bytes of the file from `at` on, if they are known.
    fn known(&self, at: u64, length: usize) -> Option<&[u8]>;

    /// Takes the next bytes of the file.
    fn take(&mut self, bytes: &[u8]) -> Result<(), DecodeError>;
}

/// A program's addresses.
pub(super) struct Program {
    pub(super) fields: Fields,
    pub(super) addresses: Addresses,
}

/// Everything that learns during a walk.
pub(super) struct Walk<'a, B: ?Sized> {
    pages: Pages<'a, B>,
    program: Option<Program>,
    table: Option<Table>,
    stretch: Option<u32>,
    word: u32,
    history: History,
    bytes: ByteModel,
    changes: Changes,
    field_right: Vec<Counter>,
    field_outcomes: [usize; KINDS],
    field_shift: Number,
    field_fits: Counter,
    at: u64,
    buffer: Vec<u8>,
}

impl<'a, B: ReadAt + ?Sized> Walk<'a, B> {
    pub(super) fn new(
        pages: Pages<'a, B>,
        program: Option<Program>,
        table: Option<Table>,
        rows_log: u32,
    ) -> Self {
        Self {
            pages,
            program,
            table,
            stretch: None,
            word: 0,
            history: History::new(HISTORY_LOG, HISTORY_INDEX_LOG),
            bytes: ByteModel::new(rows_log),
            changes: Changes::new(),
            field_right: vec![Counter::at(60000); KINDS * 3 * 16],
            field_outcomes: [15; KINDS],
            field_shift: Number::new(),
            field_fits: Counter::default(),
            at: 0,
            buffer: Vec::new(),
        }
    }

    /// Walks the whole file of `size` bytes along ops that are coded on the way; an encoder names them.
    pub(super) fn along(
        &mut self,
        coder: &mut impl BitCoder,
        ops: &[Op],
        size: u64,
        target: &mut impl Target,
    ) -> Result<(), DecodeError> {
        let unit = self.table.as_ref().map_or(1, |table| table.width as u32);
        let mut model = OpModel::new(unit);
        let mut ops = ops.iter().copied();
        while self.at < size {
            let op = ops.next().unwrap_or_default();
            let end = model.base_end();
            let around = self.around(end)?;
            let left = size - self.at;
            let literal = u64::from(model.literal(coder, around, op.literal)).min(left) as u32;
            self.literal(coder, i64::from(end), literal, target)?;
            if u64::from(literal) == left {
                break;
            }
            let around = self.around(end.wrapping_add(literal))?;
            let op = model.copy(coder, around, op);
            if op.copy == 0 && literal == 0 {
                return Err(DecodeError::WrongFile("it has a copy of nothing"));
            }
            let copy = u64::from(op.copy).min(left - u64::from(literal)) as u32;
            self.copy(coder, op.base, copy, target)?;
        }
        Ok(())
    }

    /// Walks ops that were coded beforehand.
    pub(super) fn ops(
        &mut self,
        coder: &mut impl BitCoder,
        ops: &[Op],
        target: &mut impl Target,
    ) -> Result<(), DecodeError> {
        for op in ops {
            self.literal(coder, i64::from(op.base) - i64::from(op.literal), op.literal, target)?;
            self.copy(coder, op.base, op.copy, target)?;
        }
        Ok(())
    }

    fn around(&mut self, base: u32) -> Result<Around, DecodeError> {
        let mut expected = [0; 8];
        self.pages.read(i64::from(base), &mut expected).map_err(DecodeError::Read)?;
        Ok(Around { last: self.history.last(), expected: u64::from_le_bytes(expected) })
    }

    fn literal(
        &mut self,
        coder: &mut impl BitCoder,
        base: i64,
        length: u32,
        target: &mut impl Target,
    ) -> Result<(), DecodeError> {
        self.stretch = None;
        for from in (0..length as usize).step_by(STRIDE) {
            self.new_bytes(coder, base + from as i64, STRIDE.min(length as usize - from), target)?;
        }
        Ok(())
    }

    fn copy(
        &mut self,
        coder: &mut impl BitCoder,
        base: u32,
        length: u32,
        target: &mut impl Target,
    ) -> Result<(), DecodeError> {
        let mut walked = 0;
        while walked < length as usize {
            walked +=
                self.copied_bytes(coder, i64::from(base) + walked as i64, length as usize - walked, target)?;
        }
        Ok(())
    }

    fn new_bytes(
        &mut self,
        coder: &mut impl BitCoder,
        base: i64,
        length: usize,
        target: &mut impl Target,
    ) -> Result<(), DecodeError> {
        let mut around = vec![0; length + 2 * MARGIN];
        self.pages.read(base - MARGIN as i64, &mut around).map_err(DecodeError::Read)?;
        for i in 0..length {
            let byte = target.known(self.at + i as u64, 1).map_or(0, |bytes| bytes[0]);
            let mut place = place(CLASS_NEW, &around, i + MARGIN);
            let stretch = self.stretch.get_or_insert(place.expected as u32);
            place.replaced = *stretch;
            place.content = self.content(self.at + i as u64);
            let byte = self.bytes.code(coder, byte, &place, &self.history);
            if let Some(stretch) = &mut self.stretch {
                *stretch = (*stretch ^ u32::from(byte)).wrapping_mul(0x0100_0193).rotate_left(5);
            }
            self.push(byte);
        }
        self.deliver(target)
    }

    /// The context that the kind of content gives to the byte at `at`.
    fn content(&mut self, at: u64) -> u32 {
        if let Some(table) = &self.table {
            let column = (at % table.width as u64) as u32;
            return column << 8 | u32::from(self.history.back(table.width));
        }
        self.word
    }

    /// Walks some of a copy of `left` bytes from `base` on; answers how many.
    fn copied_bytes(
        &mut self,
        coder: &mut impl BitCoder,
        base: i64,
        left: usize,
        target: &mut impl Target,
    ) -> Result<usize, DecodeError> {
        let mut length = left.min(STRIDE);
        let mut fields = Vec::new();
        if let Some(program) = &self.program {
            let from = base as u64;
            fields.extend_from_slice(program.fields.within(from, from + length as u64));
            if let Some(field) = fields.last().copied() {
                let begin = i64::from(field.at) - base;
                if begin as usize + field.width() > length {
                    fields.pop();
                    // A field is walked whole or, where the copy ends within it, as plain bytes.
                    if length < left && begin > 0 {
                        length = begin as usize;
                    }
                }
            }
        }
        let mut around = vec![0; length + 2 * MARGIN];
        self.pages.read(base - MARGIN as i64, &mut around).map_err(DecodeError::Read)?;
        let known: Option<Vec<u8>> = target.known(self.at, length).map(<[u8]>::to_vec);
        let mut fields = fields.as_slice();
        let start = self.at;
        let mut i = 0;
        let mut surprises = 0;
        while i < length {
            let end = (i + BLOCK).min(length);
            let dirty = known.as_ref().is_some_and(|known| {
                is_dirty(&known[i..end], &around[i + MARGIN..end + MARGIN], base + i as i64, fields)
            });
            let dirty = self.changes.block(coder, surprises, dirty);
            surprises = 0;
            while i < end {
                let field_in =
                    fields.first().map_or(end - i, |field| (i64::from(field.at) - base) as usize - i);
                if field_in == 0
                    && let Some((field, rest)) = fields.split_first()
                {
                    fields = rest;
                    let right = self.field(coder, field, start + i as u64, &mut around, i, known.as_deref());
                    surprises = surprises.max(1 + usize::from(!right));
                    i += field.width();
                    continue;
                }
                let plain = field_in.min(end - i);
                if dirty {
                    for _ in 0..plain {
                        self.plain_byte(coder, &around, i, known.as_deref());
                        i += 1;
                    }
                } else {
                    let clean = &around[i + MARGIN..i + MARGIN + plain];
                    if self.program.is_some() {
                        self.history.pass(clean);
                    } else {
                        clean.iter().for_each(|byte| self.history.push(*byte));
                    }
                    self.buffer.extend_from_slice(&around[i + MARGIN..i + MARGIN + plain]);
                    i += plain;
                }
            }
        }
        self.deliver(target)?;
        Ok(length)
    }

    fn plain_byte(&mut self, coder: &mut impl BitCoder, around: &[u8], i: usize, known: Option<&[u8]>) {
        let expected = around[i + MARGIN];
        let byte = known.map_or(0, |known| known[i]);
        let place = place(CLASS_CHANGED, around, i + MARGIN);
        let near = (self.at as usize + i) & 7;
        let changed = self.changes.byte(coder, place.expected, near, &self.history, byte != expected);
        let mut byte = expected;
        if changed {
            byte = self.bytes.code(coder, known.map_or(0, |known| known[i]), &place, &self.history);
            self.changes.was(expected, byte);
        }
        self.push(byte);
    }

    /// Walks a field; answers whether it was as predicted. What it is becomes what is expected `around`.
    fn field(
        &mut self,
        coder: &mut impl BitCoder,
        field: &Field,
        at: u64,
        around: &mut [u8],
        i: usize,
        known: Option<&[u8]>,
    ) -> bool {
        let here = i + MARGIN;
        let width = field.width();
        let value = |bytes: &[u8], at: usize| {
            if width == 8 { u64_at(bytes, at) } else { i64::from(u32_at(bytes, at) as i32) as u64 }
        };
        let program = self.program.as_mut().expect("fields are found in programs only");
        let old = value(around, here);
        let prediction = program.addresses.predict(field, old, at);
        let actual = known.map_or(0, |known| value(known, i));
        let predicted = prediction.map_or(old, |prediction| {
            if width == 8 { prediction.value } else { i64::from(prediction.value as u32 as i32) as u64 }
        });
        let source = prediction.map_or(Source::Copied, |prediction| prediction.source);
        let kind = field.kind as usize;
        let outcomes = &mut self.field_outcomes[kind];
        let context = (kind * 3 + source as usize) * 16 + (*outcomes & 15);
        let right = self.field_right[context].code(coder, actual == predicted, 1000);
        *outcomes = *outcomes << 1 | usize::from(right);
        let mut new = predicted;
        if !right {
            let shift = actual.wrapping_sub(predicted) as i64;
            let fits = i64::from(shift as i32) == shift || width == 4;
            let fits = width == 4 || self.field_fits.code(coder, fits, 250);
            if fits {
                let shift = self.field_shift.code_signed(
                    coder,
                    [kind as u64 * 3 + source as u64, 0, 0, 0],
                    shift as i32,
                );
                new = predicted.wrapping_add(i64::from(shift) as u64);
            } else {
                let mut bytes = [0; 8];
                for (k, byte) in bytes.iter_mut().enumerate() {
                    let place = place(CLASS_POINTER, around, here + k.min(MARGIN - 1));
                    *byte =
                        self.bytes.code(coder, known.map_or(0, |known| known[i + k]), &place, &self.history);
                    self.history.push(*byte);
                }
                new = u64::from_le_bytes(bytes);
            }
            if let Some(prediction) = prediction {
                program.addresses.learn(&prediction, new);
            }
        }
        let bytes = new.to_le_bytes();
        around[here..here + width].copy_from_slice(&bytes[..width]);
        self.history.pass(&bytes[..width]);
        self.buffer.extend_from_slice(&bytes[..width]);
        right
    }

    fn push(&mut self, byte: u8) {
        self.word = if byte.is_ascii_alphanumeric() || byte >= 128 {
            (self.word ^ u32::from(byte)).wrapping_mul(0x0100_0193)
        } else {
            u32::from(byte)
        };
        self.history.push(byte);
        self.buffer.push(byte);
    }

    fn deliver(&mut self, target: &mut impl Target) -> Result<(), DecodeError> {
        self.at += self.buffer.len() as u64;
        target.take(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }
}

/// Whether any byte but those of fields is another than expected.
fn is_dirty(known: &[u8], expected: &[u8], base: i64, fields: &[Field]) -> bool {
    if known == expected {
        return false;
    }
    let mut from = 0;
    for field in fields {
        let at = (i64::from(field.at) - base) as usize;
        if at >= known.len() {
            break;
        }
        if from < at && known[from..at] != expected[from..at] {
            return true;
        }
        from = at + field.width();
    }
    from < known.len() && known[from..] != expected[from..]
}

fn place(class: u32, around: &[u8], at: usize) -> Place {
    let mut ahead = [0; 8];
    let n = (around.len() - at).min(8);
    ahead[..n].copy_from_slice(&around[at..at + n]);
    let mut before = [0; 8];
    before.copy_from_slice(&around[at - 8..at]);
    Place {
        class,
        expected: u64::from_le_bytes(ahead),
        expected_before: u64::from_be_bytes(before),
        ..Place::default()
    }
}
