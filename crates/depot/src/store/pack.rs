//! From a file that is here to its stored body, without fetching it: packing gives the same bytes everywhere.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use headwater_delta::limits::LEVEL_DEFAULT;
use headwater_delta::{EncodeError, encode};
use headwater_repo::FileEntry;

use super::Store;
use crate::store_error::{StoreError, disk};

impl Store {
    /// Packs the file at `path` and keeps the body, if it is the one that was signed for `entry`. Returns whether it is: a
    /// publisher may have packed otherwise, and the file may have been changed. Blocks: it reads, compresses and writes.
    ///
    /// # Errors
    /// The store's disk or quota; a file that cannot be read is only not the right one.
    pub fn pack(&self, path: &Path, entry: &FileEntry) -> Result<bool, StoreError> {
        // Asked before it is opened: a pipe in its place would be waited for.
        if !fs::metadata(path).is_ok_and(|found| found.is_file() && found.len() == entry.size) {
            return Ok(false);
        }
        let Ok(file) = File::open(path) else { return Ok(false) };
        let mut writer = self.write(0)?;
        let body = match encode(io::BufReader::new(file), entry.size, LEVEL_DEFAULT, &mut writer) {
            Ok((body, _)) => body,
            Err(EncodeError::Io(error)) => match error.downcast::<StoreError>() {
                Ok(error) => return Err(error),
                Err(error) => return Err(disk("pack", path)(error)),
            },
            Err(EncodeError::SizeChanged { .. } | EncodeError::Level(_)) => return Ok(false),
        };
        if body.sha256 != *entry.body.sha256.as_bytes() {
            return Ok(false);
        }
        writer.finish(Some(entry.body.sha256)).map(|_| true)
    }
}
