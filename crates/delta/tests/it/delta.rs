//! Deltas turn their base into the file, and nothing else.

use std::cell::Cell;
use std::io::{self, Cursor, Read, Seek, SeekFrom};

use headwater_delta::limits::{
    DELTA_FILE_MAX, DELTA_MEMORY_MAX, MEMORY_OVERHEAD, MEMORY_UNIT, ROWS_LOG_MAX, ROWS_LOG_MIN,
};
use headwater_delta::{
    Body, Control, DecodeError, Decoded, Delta, DeltaError, DeltaOptions, ReadAt, Uncontrolled, decode_delta,
    encode_delta,
};
use proptest::prelude::*;

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes).as_ref().try_into().unwrap()
}

pub(crate) fn made(base: &[u8], new: &[u8]) -> Delta {
    encode_delta(base, new, &DeltaOptions::beside(u64::MAX), &Uncontrolled).unwrap().unwrap()
}

fn back(delta: &[u8], memory: u64, base: &[u8], file: &Decoded) -> Result<Vec<u8>, DecodeError> {
    let body = Body { sha256: sha256(delta), size: delta.len() as u64, memory };
    let mut out = Vec::new();
    decode_delta(&mut Cursor::new(delta), &body, base, file, DELTA_MEMORY_MAX, &mut out).map(|()| out)
}

fn file_of(bytes: &[u8]) -> Decoded {
    Decoded { sha256: sha256(bytes), size: bytes.len() as u64 }
}

/// Bytes with as little pattern as any, the same for the same seed.
pub(crate) fn noise(size: usize, seed: u64) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as u8
    };
    (0..size).map(|_| next()).collect()
}

pub(crate) fn text(lines: std::ops::Range<u32>) -> Vec<u8> {
    lines
        .flat_map(|i| format!("rule {i}: allow host-{}.example port {}\n", i * 7 % 1000, i % 97).into_bytes())
        .collect()
}

/// A text of lines without pattern.
pub(crate) fn shuffled(lines: impl Iterator<Item = u64>) -> Vec<u8> {
    let letter = |byte: u8| b'A' + byte % 58;
    let line = |i| noise(60, i).into_iter().map(letter).chain([b'\n']).collect::<Vec<u8>>();
    lines.flat_map(line).collect()
}

/// A real program: the one that runs.
#[expect(clippy::disallowed_methods, reason = "a test reads a file")]
fn this_program() -> Vec<u8> {
    std::fs::read(std::env::current_exe().unwrap()).unwrap()
}

/// Ranges of addresses, each with a country.
pub(crate) fn table(seed: u32) -> Vec<u8> {
    let mut records = Vec::new();
    let mut start = 0x0100_0000u32;
    for i in 0..1500u32 {
        let size = 256 << ((i * 7 + (i % 50 == 0) as u32 * seed) % 5);
        records.extend_from_slice(&start.to_be_bytes());
        records.extend_from_slice(&(start + size - 1).to_be_bytes());
        records.extend_from_slice([b"AU", b"FR", b"NZ", b"TH"][(i * 5 % 4) as usize]);
        start += size;
    }
    records
}

/// One pair of files: what comes back, and how many bytes it may take.
pub(crate) fn check(name: &str, base: &[u8], new: &[u8], size_max: usize) {
    let delta = made(base, new);
    assert!(delta.bytes.len() <= size_max, "{name}: {} bytes, at most {size_max} wanted", delta.bytes.len());
    assert!(delta.body.memory <= DELTA_MEMORY_MAX, "{name}");
    let out = back(&delta.bytes, delta.body.memory, base, &file_of(new)).unwrap();
    assert!(out == new, "{name}: another file came back");
    assert_eq!(made(base, new), delta, "{name}: the same input gives the same bytes");
}

