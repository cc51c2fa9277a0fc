//! Increments turn their base into the file, and nothing else.

use std::io::Cursor;

use headwater_delta::limits::INCREMENT_MEMORY_MAX;
use headwater_delta::{Decoded, IncrementOptions, Uncontrolled, decode_increment, encode_increment};

fn sha256(bytes: &[u8]) -> [u8; 32] {
    aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes).as_ref().try_into().unwrap()
}

#[test]
fn a_changed_file_comes_back() {
    let base: Vec<u8> = (0..100_000u64).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let mut new = base.clone();
    new.splice(5000..5010, *b"something else");
    let made = encode_increment(&base, &new, &IncrementOptions::beside(new.len() as u64), &Uncontrolled)
        .unwrap()
        .unwrap();
    assert!(made.bytes.len() < 200, "{}", made.bytes.len());
    let file = Decoded { sha256: sha256(&new), size: new.len() as u64 };
    let mut out = Vec::new();
    decode_increment(
        &mut Cursor::new(&made.bytes),
        &made.body,
        &base[..],
        &file,
        INCREMENT_MEMORY_MAX,
        &mut out,
    )
    .unwrap();
    assert!(out == new);
}
