//! What is wrong with the files of an installed release. Writes nothing.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::io;
use std::ops::Range;
use std::path::Path;

use crate::assemble::has_digest;
use crate::data::{Reference, ReleaseRecord};
use crate::limits::NAMES_LISTED_MAX;
use crate::os;

/// How closely files are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    /// Presence, kind, size and mode.
    Metadata,
    /// Every byte, too.
    Content,
}

/// What is wrong with a file or folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    Gone,
    /// Something else is in its place.
    Kind(&'static str),
    Size {
        have: u64,
        want: u64,
    },
    Content,
    Mode {
        have: u32,
        want: u32,
    },
    /// It cannot be looked at: why.
    Unreadable(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => f.write_str("gone"),
            Self::Kind(what) => write!(f, "{what} is in its place"),
            Self::Size { have, want } => write!(f, "{have} bytes instead of {want}"),
            Self::Content => f.write_str("other content"),
            Self::Mode { have, want } => write!(f, "mode {have:04o} instead of {want:04o}"),
            Self::Unreadable(why) => write!(f, "cannot be read: {why}"),
        }
    }
}

/// A damaged file or folder of a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Damage {
    /// Its path in the release's folder; empty for that folder itself.
    pub path: String,
    pub is_folder: bool,
    pub fault: Fault,
}

/// The first [`NAMES_LISTED_MAX`] of what is damaged, and how many more there are.
pub(crate) fn described(damaged: &[Damage]) -> String {
    let one = |damage: &Damage| {
        let path = if damage.path.is_empty() { "its folder" } else { &damage.path };
        format!("{path} ({})", damage.fault)
    };
    let listed: Vec<String> = damaged.iter().take(NAMES_LISTED_MAX).map(one).collect();
    match damaged.len() - listed.len() {
        0 => listed.join(", "),
        more => format!("{} and {more} more", listed.join(", ")),
    }
}

/// Everything that is damaged of a release, folders first, those above first.
pub(crate) fn damage_of(
    folder: &Path,
    record: &ReleaseRecord,
    reference: &Reference,
    depth: Depth,
) -> Vec<Damage> {
    damage_in(folder, record, reference, depth, 0..record.files.len())
}

/// As [`damage_of`], of the folders and of some of the files.
pub(crate) fn damage_in(
    folder: &Path,
    record: &ReleaseRecord,
    reference: &Reference,
    depth: Depth,
    files: Range<usize>,
) -> Vec<Damage> {
    let mut damaged = Vec::new();
    let mut lost: BTreeSet<&str> = BTreeSet::new();
    for below in std::iter::once("").chain(record.folders()) {
        let fault = match is_below(below, &lost) {
            true => Some(Fault::Gone),
            false => folder_fault(&folder.join(below), wanted_mode(below, record, reference)),
        };
        let Some(fault) = fault else { continue };
        if matches!(fault, Fault::Gone | Fault::Kind(_)) {
            lost.insert(below);
        }
        damaged.push(Damage { path: below.to_owned(), is_folder: true, fault });
    }
    for file in record.files.get(files).unwrap_or_default() {
        let (size, mode, sha256) = match reference.files.get(&file.path) {
            // Its own install command removed it.
            Some(None) => continue,
            Some(Some(changed)) => (changed.size, changed.mode, changed.sha256),
            None => (file.size, file.mode, file.sha256),
        };
        let path = folder.join(&file.path);
        let fault = match is_below(&file.path, &lost) {
            true => Some(Fault::Gone),
            false => file_fault(&path, size, mode),
        };
        let differs = || depth == Depth::Content && !has_digest(&path, &sha256);
        let fault = match fault {
            // A wrong mode says nothing about the content.
            None | Some(Fault::Mode { .. }) if differs() => Some(Fault::Content),
            fault => fault,
        };
        damaged.extend(fault.map(|fault| Damage { path: file.path.clone(), is_folder: false, fault }));
    }
    damaged
}

/// The mode that a folder of a release is to have.
pub(crate) fn wanted_mode(below: &str, record: &ReleaseRecord, reference: &Reference) -> u32 {
    reference.folders.get(below).copied().unwrap_or_else(|| record.readers.folder_mode())
}

/// Whether a path is in one of these folders.
fn is_below(path: &str, folders: &BTreeSet<&str>) -> bool {
    folders.contains("") && !path.is_empty()
        || path.match_indices('/').any(|(at, _)| folders.contains(&path[..at]))
}

fn folder_fault(path: &Path, want: u32) -> Option<Fault> {
    match look(path) {
        Err(fault) => Some(fault),
        Ok(found) if !found.is_dir() => Some(Fault::Kind(kind(&found))),
        Ok(found) => mode_fault(&found, want),
    }
}

fn file_fault(path: &Path, want_size: u64, want_mode: u32) -> Option<Fault> {
    match look(path) {
        Err(fault) => Some(fault),
        Ok(found) if !found.is_file() => Some(Fault::Kind(kind(&found))),
        Ok(found) if found.len() != want_size => Some(Fault::Size { have: found.len(), want: want_size }),
        Ok(found) => mode_fault(&found, want_mode),
    }
}

fn mode_fault(found: &fs::Metadata, want: u32) -> Option<Fault> {
    let have = os::mode_of(found);
    (have != want).then_some(Fault::Mode { have, want })
}

fn look(path: &Path) -> Result<fs::Metadata, Fault> {
    fs::symlink_metadata(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Fault::Gone,
        _ => Fault::Unreadable(error.to_string()),
    })
}

fn kind(found: &fs::Metadata) -> &'static str {
    match found.file_type() {
        kind if kind.is_symlink() => "a symbolic link",
        kind if kind.is_dir() => "a folder",
        kind if kind.is_file() => "a file",
        _ => "a special file",
    }
}
