//! Objects of a repository at rest: bodies, targets and metadata by their path, wherever the bytes lie.
//!
//! [`ObjectStore`] is the seam: publishers and garbage collection use these calls only, so that a repository can lie
//! elsewhere than in a folder. [`FolderStore`] is the folder. A path is relative, with `/`, as
//! [`layout`](headwater_repo::layout) gives it. Calls block.
//!
//! What it leaves to others: keeping two writers of one repository apart, and verifying what is read.

use std::fmt::Debug;
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::files::{self, Access, TEMPORARY_PREFIX};
use crate::store::{StoreError, disk};

/// Objects by path.
pub trait ObjectStore: Debug + Send + Sync {
    /// Stores an object under a path that is new, durably. `false` if there is an object: that one stays, and so does a file
    /// that was to become it.
    ///
    /// # Errors
    /// The storage refuses; nothing is stored then.
    fn put_new(&self, path: &str, content: Content<'_>) -> Result<bool, StoreError>;

    /// Stores an object in place of any other, durably. Readers see the old one or the new one, whole.
    ///
    /// # Errors
    /// The storage refuses; the old object stays.
    fn replace(&self, path: &str, bytes: &[u8]) -> Result<(), StoreError>;

    /// Reads an object, or as much of `range` as it has. `None` if there is no such object.
    ///
    /// # Errors
    /// The storage refuses.
    fn get(&self, path: &str, range: Option<Range<u64>>) -> Result<Option<Vec<u8>>, StoreError>;

    /// The bytes that an object has. `None` if there is no such object.
    ///
    /// # Errors
    /// The storage refuses.
    fn size(&self, path: &str) -> Result<Option<u64>, StoreError>;

    /// All objects whose path begins with `prefix`, which ends in `/` or is empty; by path.
    ///
    /// # Errors
    /// The storage refuses.
    fn list(&self, prefix: &str) -> Result<Vec<ObjectInfo>, StoreError>;

    /// Removes an object. `false` if there is no such object.
    ///
    /// # Errors
    /// The storage refuses.
    fn delete(&self, path: &str) -> Result<bool, StoreError>;
}

/// What becomes an object.
#[derive(Debug, Clone, Copy)]
pub enum Content<'a> {
    /// These bytes.
    Bytes(&'a [u8]),
    /// A file, complete and synced to the disk, which is used up if it becomes the object.
    File(&'a Path),
}

/// An object that there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectInfo {
    /// Its path.
    pub path: String,
    /// Its bytes.
    pub size: u64,
    /// When it was stored.
    pub modified: SystemTime,
}

/// Objects as files of a folder: what a web server can serve as it is.
#[derive(Debug, Clone)]
pub struct FolderStore {
    root: PathBuf,
    access: Access,
}

impl FolderStore {
    /// The objects in `root`; folders are made as they are needed. `access`: who may read a new file.
    pub fn new(root: impl Into<PathBuf>, access: Access) -> Self {
        Self { root: root.into(), access }
    }

    /// The file of an object, whether it is there or not.
    #[must_use]
    pub fn path(&self, object: &str) -> PathBuf {
        self.root.join(object)
    }

    fn make_folder_of(path: &Path) -> Result<(), StoreError> {
        let folder = files::folder_of(path);
        if folder.is_dir() {
            return Ok(());
        }
        fs::create_dir_all(folder).map_err(disk("make folder", folder))?;
        let above = files::folder_of(folder);
        files::sync_folder(above).map_err(disk("sync", above))
    }

    fn list_below(&self, folder: &Path, found: &mut Vec<ObjectInfo>) -> Result<(), StoreError> {
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(disk("list", folder)(error)),
        };
        for entry in entries {
            let entry = entry.map_err(disk("list", folder))?;
            let path = entry.path();
            if entry.file_name().to_string_lossy().starts_with(TEMPORARY_PREFIX) {
                continue;
            }
            let metadata = match entry.metadata() {
                Ok(metadata) => metadata,
                // Removed since the folder was listed.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(disk("look at", &path)(error)),
            };
            if metadata.is_dir() {
                self.list_below(&path, found)?;
            } else if metadata.is_file() {
                let below = path.strip_prefix(&self.root).expect("it was found below the root");
                found.push(ObjectInfo {
                    path: below.to_string_lossy().into_owned(),
                    size: metadata.len(),
                    modified: metadata.modified().map_err(disk("look at", &path))?,
                });
            }
        }
        Ok(())
    }
}

impl ObjectStore for FolderStore {
    fn put_new(&self, path: &str, content: Content<'_>) -> Result<bool, StoreError> {
        let path = self.path(path);
        if path.exists() {
            return Ok(false);
        }
        Self::make_folder_of(&path)?;
        match content {
            Content::Bytes(bytes) => {
                files::replace(&path, bytes, self.access).map_err(disk("write", &path))?;
            }
            Content::File(file) => {
                fs::rename(file, &path).map_err(disk("name", &path))?;
                let folder = files::folder_of(&path);
                files::sync_folder(folder).map_err(disk("sync", folder))?;
            }
        }
        Ok(true)
    }

    fn replace(&self, path: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let path = self.path(path);
        Self::make_folder_of(&path)?;
        files::replace(&path, bytes, self.access).map_err(disk("write", &path))
    }

    fn get(&self, path: &str, range: Option<Range<u64>>) -> Result<Option<Vec<u8>>, StoreError> {
        let path = self.path(path);
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(disk("read", &path)(error)),
        };
        let mut bytes = Vec::new();
        let read = match range {
            None => file.read_to_end(&mut bytes),
            Some(range) => file
                .seek(SeekFrom::Start(range.start))
                .and_then(|_| file.take(range.end.saturating_sub(range.start)).read_to_end(&mut bytes)),
        };
        read.map_err(disk("read", &path))?;
        Ok(Some(bytes))
    }

    fn size(&self, path: &str) -> Result<Option<u64>, StoreError> {
        let path = self.path(path);
        match fs::metadata(&path) {
            Ok(found) => Ok(found.is_file().then_some(found.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(disk("look at", &path)(error)),
        }
    }

    fn list(&self, prefix: &str) -> Result<Vec<ObjectInfo>, StoreError> {
        let mut found = Vec::new();
        self.list_below(&self.path(prefix), &mut found)?;
        found.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(found)
    }

    fn delete(&self, path: &str) -> Result<bool, StoreError> {
        let path = self.path(path);
        match fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(disk("remove", &path)(error)),
        }
    }
}
