//! Where a program keeps addresses, and as what: in code, in pointers, in the tables of its run time.
//!
//! A field holds `target - origin`. When a linker moves code and data about, targets and origins move in ways that the
//! copies give; so a field's new value follows from its old one (see `addresses`). Nothing here has to be right:
//! a field that is none, or one overlooked, costs some bytes and no more, because both sides find the same ones.

use std::io;

use super::elf::{Layout, Machine, Section, u32_at, u64_at};
use super::field_kind::Kind;
use super::pages::Pages;
use super::read_at::ReadAt;
use super::{aarch64, frames, go, x86};
use crate::limits::FIELD_MEMORY;

/// What a field's value is relative to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// The address so many bytes after the start of the field.
    Itself(u8),
    /// One of the addresses of [`Fields::origin`], which move like any other.
    Listed(u8),
    /// An instruction word encodes it (see `aarch64`); another, so many words on or back, encodes the rest.
    Word(u8),
}

/// Bytes that are an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Field {
    /// Offset in the base.
    pub(super) at: u32,
    pub(super) kind: Kind,
    pub(super) origin: Origin,
}

const _: () = assert!(size_of::<Field>() == FIELD_MEMORY);

impl Field {
    /// Bytes it has.
    pub(super) fn width(self) -> usize {
        if self.kind == Kind::Pointer { 8 } else { 4 }
    }

    /// The offset after it.
    pub(super) fn end(self) -> u64 {
        u64::from(self.at) + self.width() as u64
    }
}

/// The fields of a base.
#[derive(Debug)]
pub(super) struct Fields {
    layout: Layout,
    found: Vec<Field>,
    /// How many fields begin before each 2^[`STEP_LOG`] bytes of the base.
    before: Vec<u32>,
    origins: Vec<u64>,
    most: usize,
}

/// Bytes of the base between two entries of the index of fields, as a power of two.
const STEP_LOG: u32 = 10;

impl Fields {
    /// Finds them, `most` at most.
    pub(super) fn find<B: ReadAt + ?Sized>(
        layout: Layout,
        pages: &mut Pages<'_, B>,
        most: usize,
    ) -> io::Result<Self> {
        let mut fields =
            Self { layout, found: Vec::with_capacity(most), before: Vec::new(), origins: vec![0], most };
        go::find(&mut fields, pages)?;
        // They are in the order of the file, so that there is little to sort.
        for section in &fields.layout.sections.clone() {
            match (section.executable, section.name.as_slice()) {
                (true, _) if fields.layout.machine == Machine::Aarch64 => fields.words(section, pages)?,
                (true, _) => fields.code(section, pages)?,
                (false, b".eh_frame") => frames::frames(section, pages, &mut fields)?,
                (false, b".eh_frame_hdr") => frames::header(section, &mut fields),
                // What looks like an address there is none.
                (false, b".dynstr" | b".gcc_except_table" | b".gopclntab") => {}
                (false, _) => fields.pointers(section, pages)?,
            }
        }
        fields.found.sort_unstable_by_key(|field| (field.at, field.kind as u8));
        fields.found.dedup_by(|next, field| u64::from(next.at) < field.end());
        fields.index();
        Ok(fields)
    }

    fn index(&mut self) {
        for (i, field) in self.found.iter().enumerate() {
            let step = (field.at >> STEP_LOG) as usize;
            if self.before.len() <= step {
                self.before.resize(step + 1, i as u32);
            }
        }
    }

    /// Notes a field, unless there are too many.
    pub(super) fn add(&mut self, at: u64, kind: Kind, origin: Origin) {
        if self.has_room() {
            self.found.push(Field { at: at as u32, kind, origin });
        }
    }

    /// Whether there may be more.
    pub(super) fn has_room(&self) -> bool {
        self.found.len() < self.most
    }

    /// Lists an address that fields are relative to.
    pub(super) fn add_origin(&mut self, address: u64) -> Origin {
        self.origins.push(address);
        Origin::Listed((self.origins.len() - 1) as u8)
    }

    /// The address that was listed so; the first is 0.
    pub(super) fn origin(&self, listed: u8) -> u64 {
        self.origins[usize::from(listed)]
    }

    pub(super) fn origins(&self) -> &[u64] {
        &self.origins
    }

    pub(super) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// All of them, in order.
    pub(super) fn all(&self) -> &[Field] {
        &self.found
    }

    /// Those that begin from `from` up to `to`.
    pub(super) fn within(&self, from: u64, to: u64) -> impl Iterator<Item = Field> {
        self.found[self.first_from(from)..].iter().copied().take_while(move |field| u64::from(field.at) < to)
    }

