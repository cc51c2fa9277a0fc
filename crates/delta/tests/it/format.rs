//! The bytes of format 1: a delta of one release must decode with the program of another.

use crate::delta::{made, noise, sha256, shuffled, table, text};
use crate::program::{MACHINE, X86_64, program};

/// The first bytes of the SHA-256 of the delta of a pair of files.
fn begin_of_digest(base: &[u8], new: &[u8]) -> String {
    sha256(&made(base, new).bytes)[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn the_encoder_gives_the_bytes_of_format_1() {
    let lines = text(0..3000);
    let mut changed = lines.clone();
    changed.splice(5000..5010, *b"something else");
    let random = noise(100_000, 1);
    let mut flipped = random.clone();
    for at in (1000..100_000).step_by(9999) {
        flipped[at] ^= 0x55;
    }
    let (old, new) = (program(0, b""), program(3, b"more"));
    let x86_64 = |file: &[u8]| {
        let mut file = file.to_vec();
        file[MACHINE..][..2].copy_from_slice(&X86_64.to_le_bytes());
        file
    };
    let found = [
        ("a text", begin_of_digest(&lines, &changed)),
        ("a shuffled text", begin_of_digest(&shuffled(0..400), &shuffled((0..400).map(|i| i * 7 % 401)))),
        ("a table", begin_of_digest(&table(0), &table(1))),
        ("noise", begin_of_digest(&random, &flipped)),
        ("other noise, packed", begin_of_digest(&random, &noise(60_000, 2))),
        ("a program for aarch64", begin_of_digest(&old, &new)),
        ("a program for x86-64", begin_of_digest(&x86_64(&old), &x86_64(&new))),
    ];
    let expected = [
        ("a text", "88c8c268bdecd41e"),
        ("a shuffled text", "28b89ccc17af5a78"),
        ("a table", "f56ebf23fb280398"),
        ("noise", "c668c6134b07c4a3"),
        ("other noise, packed", "cf63831d0e90702d"),
        ("a program for aarch64", "e8593f8d3fb94976"),
        ("a program for x86-64", "9e926e77603862d9"),
    ];
    let expected = expected.map(|(name, digest)| (name, digest.to_owned()));
    assert_eq!(found, expected, "another encoding needs another format number");
}
