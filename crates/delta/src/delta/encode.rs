//! Making a delta: several ways to compare the two files are tried, and the smallest result is kept.

use std::io;
use std::ops::Range;

use super::container::{Content, Head, Plan, code};
use super::control::{Control, DeltaError, DeltaOptions, go_on};
use super::elf::{Layout, Machine, Segment};
use super::fields::Fields;
use super::matching::Index;
use super::operations::{Op, left_out};
use super::packed::{Grain, Packed, dictionary};
use super::pages::Pages;
use super::range_coder::BitWriter;
use super::table::Table;
use super::walk::Target;
use super::{mask, matching, packed, prefixed, text_matching};
use crate::body::DecodeError;
use crate::limits::{
    FIELDS_MAX, OPS_MAX, PACKED_MIN, PACKED_MIN_OF_PROGRAM, PACKED_WINDOW_MAX, PREFIXED_EFFORT_MAX,
};

/// Bytes more that a match elsewhere must have, as tried for programs; the more, the fewer copies.
const ADVANTAGES: [i64; 3] = [16, 22, 64];

/// The same for anything else.
const ADVANTAGE_OF_OTHERS: i64 = 12;

/// The same for what is neither program nor text: numbers in places of their own, where finer copies pay.
const ADVANTAGE_OF_NUMBERS: i64 = 4;

/// Of how many bytes one is a control character, at most, in a text.
const BYTES_A_CONTROL_CHARACTER: usize = 64;

/// The bytes of the smallest delta and the memory it takes; `None` if all take too much.
pub(super) fn smallest(
    base: &[u8],
    new: &[u8],
    options: &DeltaOptions,
    control: &dyn Control,
) -> Result<Option<(Vec<u8>, u64)>, DeltaError> {
    go_on(control)?;
    let masked_base = mask::masked(base)?;
    go_on(control)?;
    let masked_new = mask::masked(new)?;
    go_on(control)?;
    let index = Index::new(&masked_base, control)?;
    go_on(control)?;
    control.progress(200);
    let mut encoder = Encoder {
        base,
        new,
        options,
        control,
        fields: 0,
        segments: Vec::new(),
        words: Vec::new(),
        best: None,
    };
    let programs = (Layout::read(&mut Pages::new(base)?)?, Layout::read(&mut Pages::new(new)?)?);
    if let (Some(layout), Some(new_layout)) = programs {
        encoder.words = words(&new_layout);
        encoder.segments = new_layout.segments;
        encoder.fields = Fields::find(layout, &mut Pages::new(base)?, FIELDS_MAX)?.all().len();
        go_on(control)?;
        for (i, advantage) in ADVANTAGES.into_iter().enumerate() {
            // The coarsest is for those that would take too much memory otherwise.
            if i < 2 || encoder.best.is_none() {
                let ops = matching::ops(&index, &masked_new, advantage, control)?;
                encoder.attempt(Content::Program, &matching::in_words(ops, &encoder.words))?;
            }
            control.progress(400 + 200 * i as u32);
        }
    } else {
        let table = Table::of(base, new).map(|table| (table, table.ops(base, new)));
        // Where most records are new, records were seen by chance.
        if let Some((table, ops)) = table.filter(|(_, ops)| new_bytes(ops) <= new.len() as u64 / 2) {
            encoder.attempt(Content::Table(table), &ops)?;
        } else if !is_text(base) {
            let ops = matching::ops(&index, &masked_new, ADVANTAGE_OF_NUMBERS, control)?;
            encoder.attempt(Content::Text, &ops)?;
        } else {
            for taste in [text_matching::REPETITIVE, text_matching::DENSE] {
                encoder.attempt(Content::Text, &text_matching::ops(&taste, &index, base, new, control)?)?;
            }
        }
        control.progress(700);
        encoder.attempt(Content::Text, &matching::ops(&index, &masked_new, ADVANTAGE_OF_OTHERS, control)?)?;
        control.progress(850);
        encoder.attempt_prefixed()?;
    }
    control.progress(1000);
    Ok(encoder.best)
}

