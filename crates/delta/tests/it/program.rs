//! Deltas of programs: addresses follow what they lead to, and no header can do harm.

use crate::delta::{check, made, noise, survives};

/// Where the program runs.
const BASE: u64 = 0x40_0000;
const HEADERS: usize = 64 + 56;
/// The machine's number in a header.
pub(crate) const MACHINE: usize = 18;
pub(crate) const X86_64: u16 = 62;
const AARCH64: u16 = 183;

/// A program whose functions call one another and use data by page and place. `grown` words more are in some
/// functions and some of the data, and `more` is before all code, so that everything else moves.
pub(crate) fn program(grown: usize, more: &[u8]) -> Vec<u8> {
    const FUNCTIONS: usize = 300;
    let dice = noise(FUNCTIONS * 256, 5);
    let plain = |i: usize| 0x8b00_0000 | u32::from(dice[i]) << 16 | u32::from(dice[i + 1] & 31);
    let lengths: Vec<usize> =
        (0..FUNCTIONS).map(|f| 24 + f % 7 + if f % 40 == 3 { grown } else { 0 }).collect();
    let start = |f: usize| HEADERS + more.len() + 4 * lengths[..f].iter().sum::<usize>();
    let text_end = start(FUNCTIONS);
    let data = (text_end + grown * 16).next_multiple_of(16);
    let mut words = Vec::new();
    for (f, length) in lengths.iter().enumerate() {
        for i in 0..*length {
            let here = start(f) + i * 4;
            let target = data + 8 * ((f * 17 + i / 8) % FUNCTIONS);
            let callee = start((f * 31 + i * 7) % FUNCTIONS);
            let page = ((target as u64 + BASE) >> 12) as u32 - ((here as u64 + BASE) >> 12) as u32;
            words.push(match i % 8 {
                1 => 0x9400_0000 | ((callee as i64 - here as i64) >> 2) as u32 & 0x3ff_ffff,
                3 => 0x9000_0003 | (page & 3) << 29 | page >> 2 << 5,
                4 => 0xf940_0065 | (((target as u32 + BASE as u32) & 0xfff) >> 3) << 10,
                6 => 0x5400_0001 | ((length - i) as u32) << 5,
                _ => plain((f * 251 + i * 2) % (dice.len() - 1)),
            });
        }
    }
    let pointers = (0..FUNCTIONS).map(|f| BASE + start(f * 13 % FUNCTIONS) as u64);
    file(
        more.iter().copied().chain(words.iter().flat_map(|word| word.to_le_bytes())).collect(),
        pointers.flat_map(u64::to_le_bytes).collect(),
        data,
    )
}

/// An ELF file for aarch64 with that code, and those data at that offset.
fn file(text: Vec<u8>, data: Vec<u8>, data_at: usize) -> Vec<u8> {
    let names = b"\0.text\0.data.rel.ro\0.shstrtab\0";
    let names_at = data_at + data.len();
    let table = names_at + names.len();
    let mut file = b"\x7fELF\x02\x01\x01".to_vec();
    file.resize(HEADERS, 0);
    file[MACHINE..][..2].copy_from_slice(&AARCH64.to_le_bytes());
    file[32..40].copy_from_slice(&64_u64.to_le_bytes());
    file[40..48].copy_from_slice(&(table as u64).to_le_bytes());
    for (at, count) in [(56, 1_u16), (60, 4), (62, 3)] {
        file[at..at + 2].copy_from_slice(&count.to_le_bytes());
    }
    file[64] = 1;
    file[80..88].copy_from_slice(&BASE.to_le_bytes());
    for at in [96, 104] {
        file[at..at + 8].copy_from_slice(&(table as u64).to_le_bytes());
    }
    let sections = [(0, 0, 0, 0), (1, 6, HEADERS, text.len()), (7, 2, data_at, data.len())];
    let sections = sections.into_iter().chain([(20, 0, names_at, names.len())]);
    file.extend(text);
    file.resize(data_at, 0);
    file.extend(data);
    file.extend(names);
    for (name, flags, at, size) in sections {
        file.extend((name as u64 | 1 << 32).to_le_bytes());
        for number in [flags, BASE + at as u64, at as u64, size as u64, 0, 0, 0] {
            file.extend(number.to_le_bytes());
        }
    }
    file
}

/// The same file for another machine.
fn on(machine: u16, mut file: Vec<u8>) -> Vec<u8> {
    file[MACHINE..][..2].copy_from_slice(&machine.to_le_bytes());
    file
}

#[test]
fn addresses_in_a64_code_follow_what_they_lead_to() {
    let (base, new) = (program(0, &[]), program(3, &[]));
    let unknown = made(&on(0, base.clone()), &on(0, new.clone())).bytes.len();
    check("a program whose parts moved", &base, &new, unknown / 8);
    check("a program that shrank", &new, &base, unknown / 8);
    check("many new bytes", &base, &program(3, &noise(9000, 4)), 9500);
}

#[test]
fn programs_of_two_machines_come_back() {
    let (base, new) = (program(0, &[]), program(3, &[]));
    check("another machine, before", &on(X86_64, base.clone()), &new, new.len());
    check("another machine, after", &base, &on(X86_64, new.clone()), new.len());
    check("no program, after", &base, &on(0, new.clone()), new.len());
}

#[test]
fn a_broken_delta_of_a64_code_gives_an_error_or_the_file() {
    let (base, new) = (program(0, &[]), program(3, &[]));
    survives(&base, &new, 60);
    survives(&base, &program(3, &noise(9000, 4)), 60);
}

#[test]
fn headers_that_lie_do_no_harm() {
    let (base, new) = (program(0, &[]), program(3, &[]));
    for cut in [0, 17, 20, 63, 64, 119, 120, 122, 1001, base.len() / 2 + 1, base.len() - 200, base.len() - 1]
    {
        check("cut off", &base[..cut], &new, usize::MAX);
    }
    let table = u64::from_le_bytes(base[40..48].try_into().unwrap()) as usize;
    // Addresses, offsets and sizes of segments and sections.
    for at in [72, 80, 96, 104].into_iter().chain([16, 24, 32].map(|field| table + 64 + field)) {
        for value in [1, 3, 119, u64::MAX, u64::MAX - 4, 1 << 63, base.len() as u64 - 2] {
            let mut odd = base.clone();
            odd[at..at + 8].copy_from_slice(&value.to_le_bytes());
            check("odd", &odd, &new, usize::MAX);
        }
    }
}
