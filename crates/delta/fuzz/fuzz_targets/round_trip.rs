//! Any two files: the increment from one to the other gives the other.
//!
//! The first two bytes say how many of those that follow are the base; the rest is the new file.

#![no_main]

use std::io::Cursor;

use headwater_delta::limits::INCREMENT_MEMORY_MAX;
use headwater_delta::{Decoded, IncrementOptions, Uncontrolled, decode_increment, encode_increment};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((length, rest)) = data.split_first_chunk::<2>() else { return };
    let (base, new) = rest.split_at(rest.len().min(usize::from(u16::from_le_bytes(*length))));
    let made = encode_increment(base, new, &IncrementOptions::beside(u64::MAX), &Uncontrolled).expect("encodes");
    let made = made.expect("is allowed any size");
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, new);
    let file = Decoded { sha256: digest.as_ref().try_into().expect("32 bytes"), size: new.len() as u64 };
    let mut out = Vec::new();
    let stored = &mut Cursor::new(&made.bytes);
    decode_increment(stored, &made.body, base, &file, INCREMENT_MEMORY_MAX, &mut out).expect("decodes");
    assert!(out == new);
});
