//! What an installed release looks like where that differs from its record: `releases/SEQ-DIGEST.reference.json`.
//!
//! It is taken when a release is kept, after install command and probe: what they changed is no damage later. A release
//! without this file is checked against its record alone. What a file that is not the release's contains is nobody's
//! business here: one that the install command made is known, one that others added is reported once.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;

use headwater_depot::files::{self, FileAccess};
use headwater_repo::{Digest, Hasher};
use serde::{Deserialize, Serialize};

use crate::data::record::ReleaseRecord;
use crate::data::slot::Slot;
use crate::limits::{ADDED_FILES_MAX, STATE_BYTES_MAX};
use crate::os;

/// How an installed release differs from its record without being damaged.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reference {
    /// Files of the release that its commands changed; `None` for one that they removed.
    #[serde(default)]
    pub files: BTreeMap<String, Option<FileReference>>,
    /// Modes of folders of the release that its commands changed.
    #[serde(default)]
    pub folders: BTreeMap<String, u32>,
    /// What the commands made beside the release's files.
    #[serde(default)]
    pub made: BTreeSet<String>,
    /// What others added and was reported.
    #[serde(default)]
    pub reported: BTreeSet<String>,
}

/// A file that a command of its release changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileReference {
    /// Bytes.
    pub size: u64,
    /// Permission bits.
    pub mode: u32,
    /// Digest of its content.
    pub sha256: Digest,
}

impl Slot {
    /// The reference of a release; an empty one if there is none.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    pub fn reference(&self, name: &str) -> io::Result<Reference> {
        let bytes = os::read_bounded(&self.reference_path(name), STATE_BYTES_MAX)?;
        Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default())
    }

    /// Stores the reference of a release.
    ///
    /// # Errors
    ///
    /// The disk is full or refuses; the former reference stays.
    pub fn replace_reference(&self, name: &str, reference: &Reference) -> io::Result<()> {
        let path = self.reference_path(name);
        if *reference == Reference::default() {
            return files::remove_if_present(&path);
        }
        let bytes = serde_json::to_vec(reference).map_err(io::Error::other)?;
        files::replace(&path, &bytes, FileAccess::Owner)
    }

    /// Takes the reference of a release as it lies there now. What was reported before stays reported.
    ///
    /// # Errors
    ///
    /// The release cannot be read, or the disk is full or refuses.
    pub fn take_reference(&self, name: &str) -> io::Result<()> {
        let Some(record) = self.record(name)? else { return Ok(()) };
        let before = self.reference(name)?;
        let mut reference = Reference::of(&self.release_folder(name), &record)?;
        reference.made.retain(|path| !before.reported.contains(path));
        reference.reported = before.reported;
        self.replace_reference(name, &reference)
    }
}

impl Reference {
    fn of(folder: &Path, record: &ReleaseRecord) -> io::Result<Self> {
        // Without a command of its own nothing may differ: what does, was damaged since.
        if record.install.is_none() && record.probe.is_none() {
            return Ok(Self::default());
        }
        let mut reference = Self { made: added(folder, record)?, ..Self::default() };
        for below in std::iter::once("").chain(record.folders()) {
            let mode = fs::symlink_metadata(folder.join(below)).map(|found| os::mode_of(&found));
            if let Ok(mode) = mode
                && mode != record.readers.folder_mode()
            {
                reference.folders.insert(below.to_owned(), mode);
            }
        }
        for file in &record.files {
            let path = folder.join(&file.path);
            let found = fs::symlink_metadata(&path).ok().filter(fs::Metadata::is_file);
            let Some(found) = found else {
                reference.files.insert(file.path.clone(), None);
                continue;
            };
            let (size, mode) = (found.len(), os::mode_of(&found));
            let sha256 = digest_of(&path)?;
            if (size, mode, sha256) != (file.size, file.mode, file.sha256) {
                reference.files.insert(file.path.clone(), Some(FileReference { size, mode, sha256 }));
            }
        }
        Ok(reference)
    }
}

/// What lies in the folders of a release and is not the release's, at most [`ADDED_FILES_MAX`] of it. An added folder is
/// not looked into.
pub(crate) fn added(folder: &Path, record: &ReleaseRecord) -> io::Result<BTreeSet<String>> {
    let folders = record.folders();
    let own: BTreeSet<&str> =
        record.files.iter().map(|file| file.path.as_str()).chain(folders.clone()).collect();
    let mut added = BTreeSet::new();
    for below in std::iter::once("").chain(folders) {
        let at = folder.join(below);
        // What is in the place of a folder is damage, and not looked into.
        if !fs::symlink_metadata(&at).is_ok_and(|found| found.is_dir()) {
            continue;
        }
        for entry in fs::read_dir(&at)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            let path = if below.is_empty() { name } else { format!("{below}/{name}") };
            if !own.contains(path.as_str()) {
                added.insert(path);
            }
            if added.len() >= ADDED_FILES_MAX {
                return Ok(added);
            }
        }
    }
    Ok(added)
}

fn digest_of(path: &Path) -> io::Result<Digest> {
    let mut hasher = Hasher::new();
    crate::assemble::copy_hashed(&mut os::open_file(path)?, &mut io::sink(), &mut hasher)?;
    Ok(hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn added_files_are_remembered_up_to_a_limit() {
        let digest = Digest::of(b"1");
        let record: ReleaseRecord = serde_json::from_value(serde_json::json!({
            "sequence": 1, "version": "1", "manifest": digest,
            "files": [{"path": "own", "sha256": digest, "size": 1, "mode": 0o644}],
            "voucher": {"owner": "organisation", "evidence": {"root": 1, "keys": []}},
        }))
        .unwrap();
        let folder = tempfile::tempdir().unwrap();
        let add = |name: String| fs::write(folder.path().join(name), "1").unwrap();
        add("own".to_owned());
        let count = || added(folder.path(), &record).unwrap().len();
        (1..ADDED_FILES_MAX).for_each(|n| add(format!("f{n}")));
        assert_eq!(count(), ADDED_FILES_MAX - 1);
        add("last".to_owned());
        add("one-more".to_owned());
        assert_eq!(count(), ADDED_FILES_MAX);
    }
}
