//! What an update agent serves: `served/REPOSITORY/{metadata,targets,blobs}/`, the same layout as the server's.
//!
//! Everything but `timestamp.json` is named by version or digest and never changes. So new content is written beside the
//! old, and replacing `timestamp.json` is the one step that switches. Files of the former content stay until the next
//! switch, so that a client that is fetching it can finish.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use headwater_depot::files::{self, FileAccess, NewFile};
use headwater_policy::Repository;
use headwater_repo::{Digest, layout};

/// What an update agent serves.
#[derive(Debug, Clone)]
pub struct ServedTree {
    root: PathBuf,
}

/// The list of files of the current content. It lies beside the served folders, so it is never served.
const CURRENT: &str = "current.json";

/// The blob that was verified last; beside the served folders, too.
const SCRUBBED: &str = "scrubbed";

impl ServedTree {
    /// The served tree in `root`; creates nothing.
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// The folder of a repository, as a source of the static layout.
    pub fn folder(&self, repository: impl Into<Repository>) -> PathBuf {
        self.root.join(repository.into().as_str())
    }

    /// Version of the signed content that is served of a repository; `None` if none is whole.
    pub fn version(&self, repository: impl Into<Repository>) -> Option<u64> {
        Some(self.current(repository.into())?.version)
    }

    /// Bytes held for all repositories.
    pub fn bytes_held(&self) -> u64 {
        Repository::ALL.into_iter().map(|repository| self.bytes_held_of(repository)).sum()
    }

    /// Bytes held of one repository.
    pub fn bytes_held_of(&self, repository: impl Into<Repository>) -> u64 {
        bytes_below(&self.folder(repository))
    }

    /// Removes what is held of a repository.
    ///
    /// # Errors
    ///
    /// Something cannot be removed.
    pub fn remove(&self, repository: impl Into<Repository>) -> io::Result<()> {
        let folder = self.folder(repository);
        // First what makes it a source, so that no client finds half of it.
        for first in [folder.join(layout::TIMESTAMP), folder.join(CURRENT)] {
            files::remove_if_present(&first)?;
        }
        files::remove_tree(&folder)
    }

    /// Whether a file is in the tree.
    pub fn has(&self, repository: impl Into<Repository>, path: &str) -> bool {
        self.folder(repository).join(path).is_file()
    }

    /// Bytes of a file in the tree; `None` if it is not there.
    pub(crate) fn size(&self, repository: Repository, path: &str) -> Option<u64> {
        let found = fs::metadata(self.folder(repository).join(path)).ok()?;
        found.is_file().then_some(found.len())
    }

    /// Opens a file in the tree.
    pub(crate) fn open(&self, repository: Repository, path: &str) -> io::Result<File> {
        File::open(self.folder(repository).join(path))
    }

    /// Removes a file from the tree.
    pub(crate) fn remove_file(&self, repository: Repository, path: &str) -> io::Result<()> {
        files::remove_if_present(&self.folder(repository).join(path))
    }

    /// The blob that was verified last.
    pub(crate) fn scrubbed(&self, repository: Repository) -> Option<Digest> {
        fs::read_to_string(self.folder(repository).join(SCRUBBED)).ok()?.parse().ok()
    }

    /// Stores which blob was verified last.
    pub(crate) fn set_scrubbed(&self, repository: Repository, last: &Digest) -> io::Result<()> {
        self.put_bytes(repository, SCRUBBED, last.to_string().as_bytes())
    }

    /// Adds a file that never changes, unless it is there: a hard link to `from` if the file system allows it, so that
    /// nothing is stored twice, otherwise a copy.
    pub(crate) fn put_file(&self, repository: Repository, path: &str, from: &Path) -> io::Result<()> {
        let target = self.prepare(repository, path)?;
        if target.is_file() {
            return Ok(());
        }
        match fs::hard_link(from, &target) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(_) => {
                let mut new = NewFile::create(&target, FileAccess::Umask)?;
                io::copy(&mut File::open(from)?, &mut new)?;
                return new.commit();
            }
        }
        files::sync_folder(files::folder_of(&target))
    }

    /// Writes a file whole or not at all.
    pub(crate) fn put_bytes(&self, repository: Repository, path: &str, bytes: &[u8]) -> io::Result<()> {
        let target = self.prepare(repository, path)?;
        files::replace(&target, bytes, FileAccess::Umask)
    }

    /// Switches to the content that consists of `files`, and removes what neither it nor the former content needs.
    pub(crate) fn switch(
        &self,
        repository: Repository,
        version: u64,
        files: BTreeSet<String>,
        timestamp: &[u8],
    ) -> io::Result<()> {
        let before = self.current(repository).map(|current| current.files).unwrap_or_default();
        self.put_bytes(repository, layout::TIMESTAMP, timestamp)?;
        let kept: BTreeSet<&str> = files.iter().chain(&before).map(String::as_str).collect();
        let folder = self.folder(repository);
        let current = CurrentContent { version, files: files.clone() };
        let bytes = serde_json::to_vec(&current).map_err(io::Error::other)?;
        files::replace(&folder.join(CURRENT), &bytes, FileAccess::Umask)?;
        files::remove_temporaries(&folder)?;
        for below in [layout::METADATA_FOLDER, layout::TARGETS_FOLDER, layout::BLOBS_FOLDER] {
            files::remove_files_but(&folder, below, &|path| {
                path == layout::TIMESTAMP || kept.contains(path)
            })?;
        }
        Ok(())
    }

    fn current(&self, repository: Repository) -> Option<CurrentContent> {
        let bytes = fs::read(self.folder(repository).join(CURRENT)).ok()?;
        serde_json::from_slice(&bytes).ok()
    }

    fn prepare(&self, repository: Repository, path: &str) -> io::Result<PathBuf> {
        let target = self.folder(repository).join(path);
        if let Some(above) = target.parent() {
            fs::create_dir_all(above)?;
        }
        Ok(target)
    }
}

#[derive(serde::Serialize, serde::Deserialize)]
struct CurrentContent {
    version: u64,
    files: BTreeSet<String>,
}

fn bytes_below(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(found) if found.is_dir() => bytes_below(&entry.path()),
            Ok(found) => found.len(),
            Err(_) => 0,
        })
        .sum()
}
