//! `headwater repo verify`: verifies the whole repository as a client does, every blob included.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use headwater_publisher::folder::StaticFolder;
use headwater_repo::{
    Digest, Hasher, Manifest, ReleaseList, Role, Sequence, TargetDescription, Trusted, VerifyError,
    error_chain, layout,
};
use jiff::Timestamp;
use serde::Serialize;

use crate::terminal::failure::{Exit, Failure};
use crate::terminal::input::read_text;
use crate::terminal::output::{Output, bytes, counted};

/// What was checked.
#[derive(Debug, Default, Serialize)]
pub struct VerifyReport {
    /// Version of the effective root.
    pub root_version: u64,
    /// Version of the targets metadata.
    pub targets_version: u64,
    /// Signed targets.
    pub targets: u64,
    /// Releases that clients may install.
    pub releases: u64,
    /// Blobs of those.
    pub blobs: u64,
    /// Their bytes.
    pub blob_bytes: u64,
    /// What is wrong, each a sentence.
    pub problems: Vec<String>,
}

/// Verifies everything and reports it; the exit code is 1 if anything is wrong.
pub fn run(
    folder: &StaticFolder,
    root: Option<&Path>,
    now: Timestamp,
    output: Output,
) -> Result<Exit, Failure> {
    let root = match root {
        Some(path) => read_text(path)?.into_bytes(),
        None => folder.read(&layout::metadata(Role::Root, 1))?,
    };
    let verified = verify(folder, &root, now)?;
    let whole = verified.problems.is_empty();
    let of = |count: u64, noun: &str| counted(usize::try_from(count).unwrap_or(usize::MAX), noun);
    output.result(&verified, |verified| {
        let mut text = format!(
            "root version {}, targets version {}: {}, {}, {} ({})",
            verified.root_version,
            verified.targets_version,
            of(verified.targets, "target"),
            of(verified.releases, "release"),
            of(verified.blobs, "blob"),
            bytes(verified.blob_bytes)
        );
        for problem in &verified.problems {
            text.push_str(&format!("\nproblem: {problem}"));
        }
        text + if whole { "\neverything is as signed" } else { "" }
    });
    Ok(if whole { Exit::Done } else { Exit::Failed })
}

/// Verifies everything. Problems of content are collected; a broken chain of metadata is a failure at once.
pub fn verify(folder: &StaticFolder, root: &[u8], now: Timestamp) -> Result<VerifyReport, Failure> {
    let trusted = metadata(folder, root, now)?;
    let mut verified = VerifyReport {
        root_version: trusted.root_version(),
        targets_version: trusted.targets_version().unwrap_or_default(),
        ..VerifyReport::default()
    };
    let mut blobs = BTreeSet::new();
    for (name, description) in trusted.targets() {
        verified.targets += 1;
        let content = match target(folder, &description) {
            Ok(content) => content,
            Err(problem) => {
                verified.problems.push(problem);
                continue;
            }
        };
        if layout::component_of_release_list(&name).is_some() {
            releases(folder, &trusted, &content, &mut verified, &mut blobs);
        }
    }
    for (digest, size) in blobs {
        verified.blobs += 1;
        verified.blob_bytes += size;
        verified.problems.extend(blob(folder, &digest, size).err());
    }
    Ok(verified)
}

/// Walks the metadata in the order of a client.
fn metadata(folder: &StaticFolder, root: &[u8], now: Timestamp) -> Result<Trusted, Failure> {
    let wrong = |role: &str| {
        let role = role.to_owned();
        move |error: VerifyError| {
            Failure::failed(format!("the {role} metadata is not valid: {}", error_chain(&error)))
        }
    };
    let mut trusted = Trusted::from_root(root).map_err(wrong("root"))?;
    while folder.path(&layout::metadata(Role::Root, trusted.root_version() + 1)).exists() {
        let next = folder.read(&layout::metadata(Role::Root, trusted.root_version() + 1))?;
        trusted.update_root(&next).map_err(wrong("root"))?;
    }
    trusted.check_root(now).map_err(wrong("root"))?;
    trusted.update_timestamp(&folder.read(layout::TIMESTAMP)?, now).map_err(wrong("timestamp"))?;
    let file = |name: String| folder.read(&format!("{}/{name}", layout::METADATA_FOLDER));
    if let Some(wanted) = trusted.snapshot_wanted(now).map_err(wrong("timestamp"))? {
        trusted.update_snapshot(&file(wanted.file)?, now).map_err(wrong("snapshot"))?;
    }
    if let Some(wanted) = trusted.targets_wanted(now).map_err(wrong("snapshot"))? {
        trusted.update_targets(&file(wanted.file)?, now).map_err(wrong("targets"))?;
    }
    trusted.authorised(now).map_err(wrong("targets"))?;
    Ok(trusted)
}

fn target(folder: &StaticFolder, description: &TargetDescription) -> Result<Vec<u8>, String> {
    let path = format!("{}/{}", layout::TARGETS_FOLDER, description.path);
    let content = folder.read(&path).map_err(|error| error_chain(&error))?;
    description.check(&content).map_err(|error| format!("{path}: {}", error_chain(&error)))?;
    Ok(content)
}

fn releases(
    folder: &StaticFolder,
    trusted: &Trusted,
    content: &[u8],
    verified: &mut VerifyReport,
    blobs: &mut BTreeSet<(Digest, u64)>,
) {
    let list = match ReleaseList::parse(content) {
        Ok(list) => list,
        Err(error) => return verified.problems.push(error_chain(&error)),
    };
    for release in list.releases() {
        verified.releases += 1;
        match manifest(folder, trusted, &list, release.sequence) {
            Ok(manifest) => {
                blobs.extend(manifest.files.iter().map(|file| (file.body.sha256, file.body.size)));
                blobs.extend(manifest.deltas().map(|delta| (delta.sha256, delta.size)));
            }
            Err(problem) => verified.problems.push(problem),
        }
    }
}

fn manifest(
    folder: &StaticFolder,
    trusted: &Trusted,
    list: &ReleaseList,
    sequence: Sequence,
) -> Result<Manifest, String> {
    let name = list.manifest(sequence);
    let description = trusted.target(&name).ok_or_else(|| format!("{name} is listed but not signed"))?;
    Manifest::parse(&target(folder, &description)?)
        .map_err(|error| format!("{name}: {}", error_chain(&error)))
}

fn blob(folder: &StaticFolder, digest: &Digest, size: u64) -> Result<(), String> {
    let path = folder.path(&layout::blob(digest));
    let check = || -> io::Result<(Digest, u64)> {
        let mut file = File::open(&path)?;
        let (mut hasher, mut length, mut chunk) = (Hasher::new(), 0, vec![0; 1 << 18]);
        loop {
            match file.read(&mut chunk)? {
                0 => return Ok((hasher.finish(), length)),
                count => {
                    hasher.update(&chunk[..count]);
                    length += count as u64;
                }
            }
        }
    };
    match check() {
        Ok((found, length)) if found == *digest && length == size => Ok(()),
        Ok(_) => Err(format!("{} is not what was signed", path.display())),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}
