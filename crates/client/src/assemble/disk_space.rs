//! Refuses what would fill the disk, in bytes or in files, before a byte of it is fetched.

use std::collections::BTreeSet;
use std::path::Path;

use headwater_depot::Blob;

use crate::error::Error;
use crate::limits::{FREE_BYTES_MIN, FREE_FILES_MIN};
use crate::os;
use crate::session::Context;

/// What is to be written to the disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Size {
    pub bytes: u64,
    /// Files and folders.
    pub files: u64,
}

impl Size {
    /// Of files at these paths, with the folders that they need.
    pub(crate) fn of<'a>(files: impl IntoIterator<Item = (&'a str, u64)>) -> Self {
        let (mut size, mut folders) = (Self::default(), BTreeSet::new());
        for (path, bytes) in files {
            size.bytes = size.bytes.saturating_add(bytes);
            size.files += 1;
            folders.extend(path.match_indices('/').map(|(at, _)| &path[..at]));
        }
        Self { files: size.files + folders.len() as u64, ..size }
    }

    fn plus(self, other: Self) -> Self {
        Self { bytes: self.bytes.saturating_add(other.bytes), files: self.files + other.files }
    }
}

/// Checks that blobs and files fit.
pub(crate) fn check_blobs(
    context: &Context,
    folder: &Path,
    blobs: &[Blob],
    to_write: Size,
) -> Result<(), Error> {
    let to_fetch = blobs.iter().filter(|blob| !context.store.has(&blob.digest));
    let to_fetch =
        to_fetch.fold(Size::default(), |size, blob| size.plus(Size { bytes: blob.size, files: 1 }));
    check(folder, to_fetch.plus(to_write))
}

/// Checks that it fits.
pub(crate) fn check(folder: &Path, wanted: Size) -> Result<(), Error> {
    let free = os::free_bytes(folder).map_err(Error::file("reading the free space of", folder))?;
    if !fits(wanted.bytes, free, FREE_BYTES_MIN) {
        return Err(Error::NoRoom { folder: folder.to_owned(), wanted: wanted.bytes, free });
    }
    let free = os::free_files(folder).map_err(Error::file("reading the free inodes of", folder))?;
    match free {
        Some(free) if !fits(wanted.files, free, FREE_FILES_MIN) => {
            Err(Error::NoInodes { folder: folder.to_owned(), wanted: wanted.files, free })
        }
        _ => Ok(()),
    }
}

/// Whether so much leaves enough of what is free.
fn fits(wanted: u64, free: u64, reserve: u64) -> bool {
    wanted == 0 || wanted.saturating_add(reserve) <= free
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_install_leaves_the_endpoint_its_reserve() {
        assert!(fits(10, FREE_BYTES_MIN + 10, FREE_BYTES_MIN));
        assert!(!fits(10, FREE_BYTES_MIN + 9, FREE_BYTES_MIN));
        assert!(fits(0, 0, FREE_BYTES_MIN), "what is there already takes none");
        assert!(fits(10, FREE_FILES_MIN + 10, FREE_FILES_MIN));
        assert!(!fits(10, FREE_FILES_MIN + 9, FREE_FILES_MIN));
        assert!(!fits(u64::MAX, u64::MAX - 1, FREE_BYTES_MIN));
    }

    #[test]
    fn folders_count_as_files_once_each() {
        let size = Size::of([("a", 1), ("b/c", 2), ("b/d/e", 3), ("b/d/f", u64::MAX)]);
        assert_eq!(size, Size { bytes: u64::MAX, files: 6 });
    }
}
