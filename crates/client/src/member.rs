//! What makes this client a member of the fleet (I3): its key and encryption key, made here and never sent anywhere, and the
//! certificate that the server gave for them. All in `identity/`, readable for the client alone.
//!
//! The keys are made first and kept. Whoever is killed while it enrols asks again with the same keys, and the server
//! knows it by them.

use std::path::Path;
use std::sync::Arc;

use headwater_api::settings::FleetDocument;
use headwater_identity::{CaCertificate, Chain, ClientKey, EncryptionKey, IdentityError, PublicKey, tls};
use headwater_policy::ClientId;
use secrecy::ExposeSecret as _;

use crate::bundle::Bundle;
use crate::error::Error;
use crate::folder::DataFolder;
use crate::limits::IDENTITY_FILE_BYTES_MAX;
use crate::os;
use crate::state::State;

const KEY: &str = "key.pem";
const ENCRYPTION_KEY: &str = "seal.pem";
const CERTIFICATE: &str = "certificate.pem";
/// Keys that the server has not taken yet.
const NEXT_KEY: &str = "key.next.pem";
const NEXT_ENCRYPTION_KEY: &str = "seal.next.pem";

/// The keys that this client made.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    pub key: Arc<ClientKey>,
    pub seal: Arc<EncryptionKey>,
}

/// A client that was enrolled.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub id: ClientId,
    pub keys: Keys,
    pub chain: Chain,
}

/// Whom this client believes: the last signed policy's word, before that the bundle's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Believed {
    /// Whose certificates servers and update agents show.
    pub cas: Vec<CaCertificate>,
    /// By which keys the server signs its answers.
    pub response_signing_keys: Vec<PublicKey>,
}

impl Keys {
    /// The keys in the folder; what is missing is made and kept before anything is done with it.
    pub(crate) fn load_or_make(folder: &DataFolder) -> Result<Self, Error> {
        Self::put_in_place(folder)?;
        Self::load_or_make_at(&folder.identity(KEY), &folder.identity(ENCRYPTION_KEY))
    }

    /// Keys that are to take the place of those in the folder, once the server has taken them.
    pub(crate) fn load_or_make_beside(folder: &DataFolder) -> Result<Self, Error> {
        Self::load_or_make_at(&folder.identity(NEXT_KEY), &folder.identity(NEXT_ENCRYPTION_KEY))
    }

    /// Removes keys that were made beside the others, if there are any.
    pub(crate) fn forget_beside(folder: &DataFolder) -> Result<(), Error> {
        for name in [NEXT_KEY, NEXT_ENCRYPTION_KEY] {
            let path = folder.identity(name);
            os::remove_file(&path).map_err(Error::file("removing", &path))?;
        }
        Ok(())
    }

    /// Puts keys that were made beside the others in their place, if there are any. The certificate goes first: without
    /// it this is a client that has not enrolled yet, and killed in between it asks again with the new keys.
    pub(crate) fn put_in_place(folder: &DataFolder) -> Result<(), Error> {
        for (next, name) in [(NEXT_KEY, KEY), (NEXT_ENCRYPTION_KEY, ENCRYPTION_KEY)] {
            let next = folder.identity(next);
            if next.exists() {
                Member::forget(folder)?;
                std::fs::rename(&next, folder.identity(name)).map_err(Error::file("renaming", &next))?;
            }
        }
        Ok(())
    }

    fn load_or_make_at(key: &Path, seal: &Path) -> Result<Self, Error> {
        let key = match load(key, ClientKey::from_pem)? {
            Some(key) => key,
            None => make(key, ClientKey::generate, |key| key.to_pem())?,
        };
        let seal = match load(seal, EncryptionKey::from_pem)? {
            Some(key) => key,
            None => make(seal, EncryptionKey::generate, |key| key.to_pem())?,
        };
        Ok(Self { key: Arc::new(key), seal: Arc::new(seal) })
    }
}

impl Member {
    /// The member whose folder it is; none: it has not enrolled yet. Touches nothing.
    pub(crate) fn load(folder: &DataFolder, id: &ClientId) -> Result<Option<Self>, Error> {
        let path = folder.identity(CERTIFICATE);
        let Some(chain) = load(&path, Chain::from_pem)? else { return Ok(None) };
        let key = load(&folder.identity(KEY), ClientKey::from_pem)?;
        let seal = load(&folder.identity(ENCRYPTION_KEY), EncryptionKey::from_pem)?;
        let (Some(key), Some(seal)) = (key, seal) else { return Ok(None) };
        let named = chain.peer().is_ok_and(|peer| peer.client == *id);
        if !named || chain.key() != key.public() {
            let problem =
                "the certificate is another client's or another key's; remove it and enrol again".to_owned();
            return Err(Error::Malformed { path, problem });
        }
        let keys = Keys { key: Arc::new(key), seal: Arc::new(seal) };
        Ok(Some(Self { id: id.clone(), keys, chain }))
    }

