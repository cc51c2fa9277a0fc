//! The fields of `.eh_frame` and `.eh_frame_hdr`: the function of each range of code, for unwinding.

use std::io;

use super::elf::{Section, u32_at};
use super::field_kind::FieldKind;
use super::fields::{Fields, Origin};
use super::pages::Pages;
use super::read_at::ReadAt;

/// Adds the fields of the header: where `.eh_frame` is, and a table of functions and their frames.
pub(super) fn header(section: &Section, fields: &mut Fields) {
    // Version, three encodings, the address of .eh_frame, the count; then pairs relative to the section.
    let origin = fields.add_origin(section.address);
    fields.add(section.offset + 4, FieldKind::Frame, Origin::Itself(0));
    for at in (section.offset + 12..(section.offset + section.size).saturating_sub(3)).step_by(4) {
        fields.add(at, FieldKind::Frame, origin);
    }
}

/// Adds the fields of the frames.
pub(super) fn frames<B: ReadAt + ?Sized>(
    section: &Section,
    pages: &mut Pages<'_, B>,
    fields: &mut Fields,
) -> io::Result<()> {
    let end = section.offset + section.size;
    let mut at = section.offset;
    let mut entry = [0; 32];
    while at + 8 <= end {
        pages.read(at as i64, &mut entry)?;
        let length = u64::from(u32_at(&entry, 0));
        if length == 0 || length == 0xffff_ffff {
            break;
        }
        // An entry with 0 here is a common one; others are functions: start (relative), size, augmentation.
        if u32_at(&entry, 4) != 0 {
            fields.add(at + 8, FieldKind::Frame, Origin::Itself(0));
            if entry[16] == 4 {
                fields.add(at + 17, FieldKind::Data, Origin::Itself(0));
            }
        }
        at += 4 + length;
    }
    Ok(())
}
