//! Refuses what would fill the disk, before a byte of it is fetched.

use std::path::Path;

use headwater_depot::Blob;

use crate::error::Error;
use crate::limits::FREE_BYTES_MIN;
use crate::os;
use crate::session::Context;

/// Checks that blobs and files fit.
pub(crate) fn check_blobs(
    context: &Context,
    folder: &Path,
    blobs: &[Blob],
    to_write: u64,
) -> Result<(), Error> {
    let to_fetch: u64 =
        blobs.iter().filter(|blob| !context.store.has(&blob.digest)).map(|blob| blob.size).sum();
    check(folder, to_fetch.saturating_add(to_write))
}

/// Checks that `wanted` bytes fit.
pub(crate) fn check(folder: &Path, wanted: u64) -> Result<(), Error> {
    let free = os::free_bytes(folder).map_err(Error::file("reading the free space of", folder))?;
    if !fits(wanted, free) {
        return Err(Error::NoRoom { folder: folder.to_owned(), wanted, free });
    }
    Ok(())
}

/// Whether so many bytes leave enough of what is free.
fn fits(wanted: u64, free: u64) -> bool {
    wanted == 0 || wanted.saturating_add(FREE_BYTES_MIN) <= free
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_install_leaves_the_endpoint_its_reserve() {
        assert!(fits(10, FREE_BYTES_MIN + 10));
        assert!(!fits(10, FREE_BYTES_MIN + 9));
        assert!(fits(0, 0), "what is there already takes none");
        assert!(!fits(u64::MAX, u64::MAX - 1));
    }
}
