//! The id of the client that owns a data folder. It is written once, beside the state, so that no later call without
//! `--id` (or after a change of the host's name) becomes another client for the server.

use headwater_depot::files::{self, Access};
use headwater_policy::ClientId;

use crate::data::folder::DataFolder;
use crate::error::Error;
use crate::limits::ID_FILE_BYTES_MAX;
use crate::os;

/// The id in a data folder; `None` before the first run.
///
/// # Errors
///
/// The file cannot be read, or holds no id.
pub fn read(folder: &DataFolder) -> Result<Option<ClientId>, Error> {
    let path = folder.id();
    let read = os::read_bounded(&path, ID_FILE_BYTES_MAX).map_err(Error::file("reading the id", &path))?;
    let Some(bytes) = read else { return Ok(None) };
    let parsed = String::from_utf8_lossy(&bytes).trim().parse();
    parsed.map(Some).map_err(|problem| Error::Malformed {
        path,
        problem: format!(
            "{problem}; write into it the id by which the server knows this client, or remove it and pass --id"
        ),
    })
}

/// Refuses an id other than the one in the data folder.
///
/// # Errors
///
/// The folder belongs to another client, or its id cannot be read.
pub fn check(id: &ClientId, folder: &DataFolder) -> Result<(), Error> {
    match read(folder)? {
        Some(kept) if kept != *id => Err(Error::OtherId {
            folder: folder.root().to_owned(),
            kept: kept.to_string(),
            given: id.to_string(),
        }),
        Some(_) | None => Ok(()),
    }
}

/// As [`check`], and writes the id into a folder that has none yet.
///
/// # Errors
///
/// As [`check`], or the disk refuses.
pub fn persist(id: &ClientId, folder: &DataFolder) -> Result<(), Error> {
    check(id, folder)?;
    let path = folder.id();
    if path.is_file() {
        return Ok(());
    }
    files::replace(&path, format!("{id}\n").as_bytes(), Access::Umask)
        .map_err(Error::file("writing the id", &path))
}
