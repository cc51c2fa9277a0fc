//! Bodies decode to what was encoded, and to nothing else.

use std::io::Cursor;

use headwater_delta::limits::{LEVEL_DEFAULT, LEVEL_MAX, MEMORY_OVERHEAD, WINDOW_LOG_MAX, WINDOW_LOG_MIN};
use headwater_delta::{Body, DecodeError, Decoded, EncodeError, decode, encode};
use proptest::prelude::*;

const MEMORY: u64 = (1 << WINDOW_LOG_MAX) + MEMORY_OVERHEAD;

fn made(file: &[u8]) -> (Vec<u8>, Body, Decoded) {
    let mut stored = Vec::new();
    let (body, decoded) = encode(file, file.len() as u64, LEVEL_DEFAULT, &mut stored).unwrap();
    (stored, body, decoded)
}

fn back(stored: &[u8], body: &Body, file: &Decoded, memory_max: u64) -> Result<Vec<u8>, DecodeError> {
    let mut out = Vec::new();
    decode(&mut Cursor::new(stored), body, file, memory_max, &mut out).map(|()| out)
}

fn patterned(size: usize) -> Vec<u8> {
    (0..size).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

#[test]
fn a_file_comes_back_whole_at_every_size_of_interest() {
    for size in [0, 1, 1023, 1024, 1025, 128 * 1024, 128 * 1024 + 1, 9 * 1024 * 1024] {
        let file = patterned(size);
        let (stored, body, decoded) = made(&file);
        assert_eq!(stored.len() as u64, body.size, "size {size}");
        assert!(body.memory <= MEMORY, "size {size}");
        assert!(back(&stored, &body, &decoded, body.memory).unwrap() == file, "size {size}");
    }
}

#[test]
fn small_files_ask_for_little_memory() {
    let (_, body, _) = made(b"a rule");
    assert_eq!(body.memory, (1 << WINDOW_LOG_MIN) + MEMORY_OVERHEAD);
}

#[test]
fn the_same_input_gives_the_same_body() {
    let file = patterned(300_000);
    assert_eq!(made(&file).0, made(&file).0);
}

/// One changed thing, and what must come of it.
fn check(name: &str, change: impl Fn(&mut Vec<u8>, &mut Body, &mut Decoded), want: &str) {
    let file = patterned(200_000);
    let (mut stored, mut body, mut decoded) = made(&file);
    change(&mut stored, &mut body, &mut decoded);
    let got = back(&stored, &body, &decoded, MEMORY).map(|out| out.len());
    let got = format!("{got:?}");
    assert!(got.contains(want), "{name}: got {got}, want {want}");
}

#[test]
fn what_is_not_as_signed_is_refused() {
    check("flipped bit", |stored, _, _| stored[100] ^= 1, "WrongBody");
    check("truncated", |stored, _, _| stored.truncate(stored.len() - 1), "WrongBody");
    check("longer", |stored, _, _| stored.push(0), "WrongBody");
    check("file declared shorter", |_, _, file| file.size -= 1, "longer than declared");
    check("file declared longer", |_, _, file| file.size += 1, "shorter than declared");
    check("another file", |_, _, file| file.sha256[0] ^= 1, "digest is another");
    check("memory over the limit", |_, body, _| body.memory = MEMORY + 1, "Memory");
    check("memory declared too small", |_, body, _| body.memory = 0, "not one zstd frame");
    check(
        "signed, but no zstd",
        |stored, body, _| {
            *stored = b"no frame at all".to_vec();
            *body = Body { sha256: sha256(stored), size: stored.len() as u64, memory: body.memory };
        },
        "not one zstd frame",
    );
}

#[test]
fn a_bomb_stops_at_the_declared_size() {
    let file = vec![0; 64 * 1024 * 1024];
    let (stored, body, mut decoded) = made(&file);
    assert!(body.size < 32 * 1024, "{} bytes: no bomb", body.size);
    decoded.size = 10;
    let mut out = Vec::new();
    let error = decode(&mut Cursor::new(&stored), &body, &decoded, MEMORY, &mut out).unwrap_err();
    assert!(matches!(error, DecodeError::WrongFile("it is longer than declared")), "{error}");
    assert!(out.len() <= 10, "{} bytes written", out.len());
}

#[test]
fn levels_and_sizes_out_of_range_are_refused() {
    for level in [0, -1, LEVEL_MAX + 1] {
        let error = encode(&b"x"[..], 1, level, Vec::new()).unwrap_err();
        assert!(matches!(error, EncodeError::Level(l) if l == level), "{error}");
    }
    for announced in [0, 2] {
        let error = encode(&b"x"[..], announced, 3, Vec::new()).unwrap_err();
        assert!(matches!(error, EncodeError::SizeChanged { read: 1, .. }), "{error}");
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes).as_ref().try_into().unwrap()
}

proptest! {
    #[test]
    fn any_bytes_come_back(file in proptest::collection::vec(any::<u8>(), 0..20_000)) {
        let (stored, body, decoded) = made(&file);
        prop_assert_eq!(back(&stored, &body, &decoded, body.memory).unwrap(), file);
    }
}
