//! Putting files on the disk so that a crash leaves the old or the new.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use super::{StoreError, disk};

/// Makes a folder's entries durable.
pub(crate) fn sync_folder(folder: &Path) -> Result<(), StoreError> {
    // Windows has no such call and needs none: its renames are journalled.
    if cfg!(unix) {
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(disk("sync", folder))?;
    }
    Ok(())
}

/// Removes a file; one that is not there is as good as removed.
pub(crate) fn remove_if_there(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(disk("remove", path)(error)),
        _ => Ok(()),
    }
}

/// Replaces `path` by `bytes` in one step: a crash leaves the old file or the new one, and when this returns the
/// new one is durable. Two writers of one path need a lock of their own.
pub fn replace_file(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let folder = path.parent().expect("a file to replace has a folder");
    let name = path.file_name().expect("a file to replace has a name").to_string_lossy();
    let new = folder.join(format!(".{name}.new"));
    let written = File::create(&new).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    if let Err(error) = written {
        // Best effort: the error that counts is the first.
        let _ = fs::remove_file(&new);
        return Err(disk("write", &new)(error));
    }
    fs::rename(&new, path).map_err(disk("replace", path))?;
    sync_folder(folder)
}
