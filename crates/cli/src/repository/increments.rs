//! Increments of a static repository: made when a release is published (C1).
//!
//! What there is in stock stands in the present manifests: nothing else is remembered. New ones are made from the releases
//! nearest to the new one; from older ones clients go over those and what was made before.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write as _};

use headwater_delta::limits::INCREMENT_FILE_MAX;
use headwater_delta::{self as delta, IncrementOptions, Uncontrolled, encode_increment};
use headwater_repo::{
    ComponentName, Digest, Earlier, FileEntry, Increment, IncrementFormat, Intermediate, Manifest, Published,
    Sequence, Stock, Stocked, Supply, VersionText, expected_ages, layout, limits, supply,
};

use super::folder::{Folder, keep};
use super::publish::release_list;
use crate::failure::{Failure, chain};

/// Storage for the increments to one file, in percent of its body.
const STORAGE_PERCENT: u64 = 200;

/// The files of a release, with the ways to them.
#[derive(Debug, Clone, Default)]
pub struct Content {
    /// The files, their bodies stored.
    pub files: Vec<FileEntry>,
    /// Files of earlier releases on the way to them.
    pub intermediates: Vec<Intermediate>,
}

/// Makes the increments to `files` as the next release of a component, straight from its `from` last releases.
pub fn make(
    folder: &Folder,
    component: &ComponentName,
    files: Vec<FileEntry>,
    from: usize,
) -> Result<Content, Failure> {
    let earlier = earlier(folder, component)?;
    // What it is called has no part in this.
    let mut next = Manifest {
        component: component.clone(),
        sequence: Sequence::FIRST,
        version: VersionText::new("next").expect("a word is a version"),
        files,
        install: None,
        probe: None,
        intermediates: Vec::new(),
    };
    if from == 0 {
        return Ok(Content { files: next.files, intermediates: Vec::new() });
    }
    let near: BTreeSet<Digest> =
        earlier.iter().take(from).flat_map(|manifest| &manifest.files).map(|file| file.sha256).collect();
    let new: BTreeSet<Digest> = next.files.iter().map(|file| file.sha256).collect();
    let all = earlier.iter().chain([&next]).flat_map(|manifest| &manifest.files);
    let bodies: BTreeMap<Digest, FileEntry> = all.map(|file| (file.sha256, file.clone())).collect();
    let weights = expected_ages(&vec![0; earlier.len()]);
    let lined_up: Vec<Earlier<'_>> =
        earlier.iter().zip(weights).map(|(manifest, weight)| Earlier { manifest, weight }).collect();
    let makeable = |base: &Digest, result: &Digest| {
        let fits = |file: &Digest| bodies.get(file).is_some_and(|file| file.size <= INCREMENT_FILE_MAX);
        near.contains(base) && new.contains(result) && fits(base) && fits(result)
    };
    let mut stock = stock(&earlier);
    loop {
        let Supply { manifest, lacking } = supply(&next, &lined_up, &stock, &makeable, STORAGE_PERCENT);
        let Some(lacking) = lacking.first() else {
            next = manifest;
            return Ok(Content { files: next.files, intermediates: next.intermediates });
        };
        let (base, result) = (&bodies[&lacking.base], &bodies[&lacking.result]);
        let made = make_one(folder, base, result, lacking.body)?;
        stock.insert((lacking.base, lacking.result), made.map_or(Stocked::Useless, Stocked::Made));
    }
}

/// The manifests of the releases before the next one, the nearest first. Withdrawn ones count: clients may have them.
fn earlier(folder: &Folder, component: &ComponentName) -> Result<Vec<Manifest>, Failure> {
    let present = folder.published()?;
    let Some(list) = release_list(folder, &present, component)? else { return Ok(Vec::new()) };
    let nearest = list.releases().iter().rev().take(limits::RELEASES_MAX - 1);
    nearest.map(|release| manifest(folder, &present, component, release.sequence)).collect()
}

/// A manifest, as published.
pub fn manifest(
    folder: &Folder,
    present: &Published,
    component: &ComponentName,
    sequence: Sequence,
) -> Result<Manifest, Failure> {
    let name = layout::manifest(component, sequence);
    let bytes = folder.target(present, &name)?;
    let bytes = bytes.ok_or_else(|| Failure::failed(format!("{name} is listed and not published")))?;
    Manifest::parse(&bytes)
        .map_err(|error| Failure::failed(format!("{name} cannot be read: {}", chain(&error))))
}

fn stock(manifests: &[Manifest]) -> Stock {
    let mut stock = Stock::new();
    for manifest in manifests {
        let files = manifest.files.iter().map(|file| (file.sha256, &file.increments));
        let between = manifest.intermediates.iter().map(|file| (file.sha256, &file.increments));
        for (result, increments) in files.chain(between) {
            for increment in increments {
                stock.insert((increment.base, result), Stocked::Made(increment.clone()));
            }
        }
    }
    stock
}

fn make_one(
    folder: &Folder,
    base: &FileEntry,
    result: &FileEntry,
    body: u64,
) -> Result<Option<Increment>, Failure> {
    let (old, new) = (content(folder, base)?, content(folder, result)?);
    let made = encode_increment(&old, &new, &IncrementOptions::beside(body), &Uncontrolled)
        .map_err(|error| Failure::failed(format!("{}: {}", result.path, chain(&error))))?;
    let Some(made) = made else { return Ok(None) };
    let sha256 = Digest::from(made.body.sha256);
    let place = folder.path(&layout::blob(&sha256));
    if !place.exists() {
        let write = || -> io::Result<()> {
            let blobs = folder.path(layout::BLOBS_FOLDER);
            fs::create_dir_all(place.parent().unwrap_or(&blobs))?;
            let mut stored = tempfile::NamedTempFile::new_in(&blobs)?;
            stored.write_all(&made.bytes)?;
            keep(stored, &place)
        };
        write().map_err(|error| Failure::file("write", &place, &error))?;
    }
    Ok(Some(Increment {
        base: base.sha256,
        sha256,
        size: made.body.size,
        format: IncrementFormat::Headwater1,
        memory: made.body.memory,
    }))
}

fn content(folder: &Folder, file: &FileEntry) -> Result<Vec<u8>, Failure> {
    let path = folder.path(&layout::blob(&file.body.sha256));
    let mut stored = fs::File::open(&path).map_err(|error| Failure::file("read", &path, &error))?;
    let body =
        delta::Body { sha256: *file.body.sha256.as_bytes(), size: file.body.size, memory: file.body.memory };
    let decoded = delta::Decoded { sha256: *file.sha256.as_bytes(), size: file.size };
    let mut bytes = Vec::new();
    delta::decode(&mut stored, &body, &decoded, limits::DECODER_MEMORY_MAX, &mut bytes)
        .map_err(|error| Failure::failed(format!("{}: {}", path.display(), chain(&error))))?;
    Ok(bytes)
}
