//! A small program made of a large one: its headers, and the beginning of each of its parts, at the addresses they had.
//!
//! So the decoder finds in it all that it looks for: code, pointers, the tables for unwinding and of Go's run time.

/// Bytes kept of a part.
const PART: usize = 1024;
/// Bytes kept of code.
const CODE: usize = 4096;
/// Functions kept of Go's tables.
const FUNCTIONS: usize = 48;
/// Bytes of a function's entry there, with its lists.
const FUNCTION: usize = 96;

const HEADER: usize = 64;
const SEGMENT: usize = 56;
const SECTION: usize = 64;
const GO_HEADER: usize = 72;
/// What the place of a part is a multiple of: pointers are where whole words are.
const ALIGNED: usize = 16;

/// Offsets in the headers of an ELF file and of its sections.
const SECTIONS_AT: usize = 40;
const SECTION_COUNT: usize = 60;
const NAMES: usize = 62;
const NO_BITS: u64 = 8;
const ALLOCATED: u64 = 2;
const EXECUTABLE: u64 = 4;

/// A part of a program, as its header describes it.
struct Part<'a> {
    header: &'a [u8],
    name: &'a [u8],
    address: u64,
    bytes: &'a [u8],
}

/// The small program; none where `file` is no 64-bit little-endian ELF file that has its parts named.
pub fn excerpt(file: &[u8]) -> Option<Vec<u8>> {
    let parts = parts(file)?;
    let tables = parts.iter().find(|part| part.name == b".gopclntab");
    let kept: Vec<(u64, Vec<u8>)> = parts.iter().map(|part| kept(part, tables)).collect();
    let mut made = file.get(..HEADER)?.to_vec();
    let mut place = HEADER + parts.len() * SEGMENT;
    let mut places = Vec::new();
    for (part, (skipped, bytes)) in parts.iter().zip(&kept) {
        place = place.next_multiple_of(ALIGNED);
        // Each part is loaded alone; what was cut off is there in memory, so that addresses lead to it.
        let (address, in_memory) = (part.address + skipped, part.bytes.len() as u64 - skipped);
        let words = [place as u64, address, address, bytes.len() as u64, in_memory, ALIGNED as u64];
        made.extend([1u32.to_le_bytes(), 4u32.to_le_bytes()].concat());
        made.extend(words.iter().flat_map(|word| word.to_le_bytes()));
        places.push(place);
        place += bytes.len();
    }
    for ((_, bytes), place) in kept.iter().zip(&places) {
        made.resize(*place, 0);
        made.extend(bytes);
    }
    let names_at = made.len();
    let mut names = vec![0];
    let mut sections = vec![0; SECTION];
    for ((part, (skipped, bytes)), place) in parts.iter().zip(&kept).zip(places) {
        let mut header = part.header.to_vec();
        put(&mut header, 0, names.len() as u32);
        put(&mut header, 16, part.address + skipped);
        put(&mut header, 24, place as u64);
        put(&mut header, 32, bytes.len() as u64);
        sections.extend(header);
        names.extend(part.name);
        names.push(0);
    }
    let mut last = vec![0; SECTION];
    put(&mut last, 24, names_at as u64);
    put(&mut last, 32, names.len() as u64);
    sections.extend(last);
    made.extend(names);
    put(&mut made, 32, HEADER as u64);
    let sections_at = made.len() as u64;
    put(&mut made, SECTIONS_AT, sections_at);
    put(&mut made, 56, parts.len() as u16);
    put(&mut made, SECTION_COUNT, parts.len() as u16 + 2);
    put(&mut made, NAMES, parts.len() as u16 + 1);
    made.extend(sections);
    Some(made)
}

/// The parts that are loaded and have bytes.
fn parts(file: &[u8]) -> Option<Vec<Part<'_>>> {
    if !file.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    let header = |i: usize| file.get(number(file, SECTIONS_AT, 8)? as usize + i * SECTION..)?.get(..SECTION);
    let names = number(header(number(file, NAMES, 2)? as usize)?, 24, 8)? as usize;
    let mut parts = Vec::new();
    for i in 0..number(file, SECTION_COUNT, 2)? as usize {
        let header = header(i)?;
        let (size, kind) = (number(header, 32, 8)? as usize, number(header, 4, 4)?);
        if number(header, 8, 8)? & ALLOCATED == 0 || kind == NO_BITS || size == 0 {
            continue;
        }
        let name = file.get(names + number(header, 0, 4)? as usize..)?.split(|byte| *byte == 0).next()?;
        let bytes = file.get(number(header, 24, 8)? as usize..)?.get(..size)?;
        parts.push(Part { header, name, address: number(header, 16, 8)?, bytes });
    }
    Some(parts)
}

/// What is kept of a part, and how many bytes before it are not.
fn kept(part: &Part<'_>, tables: Option<&Part<'_>>) -> (u64, Vec<u8>) {
    if part.name == b".gopclntab"
        && let Some(made) = functions(part.bytes)
    {
        return (0, made);
    }
    let is_code = number(part.header, 8, 8).is_some_and(|flags| flags & EXECUTABLE != 0);
    // The module data are wherever the address of the tables is.
    let module = tables.filter(|_| !is_code).and_then(|tables| {
        let mut words = part.bytes.chunks_exact(8);
        words.position(|word| word == tables.address.to_le_bytes())
    });
    let from = module.map_or(0, |word| word * 8 / PART * PART);
    let length = if is_code { CODE } else { PART };
    (from as u64, part.bytes[from..part.bytes.len().min(from + length)].to_vec())
}

/// The first functions of Go's tables, which stand right after their header then.
fn functions(tables: &[u8]) -> Option<Vec<u8>> {
    let at = number(tables, 64, 8)? as usize;
    let mut made = tables.get(..GO_HEADER)?.to_vec();
    put(&mut made, 8, FUNCTIONS as u64);
    put(&mut made, 64, GO_HEADER as u64);
    let mut entries: Vec<u8> = Vec::new();
    for i in 0..FUNCTIONS {
        let pair = tables.get(at + i * 8..)?.get(..8)?;
        let entry = at + number(pair, 4, 4)? as usize;
        made.extend(&pair[..4]);
        made.extend(((FUNCTIONS * 8 + entries.len()) as u32).to_le_bytes());
        entries.extend(tables.get(entry..)?.get(..FUNCTION)?);
    }
    made.extend(entries);
    Some(made)
}

fn number(bytes: &[u8], at: usize, width: usize) -> Option<u64> {
    let bytes = bytes.get(at..)?.get(..width)?;
    Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

fn put<N: Into<u64>>(bytes: &mut [u8], at: usize, number: N) {
    let width = std::mem::size_of::<N>();
    bytes[at..at + width].copy_from_slice(&number.into().to_le_bytes()[..width]);
}
