//! The keys of confidential settings that this client was given at check-ins (I3): kept, because settings may come when
//! the server is out of reach.

use std::collections::BTreeMap;

use headwater_api::checkin::SealedDomainKey;
use headwater_api::settings::{SealedDomainDocument, SignedDomain};
use headwater_identity::{DomainKey, SealedSettings};
use headwater_policy::{ClientId, DomainPath};
use secrecy::ExposeSecret as _;

use crate::error::Error;
use crate::folder::DataFolder;
use crate::limits::{DOMAIN_KEYS_KEPT_MAX, IDENTITY_FILE_BYTES_MAX};
use crate::member::Member;
use crate::os;

const FILE: &str = "domain-keys.json";

/// Keys by their ids, the newest last.
type Kept = Vec<(String, String)>;

/// Keeps the keys of an answer that are sealed to this client; others are passed over with a word.
pub(crate) fn keep(folder: &DataFolder, member: &Member, given: &[SealedDomainKey]) -> Result<(), Error> {
    let mut kept = read(folder)?;
    let before = kept.clone();
    for sealed in given {
        match open(member, &member.id, sealed) {
            Ok(key) if key.id().to_string() == sealed.key_id => {
                kept.retain(|(id, _)| *id != sealed.key_id);
                kept.push((sealed.key_id.clone(), key.to_text().expose_secret().to_owned()));
            }
            Ok(_) => {
                tracing::warn!(domain = sealed.domain, "a domain's key is not the one that it is called")
            }
            Err(error) => tracing::warn!(domain = sealed.domain, error, "a domain's key cannot be opened"),
        }
    }
    let excess = kept.len().saturating_sub(DOMAIN_KEYS_KEPT_MAX);
    kept.drain(..excess);
    if kept == before {
        return Ok(());
    }
    let path = folder.identity(FILE);
    let bytes = serde_json::to_vec(&kept).expect("strings are written as JSON");
    os::write_private(&path, &bytes).map_err(Error::file("keeping a domain's key", &path))
}

/// The bytes of a domain's document: as they are, or opened with the key that was given for them.
pub(crate) fn opened(folder: &DataFolder, bytes: &[u8]) -> Result<Vec<u8>, Error> {
    let Ok(SignedDomain::Sealed(document)) = serde_json::from_slice(bytes) else { return Ok(bytes.to_vec()) };
    let domain = &document.domain;
    let unreadable = |why| {
        Error::Sealed(format!(
            "the settings of {domain} are confidential, and {why}; what was in force stays"
        ))
    };
    let kept: BTreeMap<String, String> = read(folder)?.into_iter().collect();
    let key = kept.get(&document.sealed.key_id).ok_or_else(|| {
        unreadable("their key has not come yet; the next check-in that is answered brings it".to_owned())
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

fn open(member: &Member, client: &ClientId, sealed: &SealedDomainKey) -> Result<DomainKey, String> {
    let domain: DomainPath = sealed.domain.parse().map_err(|error| format!("{error}"))?;
    let body = serde_json::from_value(sealed.sealed.clone()).map_err(|error| error.to_string())?;
    DomainKey::open(&member.keys.seal, &body, client, &domain).map_err(|error| error.to_string())
}

fn read(folder: &DataFolder) -> Result<Kept, Error> {
    let path = folder.identity(FILE);
    let bytes = os::read_bounded(&path, IDENTITY_FILE_BYTES_MAX)
        .map_err(Error::file("reading the domains' keys", &path))?;
    // A damaged file is one without keys: the next check-in brings them again.
    Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use headwater_identity::{ClientKey, EncryptionKey, FleetCa};

    use super::*;
    use crate::member::Keys;

    #[test]
    fn the_newest_keys_are_kept() {
        let data = tempfile::tempdir().unwrap();
        let folder = DataFolder::new(data.path());
        os::create_folder(&data.path().join("identity")).unwrap();
        let (now, id): (_, ClientId) = ("2026-11-22T12:00:00Z".parse().unwrap(), "pc".parse().unwrap());
        let keys = Keys {
            key: Arc::new(ClientKey::generate().unwrap()),
            seal: Arc::new(EncryptionKey::generate().unwrap()),
        };
        let ca = FleetCa::make(now).unwrap();
        let chain = ca.issue_client(&keys.key.public(), &id, &[], now).unwrap();
        let member = Member { id: id.clone(), keys, chain };
        let root: DomainPath = "root".parse().unwrap();
        let given: Vec<_> = (0..=DOMAIN_KEYS_KEPT_MAX)
            .map(|_| {
                let key = DomainKey::generate().unwrap();
                let sealed = key.seal_to(&member.keys.seal.public(), &id, &root).unwrap();
                SealedDomainKey {
                    domain: "root".to_owned(),
                    key_id: key.id().to_string(),
                    sealed: serde_json::to_value(sealed).unwrap(),
                }
            })
            .collect();
        let kept = || read(&folder).unwrap().into_iter().map(|(id, _)| id).collect::<Vec<_>>();
        let ids: Vec<_> = given.iter().map(|key| key.key_id.clone()).collect();
        keep(&folder, &member, &given[..DOMAIN_KEYS_KEPT_MAX]).unwrap();
        assert_eq!(kept(), ids[..DOMAIN_KEYS_KEPT_MAX]);
        keep(&folder, &member, &given[DOMAIN_KEYS_KEPT_MAX..]).unwrap();
        assert_eq!(kept(), ids[1..]);
        // One that is another client's, and one that is called what it is not.
        let mut other = given[0].clone();
        other.key_id = ids[1].replace(|_: char| true, "0");
        keep(&folder, &member, &[other]).unwrap();
        assert_eq!(kept(), ids[1..]);
    }
}
