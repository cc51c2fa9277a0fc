//! The file operations of a store, with the store's error.

use std::path::Path;

use crate::files;
use crate::store_error::{StoreError, disk};

/// Makes a folder's entries durable.
pub(crate) fn sync_folder(folder: &Path) -> Result<(), StoreError> {
    files::sync_folder(folder).map_err(disk("sync", folder))
}

/// Removes a file; a missing one counts as removed.
pub(crate) fn remove_if_present(path: &Path) -> Result<(), StoreError> {
    files::remove_if_present(path).map_err(disk("remove", path))
}
