//! What a file was in the releases before. Pure.

use std::collections::HashMap;

use crate::digest::Digest;
use crate::manifest::{FileEntry, Manifest};

/// A release that clients may have who need the current one.
#[derive(Debug, Clone, Copy)]
pub struct Earlier<'a> {
    /// Its manifest.
    pub manifest: &'a Manifest,
    /// How many clients are expected to have it, in any unit.
    pub weight: u64,
}

/// A file of the past.
#[derive(Debug, Clone, Copy)]
pub struct Node {
    pub sha256: Digest,
    pub size: u64,
    /// How many clients are expected to have it.
    pub weight: u64,
}

/// What a file was: the newest first, each once. Releases that have the file as it is, wherever, need no delta.
pub fn nodes(file: &FileEntry, earlier: &[Earlier<'_>], lineages: &[Lineage<'_>]) -> Vec<Node> {
    let mut nodes: Vec<Node> = Vec::new();
    for (earlier, lineage) in earlier.iter().zip(lineages) {
        let Some(was) = lineage.predecessor(file).filter(|was| was.sha256 != file.sha256) else { continue };
        match nodes.iter_mut().find(|node| node.sha256 == was.sha256) {
            Some(known) => known.weight = known.weight.saturating_add(earlier.weight),
            None => nodes.push(Node { sha256: was.sha256, size: was.size, weight: earlier.weight }),
        }
    }
    nodes
}

/// A release's files, to be found by what they are called.
pub struct Lineage<'a> {
    by_digest: HashMap<Digest, &'a FileEntry>,
    by_path: HashMap<&'a str, &'a FileEntry>,
    by_name: HashMap<String, Vec<&'a FileEntry>>,
}

impl<'a> Lineage<'a> {
    pub fn of(manifest: &'a Manifest) -> Self {
        let mut by_name: HashMap<String, Vec<&'a FileEntry>> = HashMap::new();
        for file in &manifest.files {
            by_name.entry(name_without_numbers(file)).or_default().push(file);
        }
        Self {
            by_digest: manifest.files.iter().map(|file| (file.sha256, file)).collect(),
            by_path: manifest.files.iter().map(|file| (file.path.as_str(), file)).collect(),
            by_name,
        }
    }

    /// What `file` was: the same content; else the same path; else the same name but for numbers in it, the nearest in size.
    fn predecessor(&self, file: &FileEntry) -> Option<&'a FileEntry> {
        let same = self.by_digest.get(&file.sha256).or_else(|| self.by_path.get(file.path.as_str()));
        same.copied().or_else(|| {
            let alike = self.by_name.get(&name_without_numbers(file))?;
            alike.iter().min_by_key(|other| (other.size.abs_diff(file.size), &other.path)).copied()
        })
    }
}

/// `rules-2026.11.dat` and `old/rules-2026.12.dat` are called the same.
fn name_without_numbers(file: &FileEntry) -> String {
    let path = file.path.as_str();
    let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
    name.chars().filter(|c| !c.is_ascii_digit()).collect()
}
