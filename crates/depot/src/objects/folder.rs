//! Objects as files of a folder.

use std::collections::BTreeSet;
use std::fs::{self, File, Metadata};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::{ObjectContent, ObjectInfo, ObjectStore, OpenObject, Stamp};
use crate::at_once::at_once;
use crate::files::{self, FileAccess, TEMPORARY_PREFIX};
use crate::store_error::{StoreError, disk};

/// Objects as files of a folder: what a web server can serve as it is.
#[derive(Debug, Clone)]
pub struct FolderStore {
    root: PathBuf,
    access: FileAccess,
    /// Nothing is opened through a link that leads out of the folder.
    is_confined: bool,
}

impl FolderStore {
    /// The objects in `root`; folders are made as they are needed. `access`: who may read a new file.
    pub fn new(root: impl Into<PathBuf>, access: FileAccess) -> Self {
        Self { root: root.into(), access, is_confined: false }
    }

    /// As [`Self::new`], for a folder that is served: no object is opened through a link that leads out of it.
    pub fn confined(root: impl Into<PathBuf>, access: FileAccess) -> Self {
        Self { is_confined: true, ..Self::new(root, access) }
    }

    /// The file of an object, whether it is there or not.
    #[must_use]
    pub fn path(&self, object: &str) -> PathBuf {
        self.root.join(object)
    }

    /// The file of an object, if it may be opened.
    fn readable(&self, object: &str) -> io::Result<Option<PathBuf>> {
        let path = self.path(object);
        if !self.is_confined {
            return Ok(Some(path));
        }
        let (real, root) = (path.canonicalize()?, self.root.canonicalize()?);
        Ok(real.starts_with(&root).then_some(real))
    }

    fn open_file(&self, object: &str) -> io::Result<Option<(File, Metadata)>> {
        let Some(path) = self.readable(object)? else { return Ok(None) };
        // Asked before it is opened: a pipe in its place would be waited for.
        if !fs::metadata(&path)?.is_file() {
            return Ok(None);
        }
        let file = File::open(&path)?;
        let metadata = file.metadata()?;
        Ok(Some((file, metadata)))
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
    fn put_new(&self, path: &str, content: ObjectContent<'_>) -> Result<bool, StoreError> {
        let path = self.path(path);
        if path.exists() {
            return Ok(false);
        }
        Self::make_folder_of(&path)?;
        match content {
            ObjectContent::Bytes(bytes) => {
                files::replace(&path, bytes, self.access).map_err(disk("write", &path))?;
            }
            ObjectContent::File(file) => {
                fs::rename(file, &path).map_err(disk("name", &path))?;
                let folder = files::folder_of(&path);
                files::sync_folder(folder).map_err(disk("sync", folder))?;
            }
        }
        Ok(true)
    }

    fn put_new_files(&self, files: &[(String, PathBuf)]) -> Result<(), StoreError> {
        let mut folders = BTreeSet::new();
        for (object, file) in files {
            let path = self.path(object);
            if path.exists() {
                continue;
            }
            Self::make_folder_of(&path)?;
            fs::rename(file, &path).map_err(disk("name", &path))?;
            folders.insert(files::folder_of(&path).to_owned());
        }
        let folders: Vec<&Path> = folders.iter().map(PathBuf::as_path).collect();
        at_once(&folders, |folder| files::sync_folder(folder).map_err(disk("sync", folder)))
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

    fn open(&self, path: &str) -> Result<Option<OpenObject>, StoreError> {
        match self.open_file(path) {
            Ok(opened) => {
                Ok(opened.map(|(file, metadata)| OpenObject { size: metadata.len(), reader: Box::new(file) }))
            }
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(disk("open", &self.path(path))(error)),
        }
    }

    fn stamp(&self, path: &str) -> Result<Option<Stamp>, StoreError> {
        let path = self.path(path);
        match fs::metadata(&path) {
            Ok(found) => Ok(found.is_file().then(|| stamp_of(&found))),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(disk("look at", &path)(error)),
        }
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
    fn location(&self, path: &str) -> String {
        self.path(path).display().to_string()
    }

    fn file(&self, path: &str) -> Option<PathBuf> {
        Some(self.path(path))
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::InvalidFilename
    )
}

/// Which file it is, its size and times: a file that is replaced is another one.
fn stamp_of(metadata: &Metadata) -> Stamp {
    let modified = metadata.modified().ok();
    #[cfg(unix)]
    let which = {
        use std::os::unix::fs::MetadataExt;
        (metadata.dev(), metadata.ino(), metadata.ctime(), metadata.ctime_nsec())
    };
    #[cfg(not(unix))]
    let which = ();
    Stamp { size: metadata.len(), tag: format!("{which:?} {modified:?}") }
}
