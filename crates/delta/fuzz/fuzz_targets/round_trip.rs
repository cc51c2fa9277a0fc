//! Any two files: the delta from one to the other gives the other.
//!
//! An input is the base and the new file.

#![no_main]

use std::io::Cursor;

use headwater_delta::limits::DELTA_MEMORY_MAX;
use headwater_delta::{Decoded, DeltaOptions, Uncontrolled, decode_delta, encode_delta};
use headwater_delta_fuzz::split;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((base, new)) = split(input) else { return };
    let made = encode_delta(base, new, &DeltaOptions::beside(u64::MAX), &Uncontrolled).expect("encodes");
    let made = made.expect("is allowed any size");
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, new);
    let file = Decoded { sha256: digest.as_ref().try_into().expect("32 bytes"), size: new.len() as u64 };
    let mut out = Vec::new();
    let stored = &mut Cursor::new(&made.bytes);
    decode_delta(stored, &made.body, base, &file, DELTA_MEMORY_MAX, &mut out).expect("decodes");
    assert!(out == new, "another file came back");
});