    /// Keeps a certificate, if it is for this client and its key.
    pub(crate) fn keep(folder: &DataFolder, id: &ClientId, keys: &Keys, pem: &str) -> Result<Self, Error> {
        let refused =
            |problem: String| Error::NotEnrolled(format!("the server's certificate is of no use: {problem}"));
        let chain = Chain::from_pem(pem).map_err(|error| refused(error.to_string()))?;
        let peer = chain.peer().map_err(|error| refused(error.to_string()))?;
        if peer.client != *id || chain.key() != keys.key.public() {
            return Err(refused("it is another client's, or another key's".to_owned()));
        }
        let path = folder.identity(CERTIFICATE);
        os::write_private(&path, chain.to_pem().as_bytes())
            .map_err(Error::file("keeping the certificate", &path))?;
        Ok(Self { id: id.clone(), keys: keys.clone(), chain })
    }

    /// Removes the certificate: it was another fleet's. The keys stay.
    pub(crate) fn forget(folder: &DataFolder) -> Result<(), Error> {
        let path = folder.identity(CERTIFICATE);
        os::remove_file(&path).map_err(Error::file("removing", &path))
    }

    /// The TLS by which this client speaks to the fleet.
    pub(crate) fn tls(&self, believed: &Believed) -> Result<rustls::ClientConfig, Error> {
        tls::client_config(&believed.cas, Some((&self.chain, &self.keys.key))).map_err(internal)
    }
}

impl Believed {
    /// What the signed policy says; where it says nothing, the bundle.
    pub(crate) fn of(bundle: &Bundle, state: &State) -> Result<Self, Error> {
        Self::of_policy(state)?.map_or_else(|| Self::of_bundle(bundle), Ok)
    }

    /// What the signed policy says, if anything.
    pub(crate) fn of_policy(state: &State) -> Result<Option<Self>, Error> {
        let signed = state.policy.as_ref().and_then(|policy| policy.fleet.as_ref());
        let signed = signed.filter(|fleet| !fleet.ca.is_empty());
        signed
            .map(|FleetDocument { ca, response_signing_keys, .. }| Self::read(ca, response_signing_keys))
            .transpose()
    }

    /// What the bundle says.
    pub(crate) fn of_bundle(bundle: &Bundle) -> Result<Self, Error> {
        Self::read(&bundle.fleet.ca, &bundle.fleet.response_signing_keys)
    }

    fn read(ca: &[String], response_signing_keys: &[String]) -> Result<Self, Error> {
        let cas =
            ca.iter().map(|pem| CaCertificate::from_pem(pem)).collect::<Result<_, _>>().map_err(internal)?;
        let response_signing_keys = response_signing_keys
            .iter()
            .map(|text| text.parse())
            .collect::<Result<_, _>>()
            .map_err(internal)?;
        Ok(Self { cas, response_signing_keys })
    }

    /// The TLS by which this client speaks to the server while it has no certificate, or one that has run out.
    pub(crate) fn nameless_tls(&self) -> Result<rustls::ClientConfig, Error> {
        tls::client_config(&self.cas, None).map_err(internal)
    }
}

pub(crate) fn internal(error: IdentityError) -> Error {
    Error::Internal(error.to_string())
}

fn load<T>(path: &Path, read: impl FnOnce(&str) -> Result<T, IdentityError>) -> Result<Option<T>, Error> {
    let bytes = os::read_bounded(path, IDENTITY_FILE_BYTES_MAX).map_err(Error::file("reading", path))?;
    let Some(bytes) = bytes else { return Ok(None) };
    let text = String::from_utf8_lossy(&bytes);
    read(&text).map(Some).map_err(|error| Error::Malformed {
        path: path.to_owned(),
        problem: format!("{error}; remove it and enrol again, with a bundle for this client alone"),
    })
}

fn make<T>(
    path: &Path,
    generate: impl FnOnce() -> Result<T, IdentityError>,
    to_pem: impl FnOnce(&T) -> secrecy::SecretString,
) -> Result<T, Error> {
    let made = generate().map_err(internal)?;
    if let Some(folder) = path.parent() {
        os::create_folder(folder).map_err(Error::file("making", folder))?;
        os::set_mode(folder, 0o700).map_err(Error::file("setting the mode of", folder))?;
    }
    os::write_private(path, to_pem(&made).expose_secret().as_bytes())
        .map_err(Error::file("keeping the key", path))?;
    Ok(made)
}
