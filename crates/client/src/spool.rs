//! Reports that the server has not taken yet: one file each, named by run, sent in order.

use std::fs;
use std::path::{Path, PathBuf};

use headwater_api::report::Report;

use crate::error::Error;
use crate::limits::{SPOOL_BYTES_MAX, SPOOL_REPORTS_MAX};
use crate::os;

/// The spool in one folder.
#[derive(Debug, Clone)]
pub struct Spool {
    folder: PathBuf,
}

impl Spool {
    /// The spool in `folder`, which is made if it is missing.
    ///
    /// # Errors
    ///
    /// The folder cannot be made.
    pub fn open(folder: PathBuf) -> Result<Self, Error> {
        os::create_folder(&folder).map_err(Error::file("making", &folder))?;
        Ok(Self { folder })
    }

    /// Keeps a report until it was sent; the oldest give way at the limits.
    ///
    /// # Errors
    ///
    /// The disk is full or refuses.
    pub fn keep(&self, report: &Report) -> Result<(), Error> {
        let bytes = serde_json::to_vec(report)
            .map_err(|error| Error::Internal(format!("the report cannot be written as JSON: {error}")))?;
        let path = self.folder.join(format!("{:020}.json", report.run));
        os::write_atomic(&path, &bytes).map_err(Error::file("keeping the report", &path))?;
        self.trim()
    }

    /// The reports not yet sent, the oldest first.
    ///
    /// # Errors
    ///
    /// The folder cannot be read.
    pub fn waiting(&self) -> Result<Vec<PathBuf>, Error> {
        let read = || -> std::io::Result<Vec<PathBuf>> {
            let mut paths = Vec::new();
            for entry in fs::read_dir(&self.folder)? {
                let path = entry?.path();
                if path.extension().is_some_and(|extension| extension == "json") && !is_temporary(&path) {
                    paths.push(path);
                }
            }
            paths.sort_unstable();
            Ok(paths)
        };
        read().map_err(Error::file("reading", &self.folder))
    }

    /// Reads one; `None` (and it is removed) if it is no report: a disk fault must not block those behind it.
    pub fn read(&self, path: &Path) -> Option<Vec<u8>> {
        let bytes = os::read_bounded(path, SPOOL_BYTES_MAX).ok().flatten()?;
        if serde_json::from_slice::<Report>(&bytes).is_ok() {
            return Some(bytes);
        }
        let _ = self.sent(path);
        None
    }

    /// Forgets one that was sent.
    ///
    /// # Errors
    ///
    /// It cannot be removed.
    pub fn sent(&self, path: &Path) -> Result<(), Error> {
        os::remove_file(path).map_err(Error::file("removing", path))
    }

    fn trim(&self) -> Result<(), Error> {
        let waiting = self.waiting()?;
        let mut bytes = 0;
        for (kept, path) in waiting.iter().rev().enumerate() {
            bytes += fs::metadata(path).map_or(0, |found| found.len());
            if kept >= SPOOL_REPORTS_MAX || (kept > 0 && bytes > SPOOL_BYTES_MAX) {
                self.sent(path)?;
            }
        }
        Ok(())
    }
}

fn is_temporary(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(os::TEMPORARY_PREFIX))
}
