//! Makes the inputs that the fuzz targets begin with: `corpus INTO [SERIES]` writes them to `INTO/decode` and
//! `INTO/round_trip`.
//!
//! Each is a valid delta of a small pair of files. `SERIES` has a folder for each component and in it a file for
//! each release: of these there are slices of releases against the same places of their predecessors, and excerpts of
//! programs. Made-up texts and tables, and an excerpt of this program, are there always.

#![expect(clippy::disallowed_methods, reason = "a tool that reads and writes files")]

#[expect(dead_code, reason = "the fuzz targets read what is written here")]
#[path = "../../fuzz/src/lib.rs"]
mod input;
mod program;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use headwater_delta::limits::MEMORY_UNIT;
use headwater_delta::{DeltaOptions, Uncontrolled, encode_delta};

use self::input::{Declared, SIZE_MAX, joined};

/// Bytes of a slice: whole records of any table whose records have up to ten bytes, and of most others.
const SLICE: usize = 7560;
/// Slices of a pair of releases.
const SLICES: usize = 4;

/// Two small files, one the base of the other.
struct Pair {
    name: String,
    base: Vec<u8>,
    new: Vec<u8>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let (into, series) = match arguments.as_slice() {
        [into] => (into, None),
        [into, series] => (into, Some(series)),
        _ => return Err("usage: corpus INTO [SERIES]".into()),
    };
    let mut pairs = made_up()?;
    if let Some(series) = series {
        for component in sorted(series)? {
            of_releases(&component, &mut pairs)?;
        }
    }
    for target in ["decode", "round_trip"] {
        fs::create_dir_all(into.join(target))?;
    }
    for pair in &pairs {
        write(into, pair)?;
    }
    println!("{} pairs of files", pairs.len());
    Ok(())
}

/// Writes the inputs that a pair makes.
fn write(into: &Path, Pair { name, base, new }: &Pair) -> Result<(), Box<dyn Error>> {
    assert!(new.len() as u64 <= u64::from(SIZE_MAX), "{name} is too long");
    let made = encode_delta(base, new, &DeltaOptions::beside(u64::MAX), &Uncontrolled)?;
    let made = made.ok_or("it is allowed any size")?;
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, new);
    let memory = u8::try_from(made.body.memory / MEMORY_UNIT)?;
    let declared =
        Declared { size: new.len() as u32, sha256: digest.as_ref().try_into()?, memory, memory_max: 224 };
    let decode = [declared.bytes(), joined(base, &made.bytes)].concat();
    fs::write(into.join("decode").join(name), decode)?;
    fs::write(into.join("round_trip").join(name), joined(base, new))?;
    Ok(())
}

/// Pairs of a component's last two releases, and of its first and last.
fn of_releases(component: &Path, pairs: &mut Vec<Pair>) -> Result<(), Box<dyn Error>> {
    let releases = sorted(component)?;
    let [first, .., before, last] = releases.as_slice() else { return Ok(()) };
    let component = component.file_name().unwrap_or_default().to_string_lossy();
    let new = fs::read(last)?;
    for (far, base) in [("next", before), ("far", first)] {
        let base = fs::read(base)?;
        let name = |i: usize| format!("{component}-{far}-{i}");
        let programs = program::excerpt(&base).zip(program::excerpt(&new));
        if let Some((base, new)) = programs {
            pairs.push(Pair { name: name(0), base, new });
            continue;
        }
        for (i, (base, new)) in slices(&base, &new).into_iter().enumerate() {
            pairs.push(Pair { name: name(i), base: base.to_vec(), new: new.to_vec() });
        }
    }
    Ok(())
}

/// Slices of both files that begin alike and go on differently.
fn slices<'a>(base: &'a [u8], new: &'a [u8]) -> Vec<(&'a [u8], &'a [u8])> {
    let mut found = Vec::new();
    let mut ahead = new;
    for from in base.chunks(SLICE) {
        let Some(at) = from.get(..32).and_then(|start| ahead.windows(32).position(|bytes| bytes == start))
        else {
            continue;
        };
        ahead = &ahead[at..];
        let to = &ahead[..ahead.len().min(SLICE)];
        if from != to {
            found.push((from, to));
        }
    }
    let every = found.len().div_ceil(SLICES).max(1);
    found.into_iter().step_by(every).collect()
}

/// Pairs that need no series.
fn made_up() -> Result<Vec<Pair>, Box<dyn Error>> {
    let program = program::excerpt(&fs::read(std::env::current_exe()?)?).unwrap_or_default();
    let mut longer = program.clone();
    longer.splice(program.len() / 2..program.len() / 2, [0x90; 64]);
    let mut packed = longer.clone();
    packed.splice(program.len() / 4..program.len() / 2, noise(6000));
    let pairs = [
        ("text", text(0..180, 1), text(3..190, 1)),
        ("text-changed", text(0..180, 1), text(0..180, 2)),
        ("table", table(0), table(1)),
        ("program-aarch64", as_aarch64(&program), as_aarch64(&longer)),
        ("program", program.clone(), longer),
        ("program-packed", program, packed),
        ("from-nothing", Vec::new(), text(0..5, 1)),
        ("to-nothing", text(0..5, 1), Vec::new()),
        ("noise", noise(500), noise(900)),
        ("noise-and-more", noise(500), [noise(900), noise(500), noise(700)].concat()),
    ];
    let pair = |(name, base, new): (&str, _, _)| Pair { name: format!("made-up-{name}"), base, new };
    Ok(pairs.into_iter().map(pair).collect())
}

/// A program whose header calls its code A64: words that encode addresses are among any.
fn as_aarch64(program: &[u8]) -> Vec<u8> {
    let mut made = program.to_vec();
    made[18] = 183;
    made
}

fn text(lines: std::ops::Range<u32>, port: u32) -> Vec<u8> {
    let line = |i| format!("rule {i}: allow host-{}.example port {}\n", i * 7 % 1000, i * port % 97);
    lines.flat_map(|i| line(i).into_bytes()).collect()
}

/// Ranges of addresses, each with a country.
fn table(seed: u32) -> Vec<u8> {
    let mut records = Vec::new();
    let mut start = 0x0100_0000u32;
    for i in 0..600u32 {
        let size = 256 << ((i * 7 + u32::from(i % 50 == 0) * seed) % 5);
        records.extend_from_slice(&start.to_be_bytes());
        records.extend_from_slice(&(start + size - 1).to_be_bytes());
        records.extend_from_slice([b"AU", b"FR", b"NZ", b"TH"][(i * 5 % 4) as usize]);
        start += size;
    }
    records
}

/// Bytes with as little pattern as any.
fn noise(size: usize) -> Vec<u8> {
    let mut state = size as u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as u8
    };
    (0..size).map(|_| next()).collect()
}

/// What is in a folder, in order of name.
fn sorted(folder: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut found: Vec<PathBuf> =
        fs::read_dir(folder)?.map(|entry| entry.map(|e| e.path())).collect::<Result<_, _>>()?;
    found.sort();
    Ok(found)
}
