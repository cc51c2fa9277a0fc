//! The keys of the fleet: the CA, the certificate that the server shows in a handshake, the key that it signs answers
//! with, and the key that enrolments are sealed to.
//!
//! The CA's file holds the newest one alone: an older one has nothing left to sign once it has vouched for its
//! successor. Which CAs are in use stands in the database, with the cross-signed certificates between them. The key of the listener's
//! certificate is made again at each start: it is nobody's identity.

use std::path::Path;
use std::sync::Arc;

use headwater_identity::{
    Answer, CaCertificate, Chain, EncryptionKey, FleetCa, IdentityError, Purpose, ResponseSigningKey, Sealed,
    ServedName, ServerKey, StatementKind, is_issued_by, tls,
};
use headwater_policy::{ClientId, SourceUrl};
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretSlice};

use super::former;
use super::key_files::{ca_file, encryption_file, load_or_make, read_key, response_signing_file};
use super::settings::FleetSettings;
use crate::data::DataFolder;
use crate::db::fleet::{self as rows, CaRow};
use crate::error::{Error, Result, key_failed};

/// All keys and certificates of the fleet.
#[derive(Debug, Clone)]
pub struct FleetKeys {
    /// The newest CA, which issues.
    pub ca: Arc<FleetCa>,
    /// Counts its rotations, from 1.
    pub number: u64,
    /// Every CA in use, the newest first.
    pub cas: Vec<CaCertificate>,
    /// Those that the fleet distrusts, since they were stolen: a client that shows a certificate of theirs is asked to renew.
    distrusted: Vec<CaCertificate>,
    /// From the newest CA to the oldest, newest first.
    pub cross_signed: Vec<CaCertificate>,
    /// Signs answers.
    pub response_signing_key: Arc<ResponseSigningKey>,
    /// Sign them, too, for those who have not learnt of the newer ones.
    former_response_signing_keys: Arc<[ResponseSigningKey]>,
    /// Opens enrolments.
    pub encryption_key: Arc<EncryptionKey>,
    /// Open those by older bundles.
    former_encryption_keys: Arc<[EncryptionKey]>,
    server: Arc<ServerKey>,
    /// What the listener shows.
    pub chain: Chain,
}

impl FleetKeys {
    /// Reads them, making what is missing at the first start.
    ///
    /// # Errors
    /// When a file cannot be read or written, is no key, or is missed.
    pub async fn open(
        data: &DataFolder,
        db: &mut crate::db::Connection,
        settings: &FleetSettings,
        url: &SourceUrl,
        now: Timestamp,
    ) -> Result<Self> {
        let folder = data.fleet_keys();
        let ca = open_ca(&folder, db, settings.ca.as_deref(), now).await?;
        let response_signing_key = load_or_make(
            &response_signing_file(&folder),
            ResponseSigningKey::from_pem,
            ResponseSigningKey::generate,
            |key| key.to_pem().expose_secret().to_owned(),
        )?;
        let encryption_key = load_or_make(
            &encryption_file(&folder),
            EncryptionKey::from_pem,
            EncryptionKey::generate,
            |key| key.to_pem().expose_secret().to_owned(),
        )?;
        let server = ServerKey::generate().map_err(key_failed("making the listener's key"))?;
        let in_use = rows::cas(db).await?;
        let secrets = Secrets {
            response_signing_key: Arc::new(response_signing_key),
            former_response_signing_keys: former::response_signing_keys(&folder)?.into(),
            encryption_key: Arc::new(encryption_key),
            former_encryption_keys: former::encryption_keys(&folder, now)?.into(),
            server: Arc::new(server),
        };
        Self::assemble(ca, &in_use, secrets, settings, url, now)
    }

    /// The same with the CAs as they are now, and a new certificate for the listener.
    ///
    /// # Errors
    /// When a stored certificate cannot be read, or none can be issued.
    pub fn with_ca(
        &self,
        ca: FleetCa,
        in_use: &[CaRow],
        settings: &FleetSettings,
        url: &SourceUrl,
        now: Timestamp,
    ) -> Result<Self> {
        let secrets = Secrets {
            response_signing_key: Arc::clone(&self.response_signing_key),
            former_response_signing_keys: Arc::clone(&self.former_response_signing_keys),
            encryption_key: Arc::clone(&self.encryption_key),
            former_encryption_keys: Arc::clone(&self.former_encryption_keys),
            server: Arc::clone(&self.server),
        };
        Self::assemble(Arc::new(ca), in_use, secrets, settings, url, now)
    }

