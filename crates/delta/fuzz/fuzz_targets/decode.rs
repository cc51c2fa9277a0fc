//! Any bytes as a delta: an error comes of them or the file that was signed; never a panic, a hang, or more memory.
//!
//! An input is [`Declared`], the base and the delta. The digest of the delta is always made right: otherwise nothing
//! but its check would be tried.

#![no_main]

use std::io::Cursor;

use aws_lc_rs::digest::{SHA256, digest};
use headwater_delta::limits::MEMORY_UNIT;
use headwater_delta::{Body, DecodeError, Decoded, FileDigest, decode_delta};
use headwater_delta_fuzz::{Declared, joined, split};
use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};

/// Bytes by which a part may grow at once.
const GROWTH: usize = 4096;

fuzz_target!(|input: &[u8]| {
    let Some((declared, rest)) = Declared::read(input) else { return };
    let Some((base, delta)) = split(rest) else { return };
    let memory_max = u64::from(declared.memory_max) * MEMORY_UNIT;
    let memory = u64::from(declared.memory) * MEMORY_UNIT;
    let body = Body { sha256: sha256(delta), size: delta.len() as u64, memory };
    let file = Decoded { sha256: declared.sha256, size: u64::from(declared.size) };
    let mut out = Vec::new();
    let decoded = decode_delta(&mut Cursor::new(delta), &body, base, &file, memory_max, &mut out);
    assert!(out.len() as u64 <= file.size, "{} bytes of a file of {}", out.len(), file.size);
    match decoded {
        Ok(()) => {
            assert!(memory <= memory_max, "it takes more memory than is allowed");
            assert!(out.len() as u64 == file.size && sha256(&out) == file.sha256, "another file came of it");
        }
        Err(DecodeError::WrongBody) => panic!("the delta is the one that was signed"),
        Err(DecodeError::Read(error) | DecodeError::Write(error)) => panic!("nothing fails here: {error}"),
        Err(DecodeError::Memory { .. } | DecodeError::WrongFile(_)) => {}
    }
});

// The declared values and the base are long beside the delta: left to itself the fuzzer would hardly ever touch that.
fuzz_mutator!(|input: &mut [u8], size: usize, size_max: usize, seed: u32| {
    let parts = Declared::read(&input[..size]).and_then(|(declared, rest)| Some((declared, split(rest)?)));
    let Some((declared, (base, delta))) = parts else {
        return fuzzer_mutate(input, size, size_max);
    };
    let (declared, base, delta) = match seed % 16 {
        0 => (mutated(&declared.bytes(), 0), base.to_vec(), delta.to_vec()),
        1 => (declared.bytes(), mutated(base, GROWTH), delta.to_vec()),
        _ => (declared.bytes(), base.to_vec(), mutated(delta, GROWTH)),
    };
    let mut made = declared;
    made.resize(Declared::LENGTH, 0);
    made.extend(joined(&base, &delta));
    made.truncate(size_max);
    input[..made.len()].copy_from_slice(&made);
    made.len()
});

fn mutated(part: &[u8], growth: usize) -> Vec<u8> {
    let mut made = part.to_vec();
    made.resize(part.len() + growth, 0);
    let length = fuzzer_mutate(&mut made, part.len(), part.len() + growth);
    made.truncate(length);
    made
}

fn sha256(bytes: &[u8]) -> FileDigest {
    digest(&SHA256, bytes).as_ref().try_into().expect("SHA-256 has 32 bytes")
}
