//! Removing what is there, where what is missing counts as removed.

use std::fs;
use std::io;
use std::path::Path;

use super::TEMPORARY_PREFIX;

/// Removes a file; a missing one counts as removed.
///
/// # Errors
/// The file is there and cannot be removed.
pub fn remove_if_present(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// Removes a folder and everything in it; a missing one counts as removed.
///
/// # Errors
/// It is there and cannot be removed.
pub fn remove_tree(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// Removes the temporary files and folders that a crash left in `folder` itself. A missing folder holds none.
///
/// # Errors
/// The folder cannot be listed, or an entry cannot be removed.
pub fn remove_temporaries(folder: &Path) -> io::Result<()> {
    remove_entries_but(folder, |name| !name.starts_with(TEMPORARY_PREFIX))
}

/// As [`remove_temporaries`], in `folder` and every folder below it. Links are not followed.
///
/// # Errors
/// A folder cannot be listed, or an entry cannot be removed.
pub fn remove_temporaries_below(folder: &Path) -> io::Result<()> {
    remove_temporaries(folder)?;
    each_entry(folder, |entry| {
        if entry.file_type()?.is_dir() { remove_temporaries_below(&entry.path()) } else { Ok(()) }
    })
}

/// Removes every entry of `folder`, a file or a folder with everything in it, whose name `keep` refuses. A missing folder
/// has none.
///
/// # Errors
/// The folder cannot be listed, or an entry cannot be removed.
pub fn remove_entries_but(folder: &Path, keep: impl Fn(&str) -> bool) -> io::Result<()> {
    each_entry(folder, |entry| {
        if keep(&entry.file_name().to_string_lossy()) {
            Ok(())
        } else if entry.file_type()?.is_dir() {
            remove_tree(&entry.path())
        } else {
            remove_if_present(&entry.path())
        }
    })
}

/// Removes every file at any depth below `root/below` whose path `keep` refuses. `keep` gets the path relative to `root`,
/// with `/`. Folders stay.
///
/// # Errors
/// A folder cannot be listed, or a file cannot be removed.
pub fn remove_files_but(root: &Path, below: &str, keep: &dyn Fn(&str) -> bool) -> io::Result<()> {
    each_entry(&root.join(below), |entry| {
        let path = format!("{below}/{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            remove_files_but(root, &path, keep)
        } else if keep(&path) {
            Ok(())
        } else {
            remove_if_present(&entry.path())
        }
    })
}

fn each_entry(folder: &Path, mut act: impl FnMut(fs::DirEntry) -> io::Result<()>) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        act(entry?)?;
    }
    Ok(())
}
