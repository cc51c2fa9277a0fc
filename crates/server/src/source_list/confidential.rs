//! Confidential settings: sealed with the domain's key, which each of the domain's clients is given at its check-in, sealed
//! to it alone (I3). So are both of its documents, in the policy's repository and in class `settings`. Who carries them,
//! update agents and mirrors, reads nothing.
//!
//! A client that leaves the domain, or is revoked, has the key: the domain gets a new one, and its settings are sealed
//! and signed again in the same step. What it could read before, it could read before.

use headwater_api::checkin::SealedDomainKey;
use headwater_api::settings::{DomainDocument, FORMAT, SealedBody, SealedDomainDocument};
use headwater_identity::{DomainKey, EncryptionPublicKey, IdentityError};
use headwater_policy::{ClientId, DomainPath};
use headwater_repo::TargetsDraft;
use jiff::Timestamp;
use secrecy::ExposeSecret as _;

use super::domain_documents::{Part, documents};
use super::service::SourceListService;
use crate::db::identities::IdentityRow;
use crate::db::{Tx, domains, fleet as rows, to_json};
use crate::error::{Error, Refusal, Result, key_failed};
use crate::publishing::failed;

/// What a domain's target holds: open, or sealed where the settings are confidential.
pub(super) async fn domain_bytes(
    tx: &mut Tx,
    part: Part,
    document: &DomainDocument,
    now: Timestamp,
) -> Result<Vec<u8>> {
    let (open, version) = (part.to_json(document), part.version(document));
    if !document.settings.confidential {
        return Ok(open.into_bytes());
    }
    let domain = path(&document.domain)?;
    let key = match rows::domain_key(tx, &document.domain).await? {
        Some(text) => read(&text)?,
        None => new_key(tx, &document.domain, now).await?,
    };
    let sealed = match key.seal_settings(&domain, version, open.as_bytes()) {
        Err(IdentityError::Oversized { max, .. }) => {
            return Err(Refusal::TooLarge {
                what: format!("what the clients of the confidential domain {domain} get"),
                limit: max as u64,
                unit: "bytes",
                hint: "set less there, or at the domains above it",
            }
            .into());
        }
        sealed => sealed.map_err(key_failed("sealing a domain's settings"))?,
    };
    let sealed = SealedBody { key_id: sealed.key_id, nonce: sealed.nonce, body: sealed.body };
    let sealed = SealedDomainDocument { format: FORMAT, domain: document.domain.clone(), version, sealed };
    Ok(to_json(&sealed).into_bytes())
}

impl SourceListService {
    /// Gives those of these domains that are confidential a new key, and adds their settings, sealed with it, to what is
    /// to be signed: `typed` with the policy, `free` in class settings. Returns whether there were any.
    pub(crate) async fn rekey(
        &self,
        tx: &mut Tx,
        (typed, free): (&mut TargetsDraft, &mut TargetsDraft),
        left: &[String],
        now: Timestamp,
    ) -> Result<bool> {
        let all = tx.domains().await?;
        let version = self.next_settings_version();
        let mut any = false;
        for (row, document) in all.iter().zip(documents(&all)?) {
            if !document.settings.confidential || !left.contains(&row.path) {
                continue;
            }
            new_key(tx, &row.path, now).await?;
            let document = DomainDocument { version, typed_version: version, ..document };
            for (part, draft) in [(Part::Typed, &mut *typed), (Part::Free, &mut *free)] {
                let bytes = domain_bytes(tx, part, &document, now).await?;
                draft.add(part.target(&row.path), bytes).map_err(failed(part.repository(), "domain"))?;
            }
            domains::put(tx, &domains::DomainRow { version, typed_version: version, ..row.clone() }).await?;
            any = true;
        }
        Ok(any)
    }

    /// The keys that a client of a domain is given.
    pub(crate) async fn domain_keys_for(
        &self,
        tx: &mut Tx,
        identity: &IdentityRow,
        domain: &str,
    ) -> Result<Vec<SealedDomainKey>> {
        let Some(text) = rows::domain_key(tx, domain).await? else { return Ok(Vec::new()) };
        let key = read(&text)?;
        let client: ClientId = identity
            .client
            .parse()
            .map_err(|error| Error::Corrupt { what: "client id", reason: format!("{error}") })?;
        let reader: EncryptionPublicKey = identity.encryption_key.parse().map_err(|error| {
            Error::Corrupt { what: "encryption key of a client", reason: format!("{error}") }
        })?;
        let sealed = key
            .seal_to(&reader, &client, &path(domain)?)
            .map_err(key_failed("sealing a domain's key to a client"))?;
        let sealed = serde_json::to_value(sealed).expect("strings are written as JSON");
        Ok(vec![SealedDomainKey { domain: domain.to_owned(), key_id: key.id().to_string(), sealed }])
    }
}

async fn new_key(tx: &mut Tx, domain: &str, now: Timestamp) -> Result<DomainKey> {
    let key = DomainKey::generate().map_err(key_failed("making a domain's key"))?;
    rows::put_domain_key(tx, domain, key.to_text().expose_secret(), now).await?;
    Ok(key)
}

fn read(text: &str) -> Result<DomainKey> {
    text.parse().map_err(|error| Error::Corrupt { what: "key of a domain", reason: format!("{error}") })
}

fn path(domain: &str) -> Result<DomainPath> {
    domain.parse().map_err(|error| Error::Corrupt { what: "domain path", reason: format!("{error}") })
}