#[test]
fn files_come_back_in_few_bytes() {
    let lines = text(0..3000);
    let mut changed = lines.clone();
    changed.splice(5000..5010, *b"something else");
    check("a changed text", &lines, &changed, 60);
    check("a text with lines before", &lines[20_000..], &lines, 2500);
    check("a text with lines less", &lines, &lines[20_000..], 40);
    check("the same", &lines, &lines, 16);
    check("nothing from something", &lines, b"", 16);
    check("something from nothing", b"", b"a rule", 40);
    check("nothing from nothing", b"", b"", 16);
    let random = noise(100_000, 1);
    let mut flipped = random.clone();
    for at in (1000..100_000).step_by(9999) {
        flipped[at] ^= 0x55;
    }
    check("noise with changes", &random, &flipped, 100);
    check("noise from other noise", &random, &noise(10_000, 2), 10_800);
    check("a table whose every record moved", &table(0), &table(1), 2400);
    let program = this_program();
    let part = &program[..program.len().min(200_000)];
    let mut longer = part.to_vec();
    longer.splice(100_000..100_000, [0x90; 64]);
    check("a program", part, &longer, 2000);
    longer.splice(50_000..50_000, noise(9000, 4));
    check("a program with many new bytes", part, &longer, 11_000);
    let keys = shuffled(0..500);
    check("keys in another order", &keys, &shuffled((0..500).map(|i| i * 7 % 500)), 5000);
    check("much from nothing", b"", &noise(600_000, 3), 610_000);
}

#[test]
fn a_delta_no_smaller_than_the_body_is_none() {
    let (base, new) = (noise(5000, 1), noise(5000, 2));
    let made = encode_delta(&base, &new, &DeltaOptions::beside(5000), &Uncontrolled).unwrap();
    assert_eq!(made, None);
    let options = DeltaOptions { memory_max: MEMORY_OVERHEAD, ..DeltaOptions::beside(u64::MAX) };
    assert_eq!(encode_delta(&base, &new, &options, &Uncontrolled).unwrap(), None, "memory");
    const { assert!(DELTA_FILE_MAX <= u32::MAX as u64) };
}

/// So many zeros.
struct Zeros(u64);

impl ReadAt for Zeros {
    fn size(&self) -> io::Result<u64> {
        Ok(self.0)
    }

    fn read_exact_at(&self, bytes: &mut [u8], _offset: u64) -> io::Result<()> {
        bytes.fill(0);
        Ok(())
    }
}

#[test]
fn files_and_bases_longer_than_the_limit_are_refused() {
    let Delta { bytes, body } = made(b"", b"a rule");
    let check = |base: u64, size: u64, refused: bool| {
        let file = Decoded { size, ..file_of(b"a rule") };
        let memory = DELTA_MEMORY_MAX;
        let result =
            decode_delta(&mut Cursor::new(&bytes), &body, &Zeros(base), &file, memory, &mut io::sink());
        let error = format!("{result:?}");
        assert_eq!(error.contains("longer than deltas are made for"), refused, "{base} {size}: {error}");
    };
    check(DELTA_FILE_MAX, 6, false);
    check(DELTA_FILE_MAX + 1, 6, true);
    check(0, DELTA_FILE_MAX + 1, true);
}

/// What Linux calls a disk that cannot be read.
const EIO: i32 = 5;

/// A disk of which one read fails.
struct Failing<'a> {
    stored: Cursor<&'a [u8]>,
    reads_left: u32,
}

impl Read for Failing<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let left = self.reads_left.checked_sub(1).ok_or_else(|| io::Error::from_raw_os_error(EIO))?;
        self.reads_left = left;
        self.stored.read(bytes)
    }
}

impl Seek for Failing<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.stored.seek(to)
    }
}

