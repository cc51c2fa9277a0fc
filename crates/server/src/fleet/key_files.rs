//! The files of the fleet's keys: read, or made where they are missing.

use std::path::Path;

use headwater_identity::IdentityError;

use crate::data;
use crate::error::{Doing, Error, Result, key_failed};

/// Where the CA of a number stands.
pub(super) fn ca_file(folder: &Path, number: u64) -> std::path::PathBuf {
    folder.join(format!("ca-{number}.pem"))
}

/// Where the key that signs answers stands.
pub(super) fn response_signing_file(folder: &Path) -> std::path::PathBuf {
    folder.join("response-signing.pem")
}

/// Where the key that enrolments are sealed to stands.
pub(super) fn encryption_file(folder: &Path) -> std::path::PathBuf {
    folder.join("enrolment-encryption.pem")
}

/// Reads a key, or makes it and writes it.
pub(super) fn load_or_make<K>(
    path: &Path,
    read: impl Fn(&str) -> std::result::Result<K, IdentityError>,
    make: impl FnOnce() -> std::result::Result<K, IdentityError>,
    write: impl FnOnce(&K) -> String,
) -> Result<K> {
    if path.exists() {
        return read_key(path, read);
    }
    let key = make().map_err(key_failed("making a key"))?;
    data::write_file(path, write(&key).as_bytes())?;
    Ok(key)
}

/// Reads a key.
pub(super) fn read_key<K>(
    path: &Path,
    read: impl Fn(&str) -> std::result::Result<K, IdentityError>,
) -> Result<K> {
    let text = std::fs::read_to_string(path).doing(|| format!("cannot read {}", path.display()))?;
    read(&text).map_err(|error| Error::FleetKey {
        doing: format!("reading {}", path.display()),
        reason: error.to_string(),
    })
}