struct Encoder<'a> {
    base: &'a [u8],
    new: &'a [u8],
    options: &'a DeltaOptions,
    control: &'a dyn Control,
    fields: usize,
    segments: Vec<Segment>,
    /// The parts of the new program that are words of four bytes.
    words: Vec<Range<u32>>,
    best: Option<(Vec<u8>, u64)>,
}

impl Encoder<'_> {
    /// Encodes along `ops` and keeps the result if it is the smallest so far.
    fn attempt(&mut self, content: Content, ops: &[Op]) -> Result<(), DeltaError> {
        let mut head = self.head(content, ops);
        let coded_first = content == Content::Program || head.packed.is_some();
        if coded_first && ops.len() > OPS_MAX || head.memory() > self.options.memory_max {
            return Ok(());
        }
        let mut stored = Vec::new();
        if let Some(packed) = &mut head.packed {
            stored = self.packed(ops, *packed)?;
            packed.stored = stored.len() as u32;
        }
        let plan = Plan { content, ops, segments: &self.segments };
        let mut coder = BitWriter::new();
        let mut target = Known { file: self.new, control: self.control, cancelled: false };
        let coded = code(&mut coder, head, self.base, self.new.len() as u64, Some(plan), &mut target);
        coded.map_err(|error| match error {
            _ if target.cancelled => DeltaError::Cancelled,
            DecodeError::Read(error) | DecodeError::Write(error) => DeltaError::Io(error),
            error => DeltaError::Io(io::Error::other(error)),
        })?;
        let mut bytes = head.bytes();
        bytes.extend(stored);
        bytes.extend(coder.finish());
        self.keep(bytes, head);
        Ok(())
    }

    /// Encodes as a zstd frame behind the base.
    fn attempt_prefixed(&mut self) -> Result<(), DeltaError> {
        let head = Head::prefixed(prefixed::memory(self.base.len() as u64, self.new.len() as u64));
        let worth = is_worth_a_frame(self.base.len() + self.new.len(), is_text(self.base));
        if !worth || head.memory() > self.options.memory_max {
            return Ok(());
        }
        let mut bytes = head.bytes();
        bytes.extend(prefixed::encode(self.base, self.new, self.control)?);
        self.keep(bytes, head);
        Ok(())
    }

    /// Keeps a delta if it is the smallest so far.
    fn keep(&mut self, bytes: Vec<u8>, head: Head) {
        if self.best.as_ref().is_none_or(|(best, _)| bytes.len() < best.len()) {
            self.best = Some((bytes, head.memory()));
        }
    }

    /// The head for these ops. New bytes that are packed have as long a dictionary as there is memory for.
    fn head(&self, content: Content, ops: &[Op]) -> Head {
        let new_bytes = new_bytes(ops);
        if !are_packed(content, new_bytes) {
            let coded_first = if content == Content::Program { ops.len() } else { 0 };
            return Head::new(coded_first, self.fields, new_bytes, None);
        }
        let grain = if self.words.is_empty() { Grain::Bytes } else { Grain::Words };
        let mut packed = Packed { size: new_bytes as u32, stored: 0, dictionary: 0, grain };
        let left_out = left_out(ops, self.base.len() as u32);
        let left_out: u32 = left_out.iter().map(|part| part.end - part.start).sum();
        packed.dictionary = left_out.min(PACKED_WINDOW_MAX.saturating_sub(packed.size));
        loop {
            let head = Head::new(ops.len(), self.fields, new_bytes, Some(packed));
            let excess = head.memory().saturating_sub(self.options.memory_max);
            if excess == 0 || packed.dictionary == 0 {
                return head;
            }
            packed.dictionary = packed.dictionary.saturating_sub(excess as u32);
        }
    }

    /// The new bytes of `ops`, packed.
    fn packed(&self, ops: &[Op], packed: Packed) -> Result<Vec<u8>, DeltaError> {
        let mut new_bytes = Vec::new();
        let mut at = 0;
        for op in ops {
            new_bytes.extend_from_slice(&self.new[at..at + op.literal as usize]);
            at += (op.literal + op.copy) as usize;
        }
        let dictionary = dictionary(&mut Pages::new(self.base)?, ops, packed.dictionary);
        packed::pack(packed, dictionary.map_err(io::Error::other)?, &new_bytes, self.control)
    }
}

