//! A slot: the folder of one name, where its releases lie side by side and one link says which is current.
//!
//! ```text
//! NAME/releases/SEQ-DIGEST/        a whole release: assembled beside the others, synced, then renamed here
//! NAME/releases/SEQ-DIGEST.json    its record
//! NAME/releases/SEQ-DIGEST.reference.json    what its commands changed in it, if they did
//! NAME/current                     -> releases/SEQ-DIGEST, switched by one rename
//! NAME/previous                    -> the release to revert to
//! NAME/repaired          the release whose files were repaired and that is still to be activated again
//! NAME/trial.json                  while a release is on trial: `current` names that release or is about to
//! ```
//!
//! A crash or power loss at any instant leaves the old or the new release whole. The order is: files, their folders,
//! fsync, record, rename, fsync, trial, link, fsync. [`Slot::clean`] removes what a crash leaves behind. This module
//! decides nothing.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use headwater_depot::files::{self, FileAccess};
use serde::{Deserialize, Serialize};

use crate::data::record::{Readers, ReleaseRecord};
use crate::limits::STATE_BYTES_MAX;
use crate::os;

/// Mode of a slot and of its folder of releases: anybody finds `current`.
pub const SLOT_FOLDER_MODE: u32 = 0o755;

/// Mode of a release while it is being assembled.
const ASSEMBLING_MODE: u32 = 0o700;

/// A release on trial: it was switched to, and is neither kept nor reverted yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trial {
    /// Folder name of the release on trial.
    pub release: String,
    /// Folder name of the release to revert to; `None` if there was none.
    pub previous: Option<String>,
    /// How many times its probe was started.
    pub starts: u32,
}

/// The folder of one name.
#[derive(Debug, Clone)]
pub struct Slot {
    folder: PathBuf,
}

impl Slot {
    /// The slot in `folder`; creates nothing.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The slot's folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The link to the current release.
    pub fn current(&self) -> PathBuf {
        self.folder.join("current")
    }

    /// The folder of a release.
    pub fn release_folder(&self, name: &str) -> PathBuf {
        self.releases().join(name)
    }

    /// Folder name and record of the current release; `None` if there is no whole one.
    ///
    /// # Errors
    ///
    /// The link or the record cannot be read.
    pub fn installed(&self) -> io::Result<Option<(String, ReleaseRecord)>> {
        self.linked("current")
    }

    /// Folder name and record of the release to revert to.
    ///
    /// # Errors
    ///
    /// As [`Slot::installed`].
    pub fn previous(&self) -> io::Result<Option<(String, ReleaseRecord)>> {
        self.linked("previous")
    }

    /// The release to revert to once `release` is current: the installed one, or the one before that, whichever comes first
    /// that `may_return` allows.
    ///
    /// # Errors
    ///
    /// As [`Slot::installed`].
    pub fn returnable(
        &self,
        release: &str,
        may_return: &(dyn Fn(&ReleaseRecord) -> bool + Sync),
    ) -> io::Result<Option<String>> {
        let held = self.installed()?.into_iter().chain(self.previous()?);
        let mut allowed = held.filter(|(name, record)| name != release && may_return(record));
        Ok(allowed.next().map(|(name, _)| name))
    }

    /// Replaces the record of a release that is there whole.
    ///
    /// # Errors
    ///
    /// The disk is full or refuses; the former record stays.
    pub fn replace_record(&self, name: &str, record: &ReleaseRecord) -> io::Result<()> {
        let bytes = serde_json::to_vec(record).map_err(io::Error::other)?;
        files::replace(&self.record_path(name), &bytes, FileAccess::Umask)
    }

    /// Leaves no release installed, and none to revert to.
    ///
    /// # Errors
    ///
    /// The disk refuses.
    pub fn deactivate(&self) -> io::Result<()> {
        files::remove_if_present(&self.current())?;
        files::remove_if_present(&self.folder.join("previous"))?;
        files::remove_if_present(&self.trial_path())?;
        files::sync_folder(&self.folder)
    }

