//! Any bytes as an increment: an error comes of them, or the file; never a panic, a hang, or much memory.
//!
//! The first two bytes say how many of those that follow are the base; the rest is the increment.

#![no_main]

use std::io::Cursor;

use headwater_delta::limits::INCREMENT_MEMORY_MAX;
use headwater_delta::{Body, Decoded, decode_increment};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((length, rest)) = data.split_first_chunk::<2>() else { return };
    let (base, increment) = rest.split_at(rest.len().min(usize::from(u16::from_le_bytes(*length))));
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, increment);
    let sha256 = digest.as_ref().try_into().expect("SHA-256 has 32 bytes");
    let body = Body { sha256, size: increment.len() as u64, memory: INCREMENT_MEMORY_MAX };
    let file = Decoded { sha256: [0; 32], size: 1 << 16 };
    let mut out = Vec::new();
    let decoded = decode_increment(&mut Cursor::new(increment), &body, base, &file, INCREMENT_MEMORY_MAX, &mut out);
    assert!(decoded.is_err(), "no file has this digest");
    assert!(out.len() as u64 <= file.size);
});