#[test]
fn a_disk_that_cannot_be_read_is_reported_as_that() {
    for (base, new) in [(text(0..500), text(3..520)), (shuffled(0..80), shuffled(70..120))] {
        let Delta { bytes, body } = made(&base, &new);
        let decode = |reads: u32| {
            let mut stored = Failing { stored: Cursor::new(&bytes), reads_left: reads };
            decode_delta(&mut stored, &body, &base[..], &file_of(&new), DELTA_MEMORY_MAX, io::sink())
        };
        let wanted = (0..100).find(|reads| decode(*reads).is_ok()).unwrap();
        assert!(wanted > 3, "the bytes are read for their digest, and again");
        for reads in 0..wanted {
            let result = decode(reads);
            assert!(matches!(result, Err(DecodeError::Read(_))), "{reads}: {result:?}");
        }
    }
}

/// Says stop from the `after`th time on that it is asked.
struct Impatient {
    after: u32,
    asked: Cell<u32>,
}

impl Control for Impatient {
    fn cancelled(&self) -> bool {
        self.asked.set(self.asked.get() + 1);
        self.asked.get() >= self.after
    }

    fn progress(&self, _done: u32) {}
}

#[test]
fn making_is_stopped_whenever_it_is_and_asks_often() {
    let check = |name: &str, base: &[u8], new: &[u8]| {
        let encode = |after: u32| {
            let control = Impatient { after, asked: Cell::new(0) };
            let made = encode_delta(base, new, &DeltaOptions::beside(u64::MAX), &control);
            (made, control.asked.get())
        };
        let (made, asked) = encode(u32::MAX);
        assert!(made.unwrap().is_some(), "{name}");
        let stretches = new.len() / (16 * 1024);
        assert!(asked as usize >= 2 * stretches, "{name}: asked {asked} times in {stretches} stretches");
        for after in [1, 2, 3, 4, 5, 6, asked / 4, asked / 2, asked] {
            let (stopped, asked) = encode(after);
            let error = stopped.expect_err("it is stopped");
            assert!(matches!(error, DeltaError::Cancelled), "{name}: {error}");
            assert_eq!(asked, after, "{name}: it went on");
        }
    };
    check("noise from other noise", &noise(500_000, 1), &noise(500_000, 2));
    check("text", &text(0..20_000), &text(300..20_400));
    check("a table", &table(0), &table(1));
    let program = this_program();
    let part = &program[..program.len().min(1_000_000)];
    check("a program", part, &[part, b"and more"].concat());
}

/// New bytes that are nowhere in the base are searched for as long as there are some.
#[test]
fn a_search_that_finds_nothing_is_stopped_too() {
    let (base, new) = (noise(1 << 16, 1), noise(1 << 20, 2));
    let control = Impatient { after: 40, asked: Cell::new(0) };
    let stopped = encode_delta(&base, &new, &DeltaOptions::beside(u64::MAX), &control);
    assert!(matches!(stopped, Err(DeltaError::Cancelled)));
    assert_eq!(control.asked.get(), 40);
}

#[test]
fn what_is_not_as_signed_is_refused() {
    let (base, new) = (text(0..500), text(3..520));
    let Delta { bytes, body } = made(&base, &new);
    let file = file_of(&new);
    let refused = |name: &str, bytes: &[u8], memory: u64, base: &[u8], file: &Decoded, want: &str| {
        let error = format!("{:?}", back(bytes, memory, base, file).map(|out| out.len()));
        assert!(error.contains(want), "{name}: got {error}, want {want}");
    };
    refused("cut off", &bytes[..2], body.memory, &base, &file, "too short");
    refused("another format", &[&[9], &bytes[1..]].concat(), body.memory, &base, &file, "another format");
    refused("more memory", &bytes, DELTA_MEMORY_MAX + 1, &base, &file, "Memory");
    refused("memory over what was signed", &bytes, body.memory - 1, &base, &file, "Memory");
    refused(
        "memory understated",
        &[&[1, 1], &bytes[2..]].concat(),
        body.memory,
        &base,
        &file,
        "too little memory",
    );
    let most = (DELTA_MEMORY_MAX / MEMORY_UNIT) as u8;
    for rows in [1, ROWS_LOG_MIN - 1, ROWS_LOG_MAX + 1, 255] {
        let bytes = [&[1, most, rows], &bytes[3..]].concat();
        refused("rows", &bytes, DELTA_MEMORY_MAX, &base, &file, "another number of rows");
    }
    refused("another base", &bytes, body.memory, &text(1..500), &file, "WrongFile");
    refused("no base", &bytes, body.memory, b"", &file, "WrongFile");
    refused("another file", &bytes, body.memory, &base, &file_of(&text(4..520)), "WrongFile");
    refused("declared shorter", &bytes, body.memory, &base, &Decoded { size: 100, ..file }, "WrongFile");
    let wrong = Body { sha256: [0; 32], ..body };
    let result =
        decode_delta(&mut Cursor::new(&bytes), &wrong, &base[..], &file, DELTA_MEMORY_MAX, Vec::new());
    assert!(matches!(result, Err(DecodeError::WrongBody)));
}

