//! Where the parts of a 64-bit little-endian ELF file are, and at which addresses they run.

use std::io;

use super::pages::Pages;
use super::read_at::ReadAt;
use crate::limits::{ELF_SECTIONS_MAX, ELF_SEGMENTS_MAX};

/// A part of the file that is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Segment {
    pub(super) offset: u64,
    pub(super) address: u64,
    pub(super) file_size: u64,
    pub(super) memory_size: u64,
}

/// A named part of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) name: Vec<u8>,
    pub(super) executable: bool,
    pub(super) address: u64,
    pub(super) offset: u64,
    pub(super) size: u64,
}

/// Which instructions a program is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Machine {
    #[default]
    X86,
    Aarch64,
}

impl Machine {
    /// The one that a header names.
    fn of(header: &[u8]) -> Option<Self> {
        match u16_at(header, 18) {
            MACHINE_X86_64 => Some(Self::X86),
            MACHINE_AARCH64 => Some(Self::Aarch64),
            _ => None,
        }
    }
}

/// The headers of a file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Layout {
    pub(super) machine: Machine,
    pub(super) segments: Vec<Segment>,
    /// In the order of the file, and none over another.
    pub(super) sections: Vec<Section>,
}

const MACHINE_X86_64: u16 = 62;
const MACHINE_AARCH64: u16 = 183;
const LOAD: u32 = 1;
const NO_BITS: u32 = 8;
const ALLOCATED: u64 = 2;
const EXECUTABLE: u64 = 4;

impl Layout {
    /// Reads the headers; `None` if the file is no program or library of a [`Machine`].
    pub(super) fn read<B: ReadAt + ?Sized>(pages: &mut Pages<'_, B>) -> io::Result<Option<Self>> {
        let mut header = [0; 64];
        pages.read(0, &mut header)?;
        let Some(machine) = Machine::of(&header).filter(|_| header.starts_with(b"\x7fELF\x02\x01")) else {
            return Ok(None);
        };
        let mut layout = Self { machine, ..Self::default() };
        let segments = u64::from(u16_at(&header, 56)).min(ELF_SEGMENTS_MAX);
        for i in 0..segments {
            let mut entry = [0; 56];
            pages.read(place(u64_at(&header, 32), i * 56), &mut entry)?;
            if u32_at(&entry, 0) == LOAD {
                layout.segments.push(Segment {
                    offset: u64_at(&entry, 8),
                    address: u64_at(&entry, 16),
                    file_size: u64_at(&entry, 32),
                    memory_size: u64_at(&entry, 40),
                });
            }
        }
        let sections = u64::from(u16_at(&header, 60)).min(ELF_SECTIONS_MAX);
        let table = u64_at(&header, 40);
        let mut names = [0; 64];
        pages.read(place(table, u64::from(u16_at(&header, 62)) * 64), &mut names)?;
        for i in 0..sections {
            let mut entry = [0; 64];
            pages.read(place(table, i * 64), &mut entry)?;
            let flags = u64_at(&entry, 8);
            if flags & ALLOCATED == 0 || u32_at(&entry, 4) == NO_BITS {
                continue;
            }
            let mut name = [0; 24];
            pages.read(place(u64_at(&names, 24), u64::from(u32_at(&entry, 0))), &mut name)?;
            let (offset, size) = (u64_at(&entry, 24), u64_at(&entry, 32));
            if offset <= pages.size() && size <= pages.size() - offset {
                layout.sections.push(Section {
                    name: name.split(|byte| *byte == 0).next().unwrap_or_default().to_vec(),
                    executable: flags & EXECUTABLE != 0,
                    address: u64_at(&entry, 16),
                    offset,
                    size,
                });
            }
        }
        layout.sections.sort_by_key(|section| section.offset);
        // Of parts that overlap the first is looked at: no byte is walked twice, whatever the headers contain.
        let mut end = 0;
        layout.sections.retain(|section| {
            let apart = section.offset >= end;
            if apart {
                end = section.offset + section.size;
            }
            apart
        });
        Ok(Some(layout))
    }

    /// The section called `name`.
    pub(super) fn section(&self, name: &[u8]) -> Option<&Section> {
        self.sections.iter().find(|section| section.name == name)
    }
}

/// A place in the file; one beyond every file reads as zeros.
fn place(table: u64, offset: u64) -> i64 {
    i64::try_from(table.saturating_add(offset)).unwrap_or(i64::MAX)
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | u32::from(u16_at(bytes, at + 2)) << 16
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where the sections are that are looked at in a program with these, each an offset and a size.
    fn looked_at(sections: &[(u64, u64)]) -> Vec<u64> {
        let mut file = vec![0; 64 * (1 + sections.len())];
        file[..6].copy_from_slice(b"\x7fELF\x02\x01");
        file[18..20].copy_from_slice(&MACHINE_X86_64.to_le_bytes());
        file[40..48].copy_from_slice(&64_u64.to_le_bytes());
        file[60..62].copy_from_slice(&(sections.len() as u16).to_le_bytes());
        for (entry, (offset, size)) in file[64..].chunks_mut(64).zip(sections) {
            entry[8..16].copy_from_slice(&ALLOCATED.to_le_bytes());
            entry[24..32].copy_from_slice(&offset.to_le_bytes());
            entry[32..40].copy_from_slice(&size.to_le_bytes());
        }
        let layout = Layout::read(&mut Pages::new(file.as_slice()).unwrap()).unwrap().unwrap();
        layout.sections.iter().map(|section| section.offset).collect()
    }

    #[test]
    fn of_sections_that_overlap_the_first_is_looked_at() {
        assert_eq!(looked_at(&[(80, 20), (0, 50), (40, 30), (60, 20), (60, 10)]), [0, 60, 80]);
    }

    #[test]
    fn sections_beyond_the_limit_are_not_looked_at() {
        let check = |sections: u64, expected: u64| {
            let found = looked_at(&vec![(0, 0); sections as usize]).len() as u64;
            assert_eq!(found, expected, "{sections}");
        };
        check(ELF_SECTIONS_MAX - 1, ELF_SECTIONS_MAX - 1);
        check(ELF_SECTIONS_MAX, ELF_SECTIONS_MAX);
        check(ELF_SECTIONS_MAX + 1, ELF_SECTIONS_MAX);
    }
}
