//! The walk along the new file, in which every bit of a delta is written or read.

use std::mem;

use super::addresses::{Addresses, Source};
use super::change_flags::{BLOCK, Changes};
use super::elf::{u32_at, u64_at};
use super::fields::{Field, Fields, Origin};
use super::literals::NewBytes;
use super::operations::{Around, Op, OpModel};
use super::pages::Pages;
use super::predicted_words::PredictedWord;
use super::range_coder::BitCoder;
use super::read_at::ReadAt;
use super::residuals::Residuals;
use super::substitutions::{ByteContext, Class, Replaced};
use crate::body::DecodeError;

/// Bytes walked between two deliveries.
const STRIDE: usize = 16 * 1024;

/// Bytes of the base that are read before and after those being walked.
const MARGIN: usize = 8;

/// What the walk makes, and what it knows: an encoder has the file, a decoder makes it.
pub(super) trait Target {
    /// `length` bytes of the file from `at` on, if they are known.
    fn known(&self, at: u64, length: usize) -> Option<&[u8]>;

    /// Before the first bytes, where new ones are packed: behind this dictionary.
    fn begin(&mut self, dictionary: &[u8]) -> Result<(), DecodeError>;

    /// Fills `bytes` with the next new ones, which belong at `at`, where they are packed.
    fn unpack(&mut self, at: u64, bytes: &mut [u8]) -> Result<(), DecodeError>;

    /// Takes the next bytes of the file.
    fn take(&mut self, bytes: &[u8]) -> Result<(), DecodeError>;
}

/// A program's addresses.
pub(super) struct Program {
    pub(super) fields: Fields,
    pub(super) addresses: Addresses,
}

/// How new bytes are coded.
pub(super) enum New {
    /// Packed beside the coded bits.
    Packed,
    /// Coded, as bytes that stand in place of others.
    Replaced,
    /// Coded, in the light of all that was written.
    Coded(Box<NewBytes>),
}

/// Everything that learns during a walk.
pub(super) struct Walk<'a, B: ?Sized> {
    pages: Pages<'a, B>,
    program: Option<Program>,
    new: New,
    replaced: Replaced,
    changes: Changes,
    residuals: Residuals,
    /// The last eight bytes written, newest lowest.
    last: u64,
    at: u64,
    buffer: Vec<u8>,
    /// Room for the bytes of the base and the fields being walked.
    around: Vec<u8>,
    fields: Vec<Field>,
}

impl<'a, B: ReadAt + ?Sized> Walk<'a, B> {
    pub(super) fn new(pages: Pages<'a, B>, program: Option<Program>, new: New) -> Self {
        Self {
            pages,
            program,
            new,
            replaced: Replaced::new(),
            changes: Changes::new(),
            residuals: Residuals::new(),
            last: 0,
            at: 0,
            buffer: Vec::new(),
            around: Vec::new(),
            fields: Vec::new(),
        }
    }

    /// Walks the whole file of `size` bytes along ops that are coded on the way; an encoder names them. All their
    /// numbers count units of so many bytes.
    pub(super) fn along(
        &mut self,
        coder: &mut impl BitCoder,
        unit: u32,
        ops: &[Op],
        size: u64,
        target: &mut impl Target,
    ) -> Result<(), DecodeError> {
        let mut model = OpModel::<4>::new(unit);
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
        Ok(Around { last: self.last, expected: u64::from_le_bytes(expected) })
    }

    /// Walks new bytes, where the base is at `base`.
    fn literal(
        &mut self,
        coder: &mut impl BitCoder,
        base: i64,
        length: u32,
        target: &mut impl Target,
    ) -> Result<(), DecodeError> {
        if let New::Coded(new) = &mut self.new {
            new.begin();
        }
        for from in (0..length as usize).step_by(STRIDE) {
            let length = STRIDE.min(length as usize - from);
            if let New::Packed = self.new {
                self.buffer.resize(length, 0);
                target.unpack(self.at, &mut self.buffer)?;
                self.last = shifted_in(self.last, &self.buffer);
            } else {
                self.coded(coder, base + from as i64, length, target)?;
            }
            self.deliver(target)?;
        }
        Ok(())
    }

