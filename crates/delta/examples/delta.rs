//! One delta, each direction a process of its own, so that the kernel measures its cost:
//! `delta encode BASE NEW DELTA`, `delta decode BASE DELTA OUT`.
//!
//! The delta's entry of a signed manifest lies beside it in `DELTA.signed`.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a tool that reads and writes files"
)]

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::os::unix::fs::FileExt;

use headwater_delta::limits::DELTA_MEMORY_MAX;
use headwater_delta::{
    Body, Decoded, DeltaOptions, FileDigest, ReadAt, Uncontrolled, decode_delta, encode_delta,
};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["encode", base, new, delta] => encode(base, new, delta),
        ["decode", base, delta, out] => decode(base, delta, out),
        _ => Err("usage: delta encode BASE NEW DELTA | decode BASE DELTA OUT".into()),
    }
}

fn encode(base: &str, new: &str, delta: &str) -> Result<(), Box<dyn Error>> {
    let (base, new) = (fs::read(base)?, fs::read(new)?);
    let made = encode_delta(&base, &new, &DeltaOptions::beside(u64::MAX), &Uncontrolled)?
        .ok_or("no delta within the memory that decoding may take")?;
    fs::write(delta, &made.bytes)?;
    let file = Decoded { sha256: sha256(&new), size: new.len() as u64 };
    fs::write(format!("{delta}.signed"), Signed { body: made.body, file }.to_text())?;
    Ok(())
}

fn decode(base: &str, delta: &str, out: &str) -> Result<(), Box<dyn Error>> {
    let signed = Signed::from_text(&fs::read_to_string(format!("{delta}.signed"))?)
        .ok_or("the description beside the delta is not one")?;
    let base = OpenFile(File::open(base)?);
    let mut stored = File::open(delta)?;
    let out = BufWriter::new(File::create(out)?);
    decode_delta(&mut stored, &signed.body, &base, &signed.file, DELTA_MEMORY_MAX, out)?;
    Ok(())
}

/// The manifest entry of a delta and of the file it makes.
struct Signed {
    body: Body,
    file: Decoded,
}

impl Signed {
    fn to_text(&self) -> String {
        let Self { body, file } = self;
        let numbers = format!("{} {} {}", body.size, body.memory, file.size);
        format!("{} {} {numbers}\n", to_hex(&body.sha256), to_hex(&file.sha256))
    }

    fn from_text(text: &str) -> Option<Self> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let [stored, made, size, memory, made_size] = words.as_slice() else { return None };
        let body = Body { sha256: from_hex(stored)?, size: size.parse().ok()?, memory: memory.parse().ok()? };
        let file = Decoded { sha256: from_hex(made)?, size: made_size.parse().ok()? };
        Some(Self { body, file })
    }
}

struct OpenFile(File);

impl ReadAt for OpenFile {
    fn size(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.0.read_exact_at(bytes, offset)
    }
}

fn sha256(bytes: &[u8]) -> FileDigest {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    digest.as_ref().try_into().expect("SHA-256 has 32 bytes")
}

fn to_hex(digest: &FileDigest) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Option<FileDigest> {
    let digits = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).ok());
    let bytes = digits.map(|pair| u8::from_str_radix(pair?, 16).ok()).collect::<Option<Vec<u8>>>()?;
    bytes.try_into().ok()
}
