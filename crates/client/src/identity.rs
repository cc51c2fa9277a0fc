//! Which client a data folder is: its id, written once beside the state, so that no later call without `--id` (or
//! after the host got another name) becomes another client for the server.

use headwater_policy::ClientId;

use crate::config::Config;
use crate::error::Error;
use crate::folder::DataFolder;
use crate::limits::ID_FILE_BYTES_MAX;
use crate::os;

/// The id that a data folder remembers; `None` before the first run.
///
/// # Errors
///
/// The file cannot be read, or holds no id.
pub(crate) fn kept(folder: &DataFolder) -> Result<Option<ClientId>, Error> {
    let path = folder.id();
    let read = os::read_bounded(&path, ID_FILE_BYTES_MAX).map_err(Error::file("reading the id", &path))?;
    let Some(bytes) = read else { return Ok(None) };
    let parsed = String::from_utf8_lossy(&bytes).trim().parse();
    parsed.map(Some).map_err(|problem| Error::Malformed {
        path,
        problem: format!(
            "{problem}; write the id into it by which the server knows this client, or remove it and give --id"
        ),
    })
}

/// Refuses to be another client than the one that the folder remembers.
///
/// # Errors
///
/// The folder is another client's, or its id cannot be read.
pub(crate) fn check(config: &Config, folder: &DataFolder) -> Result<(), Error> {
    match kept(folder)? {
        Some(kept) if kept != config.id => Err(Error::OtherId {
            folder: folder.root().to_owned(),
            kept: kept.to_string(),
            given: config.id.to_string(),
        }),
        Some(_) | None => Ok(()),
    }
}

/// As [`check`]; a folder that remembers none yet remembers this one from here on.
///
/// # Errors
///
/// As [`check`], or the disk refuses.
pub(crate) fn settle(config: &Config, folder: &DataFolder) -> Result<(), Error> {
    check(config, folder)?;
    let path = folder.id();
    if path.is_file() {
        return Ok(());
    }
    let line = format!("{}\n", config.id);
    os::write_atomic(&path, line.as_bytes()).map_err(Error::file("writing the id", &path))
}