    /// Which is the first that begins at `at` or later.
    fn first_from(&self, at: u64) -> usize {
        let step = (at >> STEP_LOG) as usize;
        let entry = |step: usize| self.before.get(step).map_or(self.found.len(), |before| *before as usize);
        let (low, high) = (entry(step), entry(step + 1));
        low + self.found[low..high].partition_point(|field| u64::from(field.at) < at)
    }

    /// Whole words that are addresses of this program.
    fn pointers<B: ReadAt + ?Sized>(
        &mut self,
        section: &Section,
        pages: &mut Pages<'_, B>,
    ) -> io::Result<()> {
        let mut chunk = [0; SWEPT];
        let mut start = section.offset.next_multiple_of(8);
        let end = section.offset + section.size;
        while start < end {
            pages.read(start as i64, &mut chunk)?;
            for at in (0..SWEPT.min((end - start) as usize)).step_by(8) {
                let value = u64_at(&chunk, at);
                if value >= 4096 && self.layout.contains(value) {
                    self.add(start + at as u64, Kind::Pointer, Origin::Listed(0));
                }
            }
            start += SWEPT as u64;
        }
        Ok(())
    }

    fn code<B: ReadAt + ?Sized>(&mut self, section: &Section, pages: &mut Pages<'_, B>) -> io::Result<()> {
        let mut chunk = [0; SWEPT + x86::LENGTH_MAX];
        let mut start = section.offset;
        let end = section.offset + section.size;
        while start < end {
            pages.read(start as i64, &mut chunk)?;
            let part = SWEPT.min((end - start) as usize);
            let mut at = 0;
            while at < part {
                let Some(instruction) = x86::instruction(&chunk[at..]) else {
                    at += 1;
                    continue;
                };
                if let Some(relative) = instruction.relative {
                    let kind = kind_of(&chunk[at..], relative, instruction.length);
                    let tail = (instruction.length - relative) as u8;
                    self.add(start + (at + relative) as u64, kind, Origin::Itself(tail));
                }
                at += instruction.length;
            }
            start += at as u64;
        }
        Ok(())
    }

    fn words<B: ReadAt + ?Sized>(&mut self, section: &Section, pages: &mut Pages<'_, B>) -> io::Result<()> {
        let mut chunk = [0; SWEPT];
        let mut sweep = aarch64::Sweep::default();
        let first = section.offset + section.address.wrapping_neg() % 4;
        let end = section.offset + section.size;
        for start in (first..end).step_by(SWEPT) {
            pages.read(start as i64, &mut chunk)?;
            for at in (0..SWEPT.min((end - start) as usize)).step_by(4) {
                let here = start + at as u64;
                let Some(found) = sweep.next(u32_at(&chunk, at), (here - first) / 4) else { continue };
                if let Some(back) = found.back {
                    self.pair(here - 4 * u64::from(back), back);
                }
                self.add(here, found.kind, Origin::Word(found.back.unwrap_or(0)));
            }
        }
        Ok(())
    }

    /// Notes that so many words after the page at `at` is the first that encodes the rest of its address.
    fn pair(&mut self, at: u64, words: u8) {
        // There is at most one field in each word since.
        let since = self.found.iter_mut().rev().take(usize::from(words) + 1);
        let page = since.take_while(|field| u64::from(field.at) >= at).last();
        if let Some(page) = page.filter(|page| page.origin == Origin::Word(0)) {
            page.origin = Origin::Word(words);
        }
    }
}

/// Bytes of a section that are swept at a time.
const SWEPT: usize = 4096;

fn kind_of(code: &[u8], relative: usize, length: usize) -> Kind {
    match code[relative - 1] {
        0xe8 if relative == 1 => Kind::Call,
        0xe9 if relative == 1 => Kind::Jump,
        0x80..=0x8f if relative == 2 && length == 6 && code[0] == 0x0f => Kind::Jump,
        _ => Kind::Memory,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::FIELDS_MAX;

    #[test]
    fn no_more_fields_than_the_limit_are_kept() {
        let layout = Layout::default();
        let mut fields =
            Fields { layout, found: Vec::new(), before: Vec::new(), origins: vec![0], most: FIELDS_MAX };
        for at in 0..FIELDS_MAX as u64 + 1 {
            fields.add(at * 4, Kind::Call, Origin::Itself(4));
        }
        assert_eq!(fields.all().len(), FIELDS_MAX);
    }
}
