//! Files in the folder `identity/`: private, bounded, and refused with a hint if they cannot be read.

use std::path::Path;

use headwater_depot::files::{self, FileAccess};
use headwater_identity::IdentityError;
use secrecy::{ExposeSecret as _, SecretString};

use crate::error::Error;
use crate::limits::IDENTITY_FILE_BYTES_MAX;
use crate::os;

/// Reads a key or certificate; `None` if there is no such file.
pub(crate) fn load<T>(
    path: &Path,
    read: impl FnOnce(&str) -> Result<T, IdentityError>,
) -> Result<Option<T>, Error> {
    let bytes = os::read_bounded(path, IDENTITY_FILE_BYTES_MAX).map_err(Error::file("reading", path))?;
    let Some(bytes) = bytes else { return Ok(None) };
    let text = String::from_utf8_lossy(&bytes);
    read(&text).map(Some).map_err(|error| Error::Malformed {
        path: path.to_owned(),
        problem: format!("{error}; remove the file and enrol again with a bundle of `headwater clients enrol-bundle --client ID`"),
    })
}

/// Generates a key and stores it before it is used.
pub(crate) fn generate<T>(
    path: &Path,
    generate: impl FnOnce() -> Result<T, IdentityError>,
    to_pem: impl FnOnce(&T) -> SecretString,
) -> Result<T, Error> {
    let key = generate().map_err(internal)?;
    if let Some(folder) = path.parent() {
        os::ensure_folder(folder, 0o700).map_err(Error::file("creating", folder))?;
    }
    files::replace(path, to_pem(&key).expose_secret().as_bytes(), FileAccess::Owner)
        .map_err(Error::file("writing the key", path))?;
    Ok(key)
}

/// An error of the identity crate that this client cannot act on.
pub fn internal(error: IdentityError) -> Error {
    Error::Internal(error.to_string())
}