    /// The same with another key that signs answers.
    pub fn with_response_signing_key(
        &self,
        key: ResponseSigningKey,
        former: Vec<ResponseSigningKey>,
    ) -> Self {
        Self {
            response_signing_key: Arc::new(key),
            former_response_signing_keys: former.into(),
            ..self.clone()
        }
    }

    /// The same with another key that enrolments are sealed to.
    pub fn with_encryption_key(&self, key: EncryptionKey, former: Vec<EncryptionKey>) -> Self {
        Self { encryption_key: Arc::new(key), former_encryption_keys: former.into(), ..self.clone() }
    }

    /// Signs an answer, so that clients of all ages believe it.
    ///
    /// # Errors
    /// When it is too long, or there is no randomness.
    pub fn answer(
        &self,
        client: &ClientId,
        kind: StatementKind,
        sequence: u64,
        body: String,
    ) -> Result<Answer> {
        Answer::sign(&self.response_signing_key, client, kind, sequence, body)
            .and_then(|answer| answer.also_by(self.former_response_signing_keys.iter()))
            .map_err(key_failed("signing an answer"))
    }

    /// Opens what was sealed to this server by a bundle of any age.
    ///
    /// # Errors
    /// [`IdentityError`]: it was sealed to another, or changed.
    pub fn open_sealed(
        &self,
        sealed: &Sealed,
        purpose: Purpose<'_>,
    ) -> std::result::Result<SecretSlice<u8>, IdentityError> {
        let opened = self.encryption_key.open(sealed, purpose);
        let former = || self.former_encryption_keys.iter().find_map(|key| key.open(sealed, purpose).ok());
        opened.or_else(|error| former().ok_or(error))
    }

    /// Whether a client's certificate (DER) is of a CA that the fleet distrusts.
    pub fn is_of_distrusted_ca(&self, certificate: &[u8]) -> bool {
        !self.distrusted.is_empty() && !is_issued_by(certificate, &self.cas)
    }

    /// The same with a new certificate for the listener.
    ///
    /// # Errors
    /// When none can be issued.
    pub fn with_new_chain(&self, settings: &FleetSettings, url: &SourceUrl, now: Timestamp) -> Result<Self> {
        let chain = issue_chain(&self.ca, &self.server, &self.cross_signed, settings, url, now)?;
        Ok(Self { chain, ..self.clone() })
    }

    /// What the listener speaks: it takes certificates of every CA in use, and connections without one, which may enrol.
    ///
    /// # Errors
    /// When the TLS library refuses what it is given.
    pub fn tls(&self) -> Result<Arc<rustls::ServerConfig>> {
        // A client with a certificate of a distrusted CA gets an answer that names the reason.
        let clients = [self.cas.as_slice(), &self.distrusted].concat();
        tls::server_config(&self.chain, &self.server, &clients, tls::Anonymous::Allowed)
            .map_err(key_failed("setting up the fleet listener"))
    }

    fn assemble(
        ca: Arc<FleetCa>,
        in_use: &[CaRow],
        secrets: Secrets,
        settings: &FleetSettings,
        url: &SourceUrl,
        now: Timestamp,
    ) -> Result<Self> {
        let read = |pem: &String| {
            CaCertificate::from_pem(pem).map_err(|error| Error::Corrupt {
                what: "certificate of the fleet CA",
                reason: error.to_string(),
            })
        };
        let (mut cas, mut distrusted) = (Vec::new(), Vec::new());
        for row in in_use {
            let list = if row.distrusted { &mut distrusted } else { &mut cas };
            list.push(read(&row.certificate)?);
        }
        // A CA that nobody vouched for ends the way back.
        let cross_signed =
            in_use.iter().map_while(|row| row.cross_signed.as_ref()).map(read).collect::<Result<Vec<_>>>()?;
        let Secrets {
            response_signing_key,
            former_response_signing_keys,
            encryption_key,
            former_encryption_keys,
            server,
        } = secrets;
        let chain = issue_chain(&ca, &server, &cross_signed, settings, url, now)?;
        let number = in_use.first().map_or(1, |row| row.number);
        Ok(Self {
            ca,
            number,
            cas,
            distrusted,
            cross_signed,
            response_signing_key,
            former_response_signing_keys,
            encryption_key,
            former_encryption_keys,
            server,
            chain,
        })
    }
}

