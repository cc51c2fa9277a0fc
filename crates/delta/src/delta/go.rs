//! The fields of a Go program's tables of functions (`.gopclntab`, Go 1.20 and later).
//!
//! Everything there is an offset of 32 bits into the code or into one of the tables; the module data say where these
//! begin. Reference: `runtime/symtab.go` and `internal/abi/symtab.go` of the Go sources.

use std::io;

use super::elf::{u32_at, u64_at};
use super::field_kind::FieldKind;
use super::fields::{Fields, Origin};
use super::pages::Pages;
use super::read_at::ReadAt;

const MAGIC: u32 = 0xffff_fff1;
/// Offsets in the module data.
const MODULE_TEXT: usize = 176;
const MODULE_TYPES: usize = 296;
const MODULE_FUNCDATA: usize = 320;
const MODULE_SIZE: usize = 336;

/// Bytes of a function's entry before its lists.
const ENTRY_SIZE: usize = 44;
/// Most offsets in a function's lists that are looked at; Go has fewer than 16.
const LISTED_MAX: usize = 64;

/// Where the tables begin.
struct Tables {
    /// Offset of the table of functions in the file, and the end of the section.
    at: u64,
    end: u64,
    functions: u64,
    text: Origin,
    names: Origin,
    counters: Origin,
    entries: Origin,
    funcdata: Origin,
}

/// Adds the fields of the tables, if there are any.
pub(super) fn find<B: ReadAt + ?Sized>(fields: &mut Fields, pages: &mut Pages<'_, B>) -> io::Result<()> {
    let Some(section) = fields.layout().section(b".gopclntab").cloned() else { return Ok(()) };
    let mut header = [0; 72];
    pages.read(section.offset as i64, &mut header)?;
    if u32_at(&header, 0) != MAGIC {
        return Ok(());
    }
    let Some(module) = module(fields, pages, section.address)? else { return Ok(()) };
    let mut table = |i: usize| fields.add_origin(section.address.wrapping_add(u64_at(&header, 32 + 8 * i)));
    let (names, counters, entries) = (table(0), table(3), table(4));
    let tables = Tables {
        at: section.offset.wrapping_add(u64_at(&header, 64)),
        end: section.offset + section.size,
        functions: u64_at(&header, 8),
        text: fields.add_origin(u64_at(&module, MODULE_TEXT)),
        names,
        counters,
        entries,
        funcdata: fields.add_origin(u64_at(&module, MODULE_FUNCDATA)),
    };
    if let Some(links) = fields.layout().section(b".typelink").cloned() {
        let types = fields.add_origin(u64_at(&module, MODULE_TYPES));
        for at in (links.offset..(links.offset + links.size).saturating_sub(3)).step_by(4) {
            fields.add(at, FieldKind::Data, types);
        }
    }
    functions(&tables, pages, fields)
}

/// The module data: they begin with the address of the tables.
fn module<B: ReadAt + ?Sized>(
    fields: &Fields,
    pages: &mut Pages<'_, B>,
    tables: u64,
) -> io::Result<Option<[u8; MODULE_SIZE]>> {
    for name in [&b".go.module"[..], b".noptrdata", b".data"] {
        let Some(section) = fields.layout().section(name) else { continue };
        let mut chunk = [0; 4096];
        for start in (section.offset..section.offset + section.size).step_by(chunk.len()) {
            pages.read(start as i64, &mut chunk)?;
            for word in (0..chunk.len()).step_by(8).filter(|at| u64_at(&chunk, *at) == tables) {
                let mut module = [0; MODULE_SIZE];
                pages.read(start as i64 + word as i64, &mut module)?;
                // The table of names follows the header.
                if (1..256).contains(&u64_at(&module, 8).wrapping_sub(tables)) {
                    return Ok(Some(module));
                }
            }
        }
    }
    Ok(None)
}

fn functions<B: ReadAt + ?Sized>(
    tables: &Tables,
    pages: &mut Pages<'_, B>,
    fields: &mut Fields,
) -> io::Result<()> {
    for i in 0..tables.functions {
        let at = tables.at.saturating_add(i.saturating_mul(8));
        if at >= tables.end || !fields.has_room() {
            break;
        }
        let mut pair = [0; 8];
        pages.read(at as i64, &mut pair)?;
        fields.add(at, FieldKind::Text, tables.text);
        fields.add(at + 4, FieldKind::Table, tables.entries);
        let function = tables.at + u64::from(u32_at(&pair, 4));
        if function + ENTRY_SIZE as u64 > tables.end {
            continue;
        }
        let mut entry = [0; ENTRY_SIZE + 4 * LISTED_MAX];
        pages.read(function as i64, &mut entry)?;
        fields.add(function, FieldKind::Text, tables.text);
        fields.add(function + 4, FieldKind::Table, tables.names);
        // Stack sizes, files and lines by counter; then the lists of counters and of data.
        for at in [16, 20, 24].into_iter().filter(|at| u32_at(&entry, *at) != 0) {
            fields.add(function + at as u64, FieldKind::Table, tables.counters);
        }
        let counters = (u32_at(&entry, 28) as usize).min(LISTED_MAX);
        let data = usize::from(entry[43]).min(LISTED_MAX - counters);
        for i in 0..counters + data {
            let at = ENTRY_SIZE + i * 4;
            let value = u32_at(&entry, at);
            if i < counters && value != 0 {
                fields.add(function + at as u64, FieldKind::Table, tables.counters);
            } else if i >= counters && value != u32::MAX {
                fields.add(function + at as u64, FieldKind::Data, tables.funcdata);
            }
        }
    }
    Ok(())
}
