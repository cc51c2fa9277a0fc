//! Sets modes again, stages files, and puts staged files into their places.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use headwater_depot::files;
use headwater_repo::Digest;

use crate::assemble::{copy_verified, disk_space};
use crate::data::{RecordFile, Reference, ReleaseRecord, Slot, set_file_mode};
use crate::error::Error;
use crate::os;
use crate::repair::damage::{Damage, Fault, wanted_mode};

/// A release with files that must be made again.
#[derive(Debug, Clone)]
pub(crate) struct Damaged {
    pub slot: Slot,
    /// The name of its folder.
    pub release: String,
    pub record: ReleaseRecord,
    pub reference: Reference,
    /// What is wrong, modes excepted.
    pub damage: Vec<Damage>,
}

impl Damaged {
    fn folder(&self) -> PathBuf {
        self.slot.release_folder(&self.release)
    }

    /// The files that are to be made again.
    pub(crate) fn files(&self) -> Vec<RecordFile> {
        let damaged: BTreeSet<&str> = self
            .damage
            .iter()
            .filter(|damage| !damage.is_folder)
            .map(|damage| damage.path.as_str())
            .collect();
        self.record.files.iter().filter(|file| damaged.contains(file.path.as_str())).cloned().collect()
    }
}

/// Sets the modes that are wrong.
pub(crate) fn set_wrong_modes(folder: &Path, record: &ReleaseRecord, damage: &[Damage]) -> io::Result<()> {
    for Damage { path, fault, .. } in damage {
        if let Fault::Mode { want, .. } = fault {
            set_file_mode(&folder.join(path), record.readers, *want)?;
        }
    }
    Ok(())
}

/// Makes an empty folder for the files that are made again.
pub(crate) fn begin(damaged: &Damaged) -> io::Result<PathBuf> {
    damaged.slot.begin(&damaged.record)
}

/// Stages every damaged file from `known` content or from a file that is installed here. `None` if some are nowhere here;
/// then nothing stays.
pub(crate) fn stage_from_here(
    damaged: &Damaged,
    slots: &[Slot],
    known: &BTreeMap<String, Vec<u8>>,
) -> Result<Option<PathBuf>, Error> {
    let at = || Error::file("repairing in", damaged.slot.folder());
    let files = damaged.files();
    let here = candidates(damaged, slots, &files).map_err(at())?;
    let is_here = |file: &RecordFile| known.contains_key(&file.path) || here.contains_key(&file.sha256);
    if !files.iter().all(is_here) {
        return Ok(None);
    }
    let staging = begin(damaged).map_err(at())?;
    let size = disk_space::Size::of(files.iter().map(|file| (file.path.as_str(), file.size)));
    let staged = disk_space::check(&staging, size)
        .and_then(|()| copy_all(&staging, &files, &here, known).map_err(at()));
    if !matches!(staged, Ok(true)) {
        let _ = files::remove_tree(&staging);
    }
    Ok(staged?.then_some(staging))
}

fn copy_all(
    staging: &Path,
    files: &[RecordFile],
    here: &BTreeMap<Digest, Vec<PathBuf>>,
    known: &BTreeMap<String, Vec<u8>>,
) -> io::Result<bool> {
    for file in files {
        let to = staging.join(&file.path);
        if let Some(above) = to.parent() {
            fs::create_dir_all(above)?;
        }
        if let Some(bytes) = known.get(&file.path).filter(|bytes| Digest::of(bytes) == file.sha256) {
            fs::write(&to, bytes)?;
            continue;
        }
        let mut is_copied = false;
        for from in here.get(&file.sha256).into_iter().flatten() {
            is_copied = copy_verified(from, &to, &file.sha256)?;
            if is_copied {
                break;
            }
        }
        if !is_copied {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Where installed releases have the content of these files; not the damaged files themselves.
fn candidates(
    damaged: &Damaged,
    slots: &[Slot],
    files: &[RecordFile],
) -> io::Result<BTreeMap<Digest, Vec<PathBuf>>> {
    let wanted: BTreeSet<Digest> = files.iter().map(|file| file.sha256).collect();
    let wrong: BTreeSet<PathBuf> = files.iter().map(|file| damaged.folder().join(&file.path)).collect();
    let mut here: BTreeMap<Digest, Vec<PathBuf>> = BTreeMap::new();
    for slot in slots {
        for (name, record) in [slot.installed()?, slot.previous()?].into_iter().flatten() {
            let folder = slot.release_folder(&name);
            for file in record.files.iter().filter(|file| wanted.contains(&file.sha256)) {
                let path = folder.join(&file.path);
                if !wrong.contains(&path) {
                    here.entry(file.sha256).or_default().push(path);
                }
            }
        }
    }
    Ok(here)
}

/// Puts the staged files into their places, each by one rename. A crash in between leaves some damaged as before; the next
/// run goes on.
pub(crate) fn place(damaged: &Damaged, staging: &Path) -> io::Result<()> {
    let (folder, record) = (damaged.folder(), &damaged.record);
    let files = damaged.files();
    for file in &files {
        let to_mode = match damaged.reference.files.get(&file.path) {
            Some(Some(changed)) if changed.sha256 == file.sha256 => changed.mode,
            _ => file.mode,
        };
        set_file_mode(&staging.join(&file.path), record.readers, to_mode)?;
    }
    os::sync_tree(staging)?;
    damaged.slot.note_repaired(&damaged.release)?;
    let mut changed: BTreeSet<PathBuf> = BTreeSet::new();
    for Damage { path, .. } in damaged.damage.iter().filter(|damage| damage.is_folder) {
        let at = folder.join(path);
        make_way(&at, |found| found.is_dir())?;
        os::ensure_folder(&at, record.readers.folder_mode())?;
        set_file_mode(&at, record.readers, wanted_mode(path, record, &damaged.reference))?;
    }
    for file in &files {
        let to = folder.join(&file.path);
        make_way(&to, |found| !found.is_dir())?;
        fs::rename(staging.join(&file.path), &to)?;
        changed.insert(files::folder_of(&to).to_owned());
    }
    changed.iter().try_for_each(|folder| files::sync_folder(folder))?;
    files::remove_tree(staging)
}

/// Moves what is in the place of a file or folder of the release aside, unless it may stay there (and be renamed over). It
/// may hold files of others, so only a link and an empty folder are removed.
fn make_way(path: &Path, may_stay: impl Fn(&fs::Metadata) -> bool) -> io::Result<()> {
    let Ok(found) = fs::symlink_metadata(path) else { return Ok(()) };
    if may_stay(&found) {
        return Ok(());
    }
    if found.is_symlink() {
        return fs::remove_file(path);
    }
    if found.is_dir() && fs::remove_dir(path).is_ok() {
        return Ok(());
    }
    let mut name = path.as_os_str().to_owned();
    name.push(".moved");
    let mut aside = PathBuf::from(name.clone());
    let mut number = 1;
    while fs::symlink_metadata(&aside).is_ok() {
        number += 1;
        let mut next = name.clone();
        next.push(format!("-{number}"));
        aside = PathBuf::from(next);
    }
    fs::rename(path, aside)
}