/// Keys that no CA depends on.
struct Secrets {
    response_signing_key: Arc<ResponseSigningKey>,
    former_response_signing_keys: Arc<[ResponseSigningKey]>,
    encryption_key: Arc<EncryptionKey>,
    former_encryption_keys: Arc<[EncryptionKey]>,
    server: Arc<ServerKey>,
}

async fn open_ca(
    folder: &Path,
    db: &mut crate::db::Connection,
    handed_in: Option<&Path>,
    now: Timestamp,
) -> Result<Arc<FleetCa>> {
    let newest = rows::cas(db).await?.into_iter().next();
    let number = newest.as_ref().map_or(1, |row| row.number);
    let own = ca_file(folder, number);
    let ca = match (handed_in, &newest) {
        (Some(path), _) => handed_in_ca(path, now)?,
        (None, Some(_)) if !own.exists() => {
            return Err(Error::FleetKey {
                doing: "opening the fleet CA".to_owned(),
                reason: format!(
                    "{} is missing, and without it no client gets a certificate; put it back from a backup of the data \
                     folder, or if the CA was handed in, name its file with fleet_ca",
                    own.display()
                ),
            });
        }
        (None, _) => load_or_make(
            &own,
            FleetCa::from_pem,
            || FleetCa::make(now),
            |ca| ca.to_pem().expose_secret().to_owned(),
        )?,
    };
    let certificate = ca.certificate().to_pem();
    match newest {
        Some(row) if row.certificate == certificate => {}
        None => {
            rows::insert_ca(db, &CaRow { number: 1, certificate, cross_signed: None, distrusted: false }, now)
                .await?
        }
        Some(row) => {
            // Another one was handed in than before: the one before vouches for it, if its key is still here.
            let cross_signed = match own.exists() {
                true => Some(read_key(&own, FleetCa::from_pem)?),
                false => None,
            };
            let cross_signed = cross_signed.map(|old| old.cross_sign(ca.certificate(), now)).transpose();
            let cross_signed = cross_signed.map_err(key_failed("vouching for the CA that was handed in"))?;
            if cross_signed.is_none() {
                tracing::warn!(
                    "the former fleet CA is not here to vouch for the one that was handed in: clients that have not yet \
                     learnt of it from the signed policy trust the server again when an update agent has brought them that"
                );
            }
            let cross_signed = cross_signed.map(|cross_signed| cross_signed.to_pem());
            let row = CaRow { number: row.number + 1, certificate, cross_signed, distrusted: false };
            rows::insert_ca(db, &row, now).await?;
        }
    }
    Ok(Arc::new(ca))
}

/// The CA that the organisation makes itself.
fn handed_in_ca(path: &Path, now: Timestamp) -> Result<FleetCa> {
    let refused = |reason: String| Error::FleetKey {
        doing: format!("taking the fleet CA from {} (fleet_ca)", path.display()),
        reason: format!(
            "{reason}; put the CA's P-256 key (PKCS#8) and its certificate there, both in PEM, or leave fleet_ca out"
        ),
    };
    let text = std::fs::read_to_string(path).map_err(|error| refused(error.to_string()))?;
    let ca = FleetCa::from_pem(&text).map_err(|error| refused(error.to_string()))?;
    let end = ca.certificate().not_after();
    if end <= now {
        return Err(refused(format!("its certificate ran out at {end}")));
    }
    Ok(ca)
}

fn issue_chain(
    ca: &FleetCa,
    key: &ServerKey,
    cross_signed: &[CaCertificate],
    settings: &FleetSettings,
    url: &SourceUrl,
    now: Timestamp,
) -> Result<Chain> {
    let host = ServedName::parse(url.host()).map_err(key_failed("reading the host of fleet_url"))?;
    let mut names = vec![host];
    for name in &settings.names {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    ca.issue_server(&key.public(), &names, cross_signed, now)
        .map_err(key_failed("issuing the listener's certificate"))
}
