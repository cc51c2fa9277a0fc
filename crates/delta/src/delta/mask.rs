//! A program as matching should see it: with what its addresses mean in place of what they are.
//!
//! Code is alike when all but the addresses in it is, so they are blanked. Tables are little but addresses, so there
//! an address becomes a hash of what it leads to: an entry for the same function looks the same in every release.

use std::io;

use super::aarch64;
use super::addresses::address;
use super::elf::{Layout, u32_at, u64_at};
use super::field_kind::FieldKind;
use super::fields::{Field, Fields, Origin};
use super::pages::Pages;
use crate::limits::FIELDS_MAX;

/// Bytes at the target of an address by which the target is recognised.
const RECOGNISED_BY: usize = 24;

/// `file`, masked. What is no program stays as it is.
pub(super) fn masked(file: &[u8]) -> io::Result<Vec<u8>> {
    let mut masked = file.to_vec();
    let mut pages = Pages::new(file)?;
    let Some(layout) = Layout::read(&mut pages)? else { return Ok(masked) };
    let fields = Fields::find(layout, &mut pages, FIELDS_MAX)?;
    let whole = |field: &&Field| field.end() <= file.len() as u64;
    for field in fields.all().iter().filter(whole) {
        let bytes = &mut masked[field.at as usize..][..field.width()];
        match field.origin {
            Origin::Word(_) => bytes.copy_from_slice(&aarch64::blanked(u32_at(bytes, 0)).to_le_bytes()),
            _ => bytes.fill(0),
        }
    }
    let hashes: Vec<u32> = fields.all().iter().map(|field| meaning(field, file, &masked, &fields)).collect();
    let fields = fields.all().iter().zip(hashes);
    for (field, hash) in fields.filter(|(field, _)| whole(field) && !matches!(field.origin, Origin::Word(_)))
    {
        masked[field.at as usize..][..4].copy_from_slice(&hash.to_le_bytes());
    }
    Ok(masked)
}

fn meaning(field: &Field, file: &[u8], masked: &[u8], fields: &Fields) -> u32 {
    let layout = fields.layout();
    if field.end() > file.len() as u64
        || matches!(field.kind, FieldKind::Call | FieldKind::Jump | FieldKind::Memory)
    {
        return 0;
    }
    let at = field.at as usize;
    let value = if field.width() == 8 { u64_at(file, at) } else { i64::from(u32_at(file, at) as i32) as u64 };
    let origin = match field.origin {
        Origin::Itself(tail) => {
            address(&layout.segments, u64::from(field.at)).map_or(0, |at| at.wrapping_add(u64::from(tail)))
        }
        Origin::Listed(listed) => fields.origin(listed),
        Origin::Word(_) => return 0,
    };
    let Some(target) = layout.offset(origin.wrapping_add(value)) else { return 0 };
    let start = masked.len().min(target as usize);
    let end = masked.len().min(start + RECOGNISED_BY);
    masked[start..end]
        .iter()
        .fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}
