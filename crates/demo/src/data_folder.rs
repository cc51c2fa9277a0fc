//! The folder of the demo: a temporary one, or the one that the caller names.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::error::{Error, Result};

/// The folder; a temporary one is removed when this is dropped.
#[derive(Debug)]
pub struct DemoFolder {
    path: PathBuf,
    _temporary: Option<TempDir>,
}

impl DemoFolder {
    /// Creates it; a named one must be empty or missing.
    pub fn create(wanted: Option<&Path>) -> Result<Self> {
        let Some(path) = wanted else {
            let folder = tempfile::Builder::new().prefix("headwater-demo-").tempdir();
            let folder =
                folder.map_err(|error| Error::file("make a folder in", &std::env::temp_dir(), &error))?;
            return Ok(Self { path: folder.path().to_owned(), _temporary: Some(folder) });
        };
        fs::create_dir_all(path).map_err(|error| Error::file("make", path, &error))?;
        let mut entries = fs::read_dir(path).map_err(|error| Error::file("read", path, &error))?;
        if entries.next().is_some() {
            return Err(Error::bad_input(format!("the folder {} is not empty", path.display()))
                .with_hint("give --data a new folder, or leave it out"));
        }
        let path = path.canonicalize().map_err(|error| Error::file("read", path, &error))?;
        Ok(Self { path, _temporary: None })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}
