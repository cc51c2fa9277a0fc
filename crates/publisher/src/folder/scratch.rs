//! Where a run writes bodies before they have their names: a folder of its own beside them, which goes with the run.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::{Error, Result};

/// How the names of these folders begin.
const PREFIX: &str = ".work-";

/// A folder that is this run's alone, as long as this lives.
#[derive(Debug)]
pub struct Scratch {
    folder: TempDir,
    _lock: File,
}

impl Scratch {
    /// Makes one below `root`, and removes those of runs that were killed: nobody holds their locks. The caller holds the
    /// repository's lock.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn make(root: &Path) -> Result<Self> {
        let clear = |path: PathBuf| -> io::Result<()> {
            let folder = File::open(&path)?;
            if folder.try_lock().is_ok() { fs::remove_dir_all(&path) } else { Ok(()) }
        };
        for entry in fs::read_dir(root).map_err(Error::file("list", root))? {
            let entry = entry.map_err(Error::file("list", root))?;
            if entry.file_name().to_string_lossy().starts_with(PREFIX) && entry.path().is_dir() {
                clear(entry.path()).map_err(Error::file("remove", &entry.path()))?;
            }
        }
        let made = tempfile::Builder::new().prefix(PREFIX).tempdir_in(root);
        let folder = made.map_err(Error::file("write into", root))?;
        let lock = File::open(folder.path()).and_then(|file| file.lock().map(|()| file));
        let lock = lock.map_err(Error::file("lock", folder.path()))?;
        Ok(Self { folder, _lock: lock })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}
