//! The id of the client that owns a data folder. It is written once, beside the state, so that no later call without
//! `--id` (or after a change of the host's name) becomes another client for the server. If the file is damaged, the
//! certificate and the last report name the client all the same.

use headwater_depot::files::{self, FileAccess};
use headwater_identity::Chain;
use headwater_policy::ClientId;
use headwater_repo::error_chain;

use crate::data::folder::{CERTIFICATE, DataFolder};
use crate::data::state::State;
use crate::error::Error;
use crate::limits::{ID_FILE_BYTES_MAX, IDENTITY_FILE_BYTES_MAX};
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

/// As [`read`]; if the file is damaged, the id that the certificate or the last report names.
///
/// # Errors
///
/// The file cannot be read or holds no id, and nothing else in the folder names the client.
pub fn known(folder: &DataFolder) -> Result<Option<ClientId>, Error> {
    match read(folder) {
        Err(error) if !error.is_storage() => named_elsewhere(folder).map(Some).ok_or(error),
        read => read,
    }
}

/// Whether the folder belongs to a client that has enrolled or verified anything. Before that, its id is only a wish.
pub fn has_enrolled(folder: &DataFolder) -> bool {
    folder.identity(CERTIFICATE).exists()
        || State::load(folder).map_or(true, |state| !state.versions.is_empty())
}

/// Refuses an id other than the one in the data folder of a client that has enrolled.
///
/// # Errors
///
/// The folder belongs to another client, or its id cannot be read.
pub fn check(id: &ClientId, folder: &DataFolder) -> Result<(), Error> {
    match known(folder)? {
        Some(kept) if kept != *id && has_enrolled(folder) => Err(Error::OtherId {
            folder: folder.root().to_owned(),
            kept: kept.to_string(),
            given: id.to_string(),
        }),
        Some(_) | None => Ok(()),
    }
}

/// As [`check`], and writes the id into a folder that has not enrolled under another. A damaged file is written again; returns a warning
/// then.
///
/// # Errors
///
/// As [`check`], or the disk refuses.
pub fn persist(id: &ClientId, folder: &DataFolder) -> Result<Option<String>, Error> {
    check(id, folder)?;
    let path = folder.id();
    let damage = match read(folder) {
        Ok(Some(kept)) if kept == *id => return Ok(None),
        // None, or one under which this folder never enrolled.
        Ok(_) => None,
        Err(damage) => Some(damage),
    };
    let written = files::replace(&path, format!("{id}\n").as_bytes(), FileAccess::Owner);
    let Some(damage) = damage else {
        return written.map(|()| None).map_err(Error::file("writing the id", &path));
    };
    let outcome = match written {
        Ok(()) => "it was written again".to_owned(),
        Err(error) => format!("it cannot be written again: {error}"),
    };
    let warning = format!(
        "the id of this client was damaged ({}); the client is {id}; {outcome}",
        error_chain(&damage)
    );
    tracing::warn!("{warning}");
    Ok(Some(warning))
}

/// The client that the certificate names, or else the last report.
fn named_elsewhere(folder: &DataFolder) -> Option<ClientId> {
    let certificate = os::read_bounded(&folder.identity(CERTIFICATE), IDENTITY_FILE_BYTES_MAX).ok().flatten();
    let chain = certificate.and_then(|pem| Chain::from_pem(&String::from_utf8_lossy(&pem)).ok());
    let peer = chain.and_then(|chain| chain.peer().ok()).map(|peer| peer.client);
    peer.or_else(|| State::load(folder).ok()?.last_run?.client.parse().ok())
}