    /// Walks new bytes that are coded.
    fn coded(
        &mut self,
        coder: &mut impl BitCoder,
        base: i64,
        length: usize,
        target: &impl Target,
    ) -> Result<(), DecodeError> {
        let mut around = vec![0; length + 2 * MARGIN];
        self.pages.read(base - MARGIN as i64, &mut around).map_err(DecodeError::Read)?;
        for i in 0..length {
            let at = self.at + i as u64;
            let byte = target.known(at, 1).map_or(0, |bytes| bytes[0]);
            let byte = if let New::Coded(new) = &mut self.new {
                new.code(coder, byte, at, u64_at(&around, i + MARGIN))
            } else {
                self.replaced.code(coder, byte, &byte_context(Class::New, &around, i + MARGIN, self.last))
            };
            self.push(byte);
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
                self.copied(coder, i64::from(base) + walked as i64, length as usize - walked, target)?;
            if let New::Coded(new) = &mut self.new {
                new.pass(&self.buffer);
            }
            self.deliver(target)?;
        }
        Ok(())
    }

    /// Walks some of a copy of `left` bytes from `base` on; answers how many.
    fn copied(
        &mut self,
        coder: &mut impl BitCoder,
        base: i64,
        left: usize,
        target: &impl Target,
    ) -> Result<usize, DecodeError> {
        let length = self.find_fields(base, left);
        let found = mem::take(&mut self.fields);
        let mut fields = found.as_slice();
        let mut around = mem::take(&mut self.around);
        around.resize(length + 2 * MARGIN, 0);
        self.pages.read(base - MARGIN as i64, &mut around).map_err(DecodeError::Read)?;
        let known = target.known(self.at, length);
        let mut i = 0;
        let mut surprises = 0;
        while i < length {
            let end = (i + BLOCK).min(length);
            let dirty = known.is_some_and(|known| {
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
                    let right = match field.origin {
                        Origin::Word(_) => self.word(coder, field, &mut around, i, known)?,
                        _ => self.field(coder, field, &mut around, i, known),
                    };
                    surprises = surprises.max(1 + usize::from(!right));
                    i += field.width();
                    continue;
                }
                let plain = field_in.min(end - i);
                if dirty {
                    for i in i..i + plain {
                        self.plain_byte(coder, &around, i, known);
                    }
                } else {
                    self.extend(&around[i + MARGIN..i + MARGIN + plain]);
                }
                i += plain;
            }
        }
        (self.fields, self.around) = (found, around);
        Ok(length)
    }

    /// Finds the fields of the next segment of a copy of `left` bytes from `base` on; answers how long the segment is.
    fn find_fields(&mut self, base: i64, left: usize) -> usize {
        let length = left.min(STRIDE);
        self.fields.clear();
        let Some(program) = &self.program else { return length };
        let from = base as u64;
        self.fields.extend(program.fields.within(from, from + length as u64));
        let Some(last) = self.fields.last().copied() else { return length };
        let begin = (i64::from(last.at) - base) as usize;
        if begin + last.width() <= length {
            return length;
        }
        self.fields.pop();
        // A field is walked whole or, where the copy ends within it, as plain bytes.
        if length < left && begin > 0 { begin } else { length }
    }

    fn plain_byte(&mut self, coder: &mut impl BitCoder, around: &[u8], i: usize, known: Option<&[u8]>) {
        let byte_context = byte_context(Class::Changed, around, i + MARGIN, self.last);
        let expected = around[i + MARGIN];
        let byte = known.map_or(0, |known| known[i]);
        let near = (self.at as usize + i) & 7;
        let mut made = expected;
        if self.changes.byte(coder, &byte_context, near, byte != expected) {
            made = self.replaced.code(coder, byte, &byte_context);
        }
        self.push(made);
    }

