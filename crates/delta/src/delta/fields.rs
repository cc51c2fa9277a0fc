//! Where a program keeps addresses, and as what: in code, in pointers, in the tables of its run time.
//!
//! A field holds `target - origin`. When a linker moves code and data about, targets and origins move in ways that the
//! copies give; so a field's new value follows from its old one (see `addresses`). Nothing here has to be right:
//! a field that is none, or one overlooked, costs some bytes and no more, because both sides find the same ones.

use super::elf::Layout;
use super::field_kind::FieldKind;
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
    pub(super) kind: FieldKind,
    pub(super) origin: Origin,
}

const _: () = assert!(size_of::<Field>() == FIELD_MEMORY);

impl Field {
    /// Bytes it has.
    pub(super) fn width(self) -> usize {
        if self.kind == FieldKind::Pointer { 8 } else { 4 }
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
    /// Room for `most` fields of a program of that layout.
    pub(super) fn empty(layout: Layout, most: usize) -> Self {
        Self { layout, found: Vec::with_capacity(most), before: Vec::new(), origins: vec![0], most }
    }

    /// Puts the fields in order, each byte in one of them at most, and indexes them.
    pub(super) fn sort(&mut self) {
        self.found.sort_unstable_by_key(|field| (field.at, field.kind as u8));
        self.found.dedup_by(|next, field| u64::from(next.at) < field.end());
        self.index();
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
    pub(super) fn add(&mut self, at: u64, kind: FieldKind, origin: Origin) {
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

    /// Notes that so many words after the page at `at` is the first that encodes the rest of its address.
    pub(super) fn pair(&mut self, at: u64, words: u8) {
        // There is at most one field in each word since.
        let since = self.found.iter_mut().rev().take(usize::from(words) + 1);
        let page = since.take_while(|field| u64::from(field.at) >= at).last();
        if let Some(page) = page.filter(|page| page.origin == Origin::Word(0)) {
            page.origin = Origin::Word(words);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::FIELDS_MAX;

    #[test]
    fn no_more_fields_than_the_limit_are_kept() {
        let mut fields = Fields::empty(Layout::default(), FIELDS_MAX);
        for at in 0..FIELDS_MAX as u64 + 1 {
            fields.add(at * 4, FieldKind::Call, Origin::Itself(4));
        }
        assert_eq!(fields.all().len(), FIELDS_MAX);
    }
}