fn new_bytes(ops: &[Op]) -> u64 {
    ops.iter().map(|op| u64::from(op.literal)).sum()
}

/// Whether a file is a text, or several in an archive that fills up with zeros.
fn is_text(file: &[u8]) -> bool {
    let is_control = |byte: &&u8| matches!(byte, 1..=8 | 11 | 12 | 14..=31);
    file.iter().filter(is_control).count() <= file.len() / BYTES_A_CONTROL_CHARACTER
}

/// Where in a program code is words of four bytes.
fn words(layout: &Layout) -> Vec<Range<u32>> {
    let code =
        layout.sections.iter().filter(|section| section.executable && layout.machine == Machine::Aarch64);
    code.map(|section| section.offset as u32..(section.offset + section.size) as u32).collect()
}

/// Whether so many new bytes are packed.
fn are_packed(content: Content, new_bytes: u64) -> bool {
    new_bytes >= if content == Content::Program { PACKED_MIN_OF_PROGRAM } else { PACKED_MIN }
}

/// Whether a base and a file of so many bytes are tried as a frame.
fn is_worth_a_frame(size: usize, text: bool) -> bool {
    text || size <= PREFIXED_EFFORT_MAX
}

/// The file, for a walk over a file that is known.
struct Known<'a> {
    file: &'a [u8],
    control: &'a dyn Control,
    /// Whether the walk ended because it was cancelled: it has no error of its own for that.
    cancelled: bool,
}

impl Target for Known<'_> {
    fn known(&self, at: u64, length: usize) -> Option<&[u8]> {
        self.file.get(at as usize..at as usize + length)
    }

    fn begin(&mut self, _dictionary: &[u8]) -> Result<(), DecodeError> {
        Ok(())
    }

    fn unpack(&mut self, at: u64, bytes: &mut [u8]) -> Result<(), DecodeError> {
        bytes.copy_from_slice(&self.file[at as usize..at as usize + bytes.len()]);
        Ok(())
    }

    fn take(&mut self, _bytes: &[u8]) -> Result<(), DecodeError> {
        self.cancelled = self.control.cancelled();
        if self.cancelled { Err(DecodeError::WrongFile("it was cancelled")) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_archives_of_them_are_distinguished_from_numbers() {
        assert!(is_text("für alle,\r\n\tEnde\0\0\0\0".repeat(100).as_bytes()));
        let numbers: Vec<u8> = (0..4000u32).flat_map(u32::to_le_bytes).collect();
        assert!(!is_text(&numbers));
    }

    #[test]
    fn all_but_texts_are_tried_as_frames_up_to_the_limit() {
        assert!(is_worth_a_frame(PREFIXED_EFFORT_MAX, false));
        assert!(!is_worth_a_frame(PREFIXED_EFFORT_MAX + 1, false));
        assert!(is_worth_a_frame(PREFIXED_EFFORT_MAX + 1, true));
    }

    #[test]
    fn new_bytes_are_packed_from_the_limits_on() {
        let check = |content, limit| {
            assert!(!are_packed(content, limit - 1), "{content:?}");
            assert!(are_packed(content, limit), "{content:?}");
        };
        check(Content::Text, PACKED_MIN);
        check(Content::Program, PACKED_MIN_OF_PROGRAM);
    }
}