    /// The record of a release; `None` if the release is not there whole.
    ///
    /// # Errors
    ///
    /// The record cannot be read.
    pub fn record(&self, name: &str) -> io::Result<Option<ReleaseRecord>> {
        if !self.release_folder(name).is_dir() {
            return Ok(None);
        }
        let bytes = os::read_bounded(&self.record_path(name), STATE_BYTES_MAX)?;
        Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    /// Creates an empty folder in which a release is assembled.
    ///
    /// # Errors
    ///
    /// The disk is full or refuses.
    pub fn begin(&self, record: &ReleaseRecord) -> io::Result<PathBuf> {
        for folder in [self.folder.as_path(), &self.releases()] {
            os::ensure_folder(folder, SLOT_FOLDER_MODE)?;
        }
        let assembling = files::temporary_beside(&self.release_folder(&record.folder_name()));
        files::remove_tree(&assembling)?;
        os::ensure_folder(&assembling, ASSEMBLING_MODE)?;
        Ok(assembling)
    }

    /// Sets the modes of an assembled release, syncs it and renames it to its final name. `current` is untouched.
    ///
    /// # Errors
    ///
    /// The disk is full or refuses; then the release does not exist.
    pub fn finish(&self, assembling: &Path, record: &ReleaseRecord) -> io::Result<String> {
        set_modes(assembling, record)?;
        os::sync_tree(assembling)?;
        let name = record.folder_name();
        let bytes = serde_json::to_vec(record).map_err(io::Error::other)?;
        let folder = self.release_folder(&name);
        files::remove_tree(&folder)?;
        files::remove_if_present(&self.reference_path(&name))?;
        files::replace(&self.record_path(&name), &bytes, FileAccess::Owner)?;
        fs::rename(assembling, &folder)?;
        files::sync_folder(&self.releases())?;
        Ok(name)
    }

    /// Starts a trial: writes it down, then makes its release current.
    ///
    /// # Errors
    ///
    /// The disk is full or refuses; `current` is then as before.
    pub fn switch(&self, trial: &Trial) -> io::Result<()> {
        self.note_trial(trial)?;
        os::switch_link(&self.current(), &Path::new("releases").join(&trial.release))
    }

    /// Writes down a trial.
    ///
    /// # Errors
    ///
    /// The disk is full or refuses.
    pub fn note_trial(&self, trial: &Trial) -> io::Result<()> {
        let bytes = serde_json::to_vec(trial).map_err(io::Error::other)?;
        files::replace(&self.trial_path(), &bytes, FileAccess::Owner)
    }

    /// The trial that is going on or was interrupted.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn trial(&self) -> io::Result<Option<Trial>> {
        let bytes = os::read_bounded(&self.trial_path(), STATE_BYTES_MAX)?;
        Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    /// Keeps the release on trial.
    ///
    /// # Errors
    ///
    /// The disk refuses; then the release can be probed again.
    pub fn keep(&self, trial: &Trial) -> io::Result<()> {
        if let Some(previous) = trial.previous.as_ref().filter(|previous| **previous != trial.release) {
            os::switch_link(&self.folder.join("previous"), &Path::new("releases").join(previous))?;
        }
        files::remove_if_present(&self.trial_path())?;
        files::sync_folder(&self.folder)
    }

    /// Points `current` back to the last good release; removes the link if there is none.
    ///
    /// # Errors
    ///
    /// The disk refuses; then the trial is still written down, and the next run reverts again.
    pub fn revert(&self, trial: &Trial) -> io::Result<()> {
        match &trial.previous {
            Some(previous) => os::switch_link(&self.current(), &Path::new("releases").join(previous))?,
            None => {
                files::remove_if_present(&self.current())?;
                files::sync_folder(&self.folder)?;
            }
        }
        files::remove_if_present(&self.trial_path())?;
        files::sync_folder(&self.folder)
    }

    /// Removes what a crash left behind, and every release that is not current, previous or on trial.
    ///
    /// # Errors
    ///
    /// Something cannot be removed.
    pub fn clean(&self) -> io::Result<()> {
        let trial = self.trial()?;
        let mut kept: Vec<String> =
            trial.into_iter().flat_map(|t| [Some(t.release), t.previous]).flatten().collect();
        for link in ["current", "previous"] {
            kept.extend(self.link_name(link)?);
        }
        files::remove_temporaries(&self.folder)?;
        files::remove_entries_but(&self.releases(), |name| {
            let of = name.strip_suffix(".json").map(|of| of.strip_suffix(".reference").unwrap_or(of));
            kept.iter().any(|kept| name == kept || of == Some(kept))
        })
    }

    /// Notes that files of a release are about to be replaced, so that it is activated again even if that is interrupted.
    ///
    /// # Errors
    ///
    /// The disk is full or refuses.
    pub fn note_repaired(&self, name: &str) -> io::Result<()> {
        files::replace(&self.repaired_path(), name.as_bytes(), FileAccess::Owner)
    }

    /// The release that is still to be activated again after a repair.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn repaired(&self) -> io::Result<Option<String>> {
        let bytes = os::read_bounded(&self.repaired_path(), STATE_BYTES_MAX)?;
        Ok(bytes.and_then(|bytes| String::from_utf8(bytes).ok()))
    }

    /// Notes that nothing is to be activated again.
    ///
    /// # Errors
    ///
    /// The disk refuses.
    pub fn forget_repaired(&self) -> io::Result<()> {
        files::remove_if_present(&self.repaired_path())
    }

    /// The file of a release's reference.
    pub(super) fn reference_path(&self, name: &str) -> PathBuf {
        self.releases().join(format!("{name}.reference.json"))
    }

    fn repaired_path(&self) -> PathBuf {
        self.folder.join("repaired")
    }

    fn linked(&self, link: &str) -> io::Result<Option<(String, ReleaseRecord)>> {
        let Some(name) = self.link_name(link)? else { return Ok(None) };
        Ok(self.record(&name)?.map(|record| (name, record)))
    }

    fn link_name(&self, link: &str) -> io::Result<Option<String>> {
        let target = os::current_link(&self.folder.join(link))?;
        Ok(target.and_then(|target| Some(target.file_name()?.to_str()?.to_owned())))
    }

    fn releases(&self) -> PathBuf {
        self.folder.join("releases")
    }

    fn record_path(&self, name: &str) -> PathBuf {
        self.releases().join(format!("{name}.json"))
    }

    fn trial_path(&self) -> PathBuf {
        self.folder.join("trial.json")
    }
}

/// Gives the files and folders of a release the modes of its record, whatever the umask, and the group of its readers.
pub(crate) fn set_modes(folder: &Path, record: &ReleaseRecord) -> io::Result<()> {
    let readers = record.readers;
    // Those above first: the mode of a folder decides whether what is in it can be reached.
    set_file_mode(folder, readers, readers.folder_mode())?;
    for below in record.folders() {
        set_file_mode(&folder.join(below), readers, readers.folder_mode())?;
    }
    for file in &record.files {
        set_file_mode(&folder.join(&file.path), readers, file.mode)?;
    }
    Ok(())
}

/// Gives a file or folder a mode, and the group of its readers.
pub(crate) fn set_file_mode(path: &Path, readers: Readers, mode: u32) -> io::Result<()> {
    if let Some(group) = readers.group() {
        os::set_group(path, group)?;
    }
    os::set_mode(path, mode)
}