    /// Walks a field; answers whether it was as predicted. What it is becomes what is expected `around`.
    fn field(
        &mut self,
        coder: &mut impl BitCoder,
        field: &Field,
        around: &mut [u8],
        i: usize,
        known: Option<&[u8]>,
    ) -> bool {
        let here = i + MARGIN;
        let wide = field.width() == 8;
        let value =
            |bytes: &[u8], at| if wide { u64_at(bytes, at) } else { signed(u64::from(u32_at(bytes, at))) };
        let program = self.program.as_mut().expect("fields are found in programs only");
        let old = value(around, here);
        let prediction = program.addresses.predict(field, old, self.at + i as u64);
        let predicted = prediction.map_or(old, |prediction| prediction.value);
        let predicted = if wide { predicted } else { signed(predicted) };
        let source = prediction.map_or(Source::Copied, |prediction| prediction.source);
        let actual = known.map_or(0, |known| value(known, i));
        let new = self.residuals.code(coder, field, source, predicted, actual);
        if let Some(prediction) = prediction.filter(|_| new != predicted) {
            program.addresses.learn(&prediction, new);
        }
        let bytes = new.to_le_bytes();
        around[here..here + field.width()].copy_from_slice(&bytes[..field.width()]);
        self.extend(&bytes[..field.width()]);
        new == predicted
    }

    /// Walks a word that encodes an address; answers whether it was as predicted. What was predicted becomes what is
    /// expected `around`.
    fn word(
        &mut self,
        coder: &mut impl BitCoder,
        field: &Field,
        around: &mut [u8],
        i: usize,
        known: Option<&[u8]>,
    ) -> Result<bool, DecodeError> {
        let here = i + MARGIN;
        let program = self.program.as_mut().expect("fields are found in programs only");
        let addresses = &mut program.addresses;
        let (old, new) = ((field, u32_at(around, here)), (self.at + i as u64, &self.buffer[..]));
        let predicted =
            PredictedWord::new(old, new, addresses, &mut self.pages).map_err(DecodeError::Read)?;
        let actual = known.map(|known| u32_at(known, i));
        let mut coded = None;
        if let Some(predicted) = predicted {
            let (kind, source) = (predicted.kind, predicted.source);
            around[here..here + 4].copy_from_slice(&predicted.word.to_le_bytes());
            if self.residuals.right(coder, kind, source, actual == Some(predicted.word)) {
                self.extend(&predicted.word.to_le_bytes());
                return Ok(true);
            }
            let residual = actual.and_then(|actual| predicted.residual(actual));
            coded = self
                .residuals
                .number(coder, kind, source, residual)
                .map(|residual| predicted.with_residual(residual));
            if let Some(word) = coded {
                predicted.learn(addresses, word);
            }
        }
        match coded {
            Some(word) => {
                around[here..here + 4].copy_from_slice(&word.to_le_bytes());
                self.extend(&word.to_le_bytes());
            }
            None => (i..i + 4).for_each(|i| self.plain_byte(coder, around, i, known)),
        }
        Ok(false)
    }

    #[inline]
    fn push(&mut self, byte: u8) {
        self.last = self.last << 8 | u64::from(byte);
        self.buffer.push(byte);
    }

    #[inline]
    fn extend(&mut self, bytes: &[u8]) {
        self.last = shifted_in(self.last, bytes);
        self.buffer.extend_from_slice(bytes);
    }

    fn deliver(&mut self, target: &mut impl Target) -> Result<(), DecodeError> {
        self.at += self.buffer.len() as u64;
        target.take(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }
}

/// The last eight bytes after `bytes`, newest lowest.
#[inline]
fn shifted_in(last: u64, bytes: &[u8]) -> u64 {
    match bytes.last_chunk::<8>() {
        Some(bytes) => u64::from_be_bytes(*bytes),
        None => bytes.iter().fold(last, |last, byte| last << 8 | u64::from(*byte)),
    }
}

/// The lower 32 bits, as a number that may be negative.
fn signed(value: u64) -> u64 {
    i64::from(value as u32 as i32) as u64
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

/// The context of the byte at `at` of `around`.
#[inline]
fn byte_context(class: Class, around: &[u8], at: usize, last: u64) -> ByteContext {
    ByteContext {
        class,
        expected: u64_at(around, at),
        expected_before: u64_at(around, at - 8).swap_bytes(),
        last,
    }
}
