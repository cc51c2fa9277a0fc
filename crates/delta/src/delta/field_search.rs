//! Finds the address fields of a program: in code, in pointers, in the tables of its run time.

use std::io;

use super::elf::{Layout, Machine, Section, u32_at, u64_at};
use super::field_kind::FieldKind;
use super::fields::{Fields, Origin};
use super::pages::Pages;
use super::read_at::ReadAt;
use super::{aarch64, frames, go, x86};

impl Fields {
    /// Finds them, `most` at most.
    pub(super) fn find<B: ReadAt + ?Sized>(
        layout: Layout,
        pages: &mut Pages<'_, B>,
        most: usize,
    ) -> io::Result<Self> {
        let mut fields = Self::empty(layout, most);
        go::find(&mut fields, pages)?;
        // They are in the order of the file, so that there is little to sort.
        for section in &fields.layout().sections.clone() {
            match (section.executable, section.name.as_slice()) {
                (true, _) if fields.layout().machine == Machine::Aarch64 => fields.words(section, pages)?,
                (true, _) => fields.code(section, pages)?,
                (false, b".eh_frame") => frames::frames(section, pages, &mut fields)?,
                (false, b".eh_frame_hdr") => frames::header(section, &mut fields),
                // What looks like an address there is none.
                (false, b".dynstr" | b".gcc_except_table" | b".gopclntab") => {}
                (false, _) => fields.pointers(section, pages)?,
            }
        }
        fields.sort();
        Ok(fields)
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
                if value >= 4096 && self.layout().contains(value) {
                    self.add(start + at as u64, FieldKind::Pointer, Origin::Listed(0));
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
}

/// Bytes of a section that are swept at a time.
const SWEPT: usize = 4096;

fn kind_of(code: &[u8], relative: usize, length: usize) -> FieldKind {
    match code[relative - 1] {
        0xe8 if relative == 1 => FieldKind::Call,
        0xe9 if relative == 1 => FieldKind::Jump,
        0x80..=0x8f if relative == 2 && length == 6 && code[0] == 0x0f => FieldKind::Jump,
        _ => FieldKind::Memory,
    }
}
