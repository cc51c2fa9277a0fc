//! Reports that the server does not have yet: one file each, named by number, sent in order.
//!
//! Numbers have no gap: 1, 2, 3, … A report that is removed at the limits, or dropped on its way, is a gap at the server
//! (I3). A report is written before its number is counted. If the client is killed between the two, the next number
//! follows the highest report in the folder.

use std::fs;
use std::io::{Seek as _, Write as _};
use std::path::{Path, PathBuf};

use headwater_api::report::Report;
use headwater_depot::files::{self, FileAccess};

use crate::error::Error;
use crate::limits::{NUMBER_FILE_BYTES_MAX, SPOOL_BYTES_MAX, SPOOL_REPORTS_MAX};
use crate::os;

/// The file with the number of reports made.
const MADE: &str = "made";

/// The spool in one folder.
#[derive(Debug, Clone)]
pub struct Spool {
    folder: PathBuf,
}

impl Spool {
    /// The spool in `folder`, which is created if missing.
    ///
    /// # Errors
    ///
    /// The folder cannot be created.
    pub fn open(folder: PathBuf) -> Result<Self, Error> {
        os::create_folder(&folder).map_err(Error::file("creating", &folder))?;
        Ok(Self { folder })
    }

    /// The number of reports made, which is the number of the newest.
    ///
    /// # Errors
    ///
    /// The folder cannot be read.
    pub fn made(&self) -> Result<u64, Error> {
        let path = self.folder.join(MADE);
        let counted =
            os::read_bounded(&path, NUMBER_FILE_BYTES_MAX).map_err(Error::file("reading", &path))?;
        let counted =
            counted.and_then(|bytes| String::from_utf8_lossy(&bytes).trim().parse().ok()).unwrap_or(0);
        let highest = self.waiting()?.last().map_or(0, |path| number(path));
        Ok(counted.max(highest))
    }

    /// Stores a report until it is sent; the oldest are removed at the limits. Returns its number.
    ///
    /// # Errors
    ///
    /// The disk is full or refuses.
    pub fn keep(&self, report: &Report) -> Result<u64, Error> {
        let bytes = serde_json::to_vec(report)
            .map_err(|error| Error::Internal(format!("cannot write the report as JSON: {error}")))?;
        let number = self.made()? + 1;
        let path = self.file(number);
        files::replace(&path, &bytes, FileAccess::Owner).map_err(Error::file("writing the report", &path))?;
        self.count(number)?;
        self.trim()?;
        Ok(number)
    }

    /// The number of a report that cannot be stored. The counter is overwritten in place, which needs no disk space.
    pub fn number_unkept(&self) -> Option<u64> {
        let number = self.made().ok()? + 1;
        self.count(number).ok()?;
        Some(number)
    }

    /// The reports that wait, the oldest first.
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

    /// Reads a report, with its number. A file that is no report is removed (`None`): a disk fault must not block the
    /// reports behind it.
    pub fn read(&self, path: &Path) -> Option<(u64, Vec<u8>)> {
        let bytes = os::read_bounded(path, SPOOL_BYTES_MAX).ok().flatten()?;
        if serde_json::from_slice::<Report>(&bytes).is_ok() {
            return Some((number(path), bytes));
        }
        let _ = self.remove(path);
        None
    }

    /// Removes a report that was sent.
    ///
    /// # Errors
    ///
    /// It cannot be removed.
    pub fn remove(&self, path: &Path) -> Result<(), Error> {
        files::remove_if_present(path).map_err(Error::file("removing", path))
    }

    /// Renumbers the waiting reports to follow `taken`, the last number that the server has: a client that enrols again
    /// continues where the server is.
    ///
    /// # Errors
    ///
    /// A file cannot be renamed, or the counter not written.
    pub fn renumber(&self, taken: u64) -> Result<(), Error> {
        let waiting = self.waiting()?;
        let renamed = |path: &PathBuf, number: u64| -> Result<(), Error> {
            fs::rename(path, self.file(number)).map_err(Error::file("numbering", path))
        };
        let numbered = waiting.iter().zip(taken + 1..);
        let (up, down): (Vec<_>, Vec<_>) = numbered.partition(|(path, wanted)| number(path) < *wanted);
        // In this order no report is renamed to a number that another one still has.
        for (path, number) in up.into_iter().rev().chain(down) {
            renamed(path, number)?;
        }
        self.count(taken + waiting.len() as u64)
    }

    fn file(&self, number: u64) -> PathBuf {
        self.folder.join(format!("{number:020}.json"))
    }

    /// Overwrites the counter in place; its length never changes.
    fn count(&self, number: u64) -> Result<(), Error> {
        let path = self.folder.join(MADE);
        let line = format!("{number:020}\n");
        let write = || -> std::io::Result<()> {
            let mut file = fs::OpenOptions::new().write(true).create(true).truncate(false).open(&path)?;
            file.rewind()?;
            file.write_all(line.as_bytes())?;
            file.sync_data()
        };
        write().map_err(Error::file("writing the report counter", &path))
    }

    fn trim(&self) -> Result<(), Error> {
        let waiting = self.waiting()?;
        let mut bytes = 0;
        for (kept, path) in waiting.iter().rev().enumerate() {
            bytes += fs::metadata(path).map_or(0, |found| found.len());
            if kept >= SPOOL_REPORTS_MAX || (kept > 0 && bytes > SPOOL_BYTES_MAX) {
                self.remove(path)?;
            }
        }
        Ok(())
    }
}

/// The number in a report's file name; 0 where there is none.
fn number(path: &Path) -> u64 {
    path.file_stem().and_then(|stem| stem.to_str()?.parse().ok()).unwrap_or(0)
}

fn is_temporary(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(files::TEMPORARY_PREFIX))
}