/// Every delta of a kind, broken in many ways: the right file or an error comes of it.
pub(crate) fn survives(base: &[u8], new: &[u8], rounds: u64) {
    let Delta { bytes, .. } = made(base, new);
    let file = file_of(new);
    for round in 0..rounds {
        let mut broken = bytes.clone();
        let dice = noise(12, round * 7919 + 13);
        let at = usize::from(dice[0]) << 8 | usize::from(dice[1]);
        // Early bytes steer everything after them.
        let at = if dice[2] < 128 { 1 + at % 24.min(broken.len() - 1) } else { at % broken.len() };
        match dice[3] % 4 {
            0 => broken[at] ^= 1 << (dice[4] & 7),
            1 => broken[at] = dice[4],
            2 => broken.truncate(at),
            _ => drop(broken.splice(at..at, dice[5..].iter().copied())),
        }
        if let Ok(out) = back(&broken, DELTA_MEMORY_MAX, base, &file) {
            assert!(out == new, "round {round}: another file came back");
        }
    }
}

#[test]
fn a_broken_delta_of_text_gives_an_error_or_the_file() {
    survives(&text(0..300), &text(5..310), 300);
}

#[test]
fn a_broken_delta_of_a_table_gives_an_error_or_the_file() {
    survives(&table(0)[..8000], &table(1)[..9000], 100);
}

#[test]
fn a_broken_frame_gives_an_error_or_the_file() {
    let (base, new) = (shuffled(0..80), shuffled(70..120));
    assert_eq!(made(&base, &new).bytes[2], 0, "it is one");
    survives(&base, &new, 300);
}

#[test]
fn a_broken_delta_of_a_program_gives_an_error_or_the_file() {
    let program = this_program();
    let base = &program[..program.len().min(60_000)];
    let mut new = base.to_vec();
    new.splice(30_000..30_100, noise(300, 3));
    survives(base, &new, 40);
    new.splice(20_000..20_000, noise(9000, 4));
    survives(base, &new, 40);
    // The decoder must also stand a base that is no program, or a broken one.
    let Delta { bytes, .. } = made(base, &new);
    for round in 0..20 {
        let mut other = base.to_vec();
        for (i, byte) in noise(64, round).into_iter().enumerate() {
            other[(usize::from(byte) * 8 + i * 31) % 4096] = byte;
        }
        let _ = back(&bytes, DELTA_MEMORY_MAX, &other, &file_of(&new));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_pair_comes_back(
        base in proptest::collection::vec(0u8..4, 0..3000),
        cut in 0usize..3000,
        put in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let at = cut.min(base.len());
        let mut new = base.clone();
        new.splice(at..base.len().min(at + 50), put);
        let delta = made(&base, &new);
        prop_assert_eq!(back(&delta.bytes, delta.body.memory, &base, &file_of(&new)).unwrap(), new);
    }
}
