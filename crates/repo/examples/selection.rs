//! Which deltas a server would make for one file that changes in every release, and what clients then fetch:
//! `choice BODY`.
//!
//! BODY: bytes of the full body. The storage budget is the default one. On standard input a line for each age, the nearest first:
//! `CLIENTS STRAIGHT HOP`, how many clients have that release, and the bytes of its deltas to the current release and to
//! the one after it. Answered are a line for each age, `BYTES HOPS`, what its clients fetch and over how many deltas, and
//! a last one, the bytes that all deltas take. The rounds are those of a maker of deltas: [`needed_deltas`] knows the
//! sizes only of what was made, and estimates the others.

use std::error::Error;
use std::io;

use headwater_repo::{
    Body, BodyFormat, ComponentName, Delta, DeltaFormat, DeltaPaths, Digest, Earlier, FileEntry, FilePath,
    Inventory, InventoryItem, Manifest, STORAGE_PERCENT, Sequence, VersionText, expected_ages, needed_deltas,
};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [body] = arguments.as_slice() else { return Err("usage: selection BODY < AGES".into()) };
    let body = body.parse()?;
    let ages = io::stdin().lines().map(|line| age(&line?)).collect::<Result<Vec<_>, _>>()?;
    // Release 0 is the current one.
    let releases = (0..=ages.len()).map(|n| release(n, ages.len(), body)).collect::<Result<Vec<_>, _>>()?;
    let (current, others) = releases.split_first().ok_or("no release")?;
    let weights = expected_ages(&ages.iter().map(|age| age.clients).collect::<Vec<_>>());
    let earlier = others.iter().zip(weights).map(|(manifest, weight)| Earlier { manifest, weight });
    let manifest = made(current, &earlier.collect::<Vec<_>>(), &ages)?;
    let ways = DeltaPaths::of(&manifest);
    for number in 1..=ages.len() {
        let had = content(number);
        let way = ways.cheapest(&content(0), body, &|file| *file == had, &|delta| Some(delta.size));
        match way {
            Some(way) => println!("{} {}", way.cost, way.hops.len()),
            None => println!("{body} 0"),
        }
    }
    println!("{}", manifest.deltas().map(|delta| delta.size).sum::<u64>());
    Ok(())
}

struct Age {
    clients: u64,
    straight: u64,
    hop: u64,
}

fn age(line: &str) -> Result<Age, Box<dyn Error>> {
    let numbers = line.split_whitespace().map(str::parse).collect::<Result<Vec<u64>, _>>()?;
    let [clients, straight, hop] = numbers[..] else {
        return Err(format!("`{line}` is not `CLIENTS STRAIGHT HOP`").into());
    };
    Ok(Age { clients, straight, hop })
}

/// Makes what is missing until nothing is.
fn made(current: &Manifest, earlier: &[Earlier<'_>], ages: &[Age]) -> Result<Manifest, Box<dyn Error>> {
    let number = |wanted: &Digest| (0..=ages.len()).find(|n| content(*n) == *wanted).ok_or("an unknown file");
    let mut inventory = Inventory::new();
    loop {
        let needed_deltas = needed_deltas(current, earlier, &inventory, &|_, _| true, STORAGE_PERCENT);
        let Some(missing) = needed_deltas.missing.first() else { return Ok(needed_deltas.manifest) };
        let age = &ages[number(&missing.base)? - 1];
        let size = if number(&missing.result)? == 0 { age.straight } else { age.hop };
        let delta = Delta {
            base: missing.base,
            sha256: Digest::of(format!("{} {}", missing.base, missing.result).as_bytes()),
            size,
            format: DeltaFormat::Headwater1,
            memory: 1,
        };
        let item = if size < missing.body { InventoryItem::Made(delta) } else { InventoryItem::Useless };
        inventory.insert((missing.base, missing.result), item);
    }
}

fn release(number: usize, count: usize, body: u64) -> Result<Manifest, Box<dyn Error>> {
    let sequence = Sequence::new(u64::try_from(count - number + 1)?)?;
    let body =
        Body { sha256: Digest::of(&number.to_be_bytes()), size: body, format: BodyFormat::Zstd, memory: 1 };
    let file = FileEntry {
        path: FilePath::new("file")?,
        mode: 0o644,
        size: body.size,
        sha256: content(number),
        body,
        deltas: Vec::new(),
    };
    Ok(Manifest {
        component: ComponentName::new("file")?,
        sequence,
        version: VersionText::new(sequence.to_string())?,
        files: vec![file],
        install: None,
        probe: None,
        intermediates: Vec::new(),
    })
}

/// The digest of the file as it is in a release.
fn content(number: usize) -> Digest {
    Digest::of(format!("release {number}").as_bytes())
}
