//! A slot: the folder of one name, where its releases lie side by side and one link says which is current.
//!
//! ```text
//! NAME/releases/SEQ-DIGEST/        a release, whole: made beside the others, synced, then renamed here
//! NAME/releases/SEQ-DIGEST.json    what it is (its record)
//! NAME/current                     -> releases/SEQ-DIGEST, switched by one rename
//! NAME/previous                    -> the release to go back to
//! NAME/trial.json                  while a release is judged: there is one, and `current` names it or is about to
//! ```
//!
//! Order, so that a crash or power loss at any instant leaves the old or the new release whole: files, their
//! folders, fsync, record, rename, fsync, trial, link, fsync. What a crash leaves behind is removed by
//! [`Slot::clean`]. This module decides nothing.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use headwater_repo::{Digest, Sequence};
use serde::{Deserialize, Serialize};

use crate::limits::STATE_BYTES_MAX;
use crate::os;

/// What a release in a slot is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Its sequence.
    pub sequence: Sequence,
    /// Its version, as published.
    pub version: String,
    /// Which release it is: the identity of its signed manifest, or the digest of its signed document.
    pub manifest: Digest,
    /// Its files.
    pub files: Vec<RecordFile>,
    /// The command that puts it in force, run in its folder.
    #[serde(default)]
    pub install: Option<CommandRecord>,
    /// The command that judges it, run in its folder.
    #[serde(default)]
    pub probe: Option<CommandRecord>,
    /// The domain document, for the slot of the settings.
    #[serde(default)]
    pub document: Option<serde_json::Value>,
}

/// One file of a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordFile {
    /// Where it lies in the release's folder.
    pub path: String,
    /// Digest of its content.
    pub sha256: Digest,
    /// Bytes of its content.
    pub size: u64,
}

/// A command with its time limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandRecord {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Seconds it may take.
    pub timeout_seconds: u64,
}

impl Record {
    /// The name of its folder.
    pub fn folder_name(&self) -> String {
        let digest = self.manifest.to_string();
        format!("{}-{}", self.sequence, &digest[..12])
    }
}

/// A judgement that is going on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trial {
    /// Folder name of the release that is judged.
    pub release: String,
    /// Folder name of the release to go back to; `None`: there was none.
    pub previous: Option<String>,
    /// How often judging it was begun.
    pub starts: u32,
}

/// The folder of one name.
#[derive(Debug, Clone)]
pub struct Slot {
    folder: PathBuf,
}

impl Slot {
    /// The slot in `folder`; nothing is made yet.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The slot's folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The link that names the current release.
    pub fn current(&self) -> PathBuf {
        self.folder.join("current")
    }

    /// The folder of a release.
    pub fn release_folder(&self, name: &str) -> PathBuf {
        self.releases().join(name)
    }

    /// Folder name and record of the current release; `None` if there is none that is whole.
    ///
    /// # Errors
    ///
    /// The link or the record cannot be read.
    pub fn installed(&self) -> io::Result<Option<(String, Record)>> {
        self.linked("current")
    }

    /// Folder name and record of the release to go back to.
    ///
    /// # Errors
    ///
    /// As [`Slot::installed`].
    pub fn previous(&self) -> io::Result<Option<(String, Record)>> {
        self.linked("previous")
    }

    /// The record of a release, if the release is there whole.
    ///
    /// # Errors
    ///
    /// The record cannot be read.
    pub fn record(&self, name: &str) -> io::Result<Option<Record>> {
        if !self.release_folder(name).is_dir() {
            return Ok(None);
        }
        let bytes = os::read_bounded(&self.record_path(name), STATE_BYTES_MAX)?;
        Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    /// Makes the folder in which a release is assembled, empty.
    ///
    /// # Errors
    ///
    /// The disk is full or refuses.
    pub fn begin(&self, record: &Record) -> io::Result<PathBuf> {
        os::create_folder(&self.releases())?;
        let assembling = os::temporary_beside(&self.release_folder(&record.folder_name()));
        os::remove_tree(&assembling)?;
        fs::create_dir(&assembling)?;
        Ok(assembling)
    }

    /// Makes an assembled release durable and gives it its name. `current` is untouched.
    ///
    /// # Errors
    ///
    /// The disk is full or refuses; the release is then not there.
    pub fn finish(&self, assembling: &Path, record: &Record) -> io::Result<String> {
        os::sync_tree(assembling)?;
        let name = record.folder_name();
        let bytes = serde_json::to_vec(record).map_err(io::Error::other)?;
        let folder = self.release_folder(&name);
        os::remove_tree(&folder)?;
        os::write_atomic(&self.record_path(&name), &bytes)?;
        fs::rename(assembling, &folder)?;
        os::sync_folder(&self.releases())?;
        Ok(name)
    }

    /// Begins to judge a release: notes it, then makes it current.
    ///
    /// # Errors
    ///
    /// The disk is full or refuses; `current` is then as before.
    pub fn switch(&self, trial: &Trial) -> io::Result<()> {
        self.note_trial(trial)?;
        os::switch_link(&self.current(), &Path::new("releases").join(&trial.release))
    }

    /// Notes a judgement.
    ///
    /// # Errors
    ///
    /// The disk is full or refuses.
    pub fn note_trial(&self, trial: &Trial) -> io::Result<()> {
        let bytes = serde_json::to_vec(trial).map_err(io::Error::other)?;
        os::write_atomic(&self.trial_path(), &bytes)
    }

    /// The judgement that is going on or was cut short.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    pub fn trial(&self) -> io::Result<Option<Trial>> {
        let bytes = os::read_bounded(&self.trial_path(), STATE_BYTES_MAX)?;
        Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    /// Keeps the release that was judged.
    ///
    /// # Errors
    ///
    /// The disk refuses; judging it again is then harmless.
    pub fn keep(&self, trial: &Trial) -> io::Result<()> {
        if let Some(previous) = trial.previous.as_ref().filter(|previous| **previous != trial.release) {
            os::switch_link(&self.folder.join("previous"), &Path::new("releases").join(previous))?;
        }
        os::remove_file(&self.trial_path())?;
        os::sync_folder(&self.folder)
    }

    /// Puts the link back to the last good release; without one, takes the link away.
    ///
    /// # Errors
    ///
    /// The disk refuses; the judgement is then still noted, and going back is tried again.
    pub fn go_back(&self, trial: &Trial) -> io::Result<()> {
        match &trial.previous {
            Some(previous) => os::switch_link(&self.current(), &Path::new("releases").join(previous))?,
            None => {
                os::remove_file(&self.current())?;
                os::sync_folder(&self.folder)?;
            }
        }
        os::remove_file(&self.trial_path())?;
        os::sync_folder(&self.folder)
    }

    /// Removes what a crash left behind, and every release that is neither current, nor the one to go back to,
    /// nor on trial.
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
        os::remove_temporaries(&self.folder)?;
        os::remove_but(&self.releases(), |name| {
            kept.iter().any(|kept| name == kept || name.strip_suffix(".json") == Some(kept))
        })
    }

    fn linked(&self, link: &str) -> io::Result<Option<(String, Record)>> {
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
