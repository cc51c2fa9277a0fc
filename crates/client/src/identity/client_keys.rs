//! The key and the encryption key of this client. They are generated here and never leave the folder `identity/`.
//!
//! Keys are stored before they are used. A client that is killed while it enrols asks again with the same keys, and
//! the server recognises it by them.

use std::path::Path;
use std::sync::Arc;

use headwater_depot::files;
use headwater_identity::{ClientKey, EncryptionKey};

use crate::data::{CERTIFICATE, DataFolder};
use crate::error::Error;
use crate::identity::files::{generate, load};

const KEY: &str = "key.pem";
const ENCRYPTION_KEY: &str = "encryption-key.pem";
/// Keys that the server has not accepted yet.
const NEXT_KEY: &str = "key.next.pem";
const NEXT_ENCRYPTION_KEY: &str = "encryption-key.next.pem";

/// The keys that this client generated.
#[derive(Debug, Clone)]
pub struct ClientKeys {
    pub key: Arc<ClientKey>,
    pub encryption: Arc<EncryptionKey>,
}

impl ClientKeys {
    /// The keys in the folder; `None` if one is missing. Writes nothing.
    pub(crate) fn load(folder: &DataFolder) -> Result<Option<Self>, Error> {
        let key = load(&folder.identity(KEY), ClientKey::from_pem)?;
        let encryption = load(&folder.identity(ENCRYPTION_KEY), EncryptionKey::from_pem)?;
        let keys = key.zip(encryption);
        Ok(keys.map(|(key, encryption)| Self { key: Arc::new(key), encryption: Arc::new(encryption) }))
    }

    /// The keys in the folder; missing ones are generated and stored.
    pub(crate) fn load_or_generate(folder: &DataFolder) -> Result<Self, Error> {
        Self::activate_next(folder)?;
        Self::load_or_generate_at(&folder.identity(KEY), &folder.identity(ENCRYPTION_KEY))
    }

    /// Keys that replace those in the folder once the server has accepted them.
    pub(crate) fn load_or_generate_next(folder: &DataFolder) -> Result<Self, Error> {
        Self::load_or_generate_at(&folder.identity(NEXT_KEY), &folder.identity(NEXT_ENCRYPTION_KEY))
    }

    /// Removes the next keys, if there are any.
    pub(crate) fn forget_next(folder: &DataFolder) -> Result<(), Error> {
        for name in [NEXT_KEY, NEXT_ENCRYPTION_KEY] {
            let path = folder.identity(name);
            files::remove_if_present(&path).map_err(Error::file("removing", &path))?;
        }
        Ok(())
    }

    /// Makes the next keys the current ones, if there are any. The certificate is removed first: without it this
    /// client is not enrolled, and if it is killed in between it asks again with the new keys.
    pub(crate) fn activate_next(folder: &DataFolder) -> Result<(), Error> {
        for (next, name) in [(NEXT_KEY, KEY), (NEXT_ENCRYPTION_KEY, ENCRYPTION_KEY)] {
            let next = folder.identity(next);
            if next.exists() {
                forget_certificate(folder)?;
                std::fs::rename(&next, folder.identity(name)).map_err(Error::file("renaming", &next))?;
            }
        }
        Ok(())
    }

    fn load_or_generate_at(key: &Path, encryption: &Path) -> Result<Self, Error> {
        let key = match load(key, ClientKey::from_pem)? {
            Some(key) => key,
            None => generate(key, ClientKey::generate, ClientKey::to_pem)?,
        };
        let encryption = match load(encryption, EncryptionKey::from_pem)? {
            Some(key) => key,
            None => generate(encryption, EncryptionKey::generate, EncryptionKey::to_pem)?,
        };
        Ok(Self { key: Arc::new(key), encryption: Arc::new(encryption) })
    }
}

/// The file of the certificate.
pub(crate) fn certificate_path(folder: &DataFolder) -> std::path::PathBuf {
    folder.identity(CERTIFICATE)
}

/// Removes the certificate. The keys stay.
pub(crate) fn forget_certificate(folder: &DataFolder) -> Result<(), Error> {
    let path = certificate_path(folder);
    files::remove_if_present(&path).map_err(Error::file("removing", &path))
}
