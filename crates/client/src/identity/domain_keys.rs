//! The keys of confidential settings (I3). Check-ins bring them; they are stored, because settings may arrive while the
//! server is unreachable.

use std::collections::BTreeMap;

use headwater_api::checkin::SealedDomainKey;
use headwater_api::settings::SealedDomainDocument;
use headwater_depot::files::{self, FileAccess};
use headwater_identity::{DomainKey, SealedSettings};
use headwater_policy::DomainPath;
use secrecy::ExposeSecret as _;

use crate::data::DataFolder;
use crate::error::Error;
use crate::identity::client_identity::ClientIdentity;
use crate::limits::{DOMAIN_KEYS_KEPT_MAX, IDENTITY_FILE_BYTES_MAX};
use crate::os;

const FILE: &str = "domain-keys.json";

/// Ids and keys, the newest last.
type StoredKeys = Vec<(String, String)>;

/// Stores the keys of an answer that are sealed to this client. Others are skipped with a warning in the log.
pub(crate) fn store(
    folder: &DataFolder,
    identity: &ClientIdentity,
    received: &[SealedDomainKey],
) -> Result<(), Error> {
    let mut kept = read(folder)?;
    let before = kept.clone();
    for sealed in received {
        match open(identity, sealed) {
            Ok(key) if key.id().to_string() == sealed.key_id => {
                kept.retain(|(id, _)| *id != sealed.key_id);
                kept.push((sealed.key_id.clone(), key.to_text().expose_secret().to_owned()));
            }
            Ok(_) => {
                tracing::warn!(domain = sealed.domain, "a domain key does not match its id; skipped")
            }
            Err(error) => {
                tracing::warn!(domain = sealed.domain, error, "a domain key cannot be decrypted; skipped")
            }
        }
    }
    let excess = kept.len().saturating_sub(DOMAIN_KEYS_KEPT_MAX);
    kept.drain(..excess);
    if kept == before {
        return Ok(());
    }
    let path = folder.identity(FILE);
    let bytes = serde_json::to_vec(&kept).expect("strings are written as JSON");
    files::replace(&path, &bytes, FileAccess::Owner).map_err(Error::file("writing the domain keys", &path))
}

/// The bytes of a domain's document; confidential ones are decrypted with their key.
pub(crate) fn decrypted(folder: &DataFolder, bytes: &[u8]) -> Result<Vec<u8>, Error> {
    let Ok(document) = serde_json::from_slice::<SealedDomainDocument>(bytes) else {
        return Ok(bytes.to_vec());
    };
    let domain = &document.domain;
    let unreadable = |why| {
        Error::Sealed(format!(
            "the settings of {domain} are confidential, and {why}; the previous settings stay in effect"
        ))
    };
    let kept: BTreeMap<String, String> = read(folder)?.into_iter().collect();
    let key = kept.get(&document.sealed.key_id).ok_or_else(|| {
        unreadable("their key has not arrived yet; the next answered check-in brings it".to_owned())
    })?;
    let key: DomainKey = key.parse().map_err(|_| unreadable("their key is damaged".to_owned()))?;
    open_document(&key, &document).map_err(|error| unreadable(error.to_string()))
}

fn open_document(
    key: &DomainKey,
    document: &SealedDomainDocument,
) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let domain: DomainPath = document.domain.parse()?;
    let sealed = &document.sealed;
    let sealed = SealedSettings {
        key_id: sealed.key_id.clone(),
        nonce: sealed.nonce.clone(),
        body: sealed.body.clone(),
    };
    Ok(key.open_settings(&domain, document.version, &sealed)?)
}

fn open(identity: &ClientIdentity, sealed: &SealedDomainKey) -> Result<DomainKey, String> {
    let domain: DomainPath = sealed.domain.parse().map_err(|error| format!("{error}"))?;
    let body = serde_json::from_value(sealed.sealed.clone()).map_err(|error| error.to_string())?;
    DomainKey::open(&identity.keys.encryption, &body, &identity.id, &domain)
        .map_err(|error| error.to_string())
}

fn read(folder: &DataFolder) -> Result<StoredKeys, Error> {
    let path = folder.identity(FILE);
    let bytes = os::read_bounded(&path, IDENTITY_FILE_BYTES_MAX)
        .map_err(Error::file("reading the domain keys", &path))?;
    // A damaged file counts as empty: the next check-in brings the keys again.
    Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use headwater_identity::{ClientKey, EncryptionKey, FleetCa};
    use headwater_policy::ClientId;

    use super::*;
    use crate::identity::ClientKeys;

    #[test]
    fn the_newest_keys_are_kept() {
        let data = tempfile::tempdir().unwrap();
        let folder = DataFolder::new(data.path());
        os::create_folder(&data.path().join("identity")).unwrap();
        let (now, id): (_, ClientId) = ("2026-11-22T12:00:00Z".parse().unwrap(), "pc".parse().unwrap());
        let keys = ClientKeys {
            key: Arc::new(ClientKey::generate().unwrap()),
            encryption: Arc::new(EncryptionKey::generate().unwrap()),
        };
        let ca = FleetCa::make(now).unwrap();
        let chain = ca.issue_client(&keys.key.public(), &id, &[], now).unwrap();
        let identity = ClientIdentity { id: id.clone(), keys, chain };
        let root: DomainPath = "root".parse().unwrap();
        let received: Vec<_> = (0..=DOMAIN_KEYS_KEPT_MAX)
            .map(|_| {
                let key = DomainKey::generate().unwrap();
                let sealed = key.seal_to(&identity.keys.encryption.public(), &id, &root).unwrap();
                SealedDomainKey {
                    domain: "root".to_owned(),
                    key_id: key.id().to_string(),
                    sealed: serde_json::to_value(sealed).unwrap(),
                }
            })
            .collect();
        let kept = || read(&folder).unwrap().into_iter().map(|(id, _)| id).collect::<Vec<_>>();
        let ids: Vec<_> = received.iter().map(|key| key.key_id.clone()).collect();
        store(&folder, &identity, &received[..DOMAIN_KEYS_KEPT_MAX]).unwrap();
        assert_eq!(kept(), ids[..DOMAIN_KEYS_KEPT_MAX]);
        store(&folder, &identity, &received[DOMAIN_KEYS_KEPT_MAX..]).unwrap();
        assert_eq!(kept(), ids[1..]);
        // A key of another client, under an id that is not its own.
        let mut other = received[0].clone();
        other.key_id = ids[1].replace(|_: char| true, "0");
        store(&folder, &identity, &[other]).unwrap();
        assert_eq!(kept(), ids[1..]);
    }
}
