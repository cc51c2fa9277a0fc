//! Measures deltas: `measure FROM TO [FROM TO]…` prints bytes, and the CPU seconds of both directions, verified; with
//! `REPEAT=n` in the environment also those of n more decodings.

#![expect(clippy::disallowed_methods, reason = "a tool that reads files and what the kernel counts")]

use std::io::Cursor;

use headwater_delta::limits::DELTA_MEMORY_MAX;
use headwater_delta::{Decoded, DeltaOptions, Uncontrolled, decode_delta, encode_delta};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    for pair in arguments.chunks_exact(2) {
        let base = std::fs::read(&pair[0]).expect("readable");
        let new = std::fs::read(&pair[1]).expect("readable");
        let start = cpu_seconds();
        let made = encode_delta(&base, &new, &DeltaOptions::beside(u64::MAX), &Uncontrolled)
            .expect("encodes")
            .expect("is smaller");
        let encoding = cpu_seconds() - start;
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &new);
        let file = Decoded { sha256: digest.as_ref().try_into().expect("32 bytes"), size: new.len() as u64 };
        let start = cpu_seconds();
        let mut out = Vec::new();
        let decoded = decode_delta(
            &mut Cursor::new(&made.bytes),
            &made.body,
            &base[..],
            &file,
            DELTA_MEMORY_MAX,
            &mut out,
        );
        let decoding = cpu_seconds() - start;
        for _ in 0..std::env::var("REPEAT").map_or(0, |n| n.parse().unwrap_or(0)) {
            let start = cpu_seconds();
            let _ = decode_delta(
                &mut Cursor::new(&made.bytes),
                &made.body,
                &base[..],
                &file,
                DELTA_MEMORY_MAX,
                &mut std::io::sink(),
            );
            println!("again {:.2}", cpu_seconds() - start);
        }
        if let Err(error) = &decoded {
            println!(
                "{error} after {} bytes, alike for {}",
                out.len(),
                out.iter().zip(&new).take_while(|(a, b)| a == b).count()
            );
        }
        let right = decoded.is_ok() && out == new;
        println!(
            "{} {} encode {:.1} s decode {:.2} s {}",
            pair[1].rsplit('/').take(2).collect::<Vec<_>>().join(" "),
            made.bytes.len(),
            encoding,
            decoding,
            if right { "verified" } else { "WRONG" },
        );
    }
}

/// CPU seconds of this process so far, user and system.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |i: usize| fields[i].parse::<f64>().expect("a count of ticks");
    (ticks(11) + ticks(12)) / 100.0
}
