//! Certificates: read, chained, written; and the clients that they name.

use std::fmt;
use std::str::FromStr as _;
use std::time::Duration;

use headwater_policy::ClientId;
use jiff::Timestamp;
use pkcs8::LineEnding;
use pkcs8::der::Document;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, UnixTime};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;

use crate::error::IdentityError;
use crate::keys::{KeyFingerprint, PublicKey};
use crate::limits::{CERTIFICATE_HEAD_START, CHAIN_CERTIFICATES_MAX, PEM_LENGTH_MAX};
use crate::tls_roots;

const CHAIN_WANTED: &str = "a chain of certificates in PEM";
const CA_WANTED: &str = "the certificate of a CA in PEM, its key on the curve P-256";
/// What the URI that names a client in its certificate begins with.
pub(crate) const CLIENT_URI: &str = "headwater:client:";

/// The certificate of a fleet CA, its own or a cross-signed one. Nothing secret.
#[derive(Clone, PartialEq, Eq)]
pub struct CaCertificate {
    der: CertificateDer<'static>,
    key: PublicKey,
    not_after: Timestamp,
}

/// A leaf certificate, and the cross-signed certificates from its issuer to older CAs: what is shown in a handshake.
/// Nothing secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Chain {
    certificates: Vec<CertificateDer<'static>>,
    key: PublicKey,
    not_before: Timestamp,
    not_after: Timestamp,
    names: Vec<String>,
}

/// The client that a certificate names. That the fleet CA issued it is for the handshake to check; that it was not revoked,
/// for the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// The client.
    pub client: ClientId,
    /// Its key.
    pub key: KeyFingerprint,
    /// When the certificate runs out. A resumed TLS session may outlive it: ask [`Self::is_good_at`].
    pub not_after: Timestamp,
}

impl CaCertificate {
    /// Reads a CA's certificate.
    ///
    /// # Errors
    ///
    /// [`IdentityError::Unreadable`]: not exactly one certificate, not of a CA, or not of a P-256 key.
    pub fn from_pem(pem: &str) -> Result<Self, IdentityError> {
        let unreadable = IdentityError::Unreadable { wanted: CA_WANTED };
        match read_pem(pem, 1).as_deref() {
            Some([der]) => Self::from_der(der.clone()),
            _ => Err(unreadable),
        }
    }

    pub(crate) fn from_der(der: CertificateDer<'static>) -> Result<Self, IdentityError> {
        let unreadable = IdentityError::Unreadable { wanted: CA_WANTED };
        let (key, not_after) = {
            let parsed = parse(&der).ok_or_else(|| unreadable.clone())?;
            if !parsed.is_ca() {
                return Err(unreadable);
            }
            let key = PublicKey::from_spki(parsed.public_key().raw).ok_or_else(|| unreadable.clone())?;
            (key, timestamp(parsed.validity().not_after.timestamp()).ok_or(unreadable)?)
        };
        Ok(Self { der, key, not_after })
    }

    /// The certificate in PEM.
    pub fn to_pem(&self) -> String {
        write_pem(&self.der)
    }

    /// The fingerprint of the CA's key: one name for its own certificate and for every cross-signed certificate of it.
    pub fn fingerprint(&self) -> KeyFingerprint {
        self.key.fingerprint()
    }

    /// When it runs out.
    pub fn not_after(&self) -> Timestamp {
        self.not_after
    }

    pub(crate) fn der(&self) -> &CertificateDer<'static> {
        &self.der
    }

    pub(crate) fn key(&self) -> PublicKey {
        self.key
    }

    /// Its subject's common name.
    pub(crate) fn common_name(&self) -> Option<String> {
        let parsed = parse(&self.der)?;
        let name = parsed.subject().iter_common_name().next()?.as_str().ok()?;
        Some(name.to_owned())
    }

    pub(crate) fn raw_subject(&self) -> Option<Vec<u8>> {
        Some(parse(&self.der)?.subject().as_raw().to_vec())
    }
}

impl fmt::Debug for CaCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CaCertificate({}, until {})", self.fingerprint(), self.not_after)
    }
}

impl Chain {
    /// Reads a chain, the leaf first.
    ///
    /// # Errors
    ///
    /// [`IdentityError::Unreadable`]: no certificate, too many, or a leaf not of a P-256 key.
    pub fn from_pem(pem: &str) -> Result<Self, IdentityError> {
        let unreadable = IdentityError::Unreadable { wanted: CHAIN_WANTED };
        Self::new(read_pem(pem, CHAIN_CERTIFICATES_MAX).ok_or(unreadable)?)
    }

    pub(crate) fn new(certificates: Vec<CertificateDer<'static>>) -> Result<Self, IdentityError> {
        let unreadable = IdentityError::Unreadable { wanted: CHAIN_WANTED };
        let leaf = certificates.first().and_then(|leaf| parse(leaf)).ok_or_else(|| unreadable.clone())?;
        let key = PublicKey::from_spki(leaf.public_key().raw).ok_or_else(|| unreadable.clone())?;
        let not_before =
            timestamp(leaf.validity().not_before.timestamp()).ok_or_else(|| unreadable.clone())?;
        let not_after = timestamp(leaf.validity().not_after.timestamp()).ok_or(unreadable)?;
        let names = served_names(&leaf);
        Ok(Self { certificates, key, not_before, not_after, names })
    }

    /// The chain in PEM, the leaf first.
    pub fn to_pem(&self) -> String {
        self.certificates.iter().map(write_pem).collect()
    }

    /// The key of the leaf.
    pub fn key(&self) -> PublicKey {
        self.key
    }

    /// When the leaf begins.
    pub fn not_before(&self) -> Timestamp {
        self.not_before
    }

    /// When the leaf runs out.
    pub fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// The host names and addresses it is good for as a TLS server's, as text, sorted; empty if it is a client's only.
    pub fn served_names(&self) -> &[String] {
        &self.names
    }

    /// Whether it is time for another: after two thirds of its life (I3).
    pub fn renewal_due(&self, now: Timestamp) -> bool {
        let life = self.not_after.duration_since(self.not_before);
        now >= self.not_before + life * 2 / 3
    }

    /// Whether one of these CAs issued the leaf. See [`is_issued_by`].
    pub fn is_issued_by(&self, cas: &[CaCertificate]) -> bool {
        is_issued_by(&self.certificates[0], cas)
    }

    /// The leaf alone, in DER: as it is presented in a handshake.
    pub fn leaf_der(&self) -> &[u8] {
        &self.certificates[0]
    }

    /// Whether it leads from the leaf to one of these CAs, directly or over its cross-signed certificates, as of the
    /// moment when the leaf was issued.
    pub fn leads_to(&self, cas: &[CaCertificate]) -> bool {
        leads_to(&self.certificates[0], &self.certificates[1..], cas)
    }

    /// The client that the leaf names.
    ///
    /// # Errors
    ///
    /// [`IdentityError::NoClient`].
    pub fn peer(&self) -> Result<Peer, IdentityError> {
        Peer::from_der(&self.certificates[0])
    }

    pub(crate) fn der(&self) -> &[CertificateDer<'static>] {
        &self.certificates
    }
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Chain({}, until {}, {} certificates)",
            self.key.fingerprint(),
            self.not_after,
            self.certificates.len()
        )
    }
}

impl Peer {
    /// Reads which client a certificate (DER) names, as it was presented in a handshake.
    ///
    /// # Errors
    ///
    /// [`IdentityError::NoClient`]: it names no client, or more than one.
    pub fn from_der(der: &[u8]) -> Result<Self, IdentityError> {
        let parsed = parse(der).ok_or(IdentityError::NoClient)?;
        let alternative = parsed.subject_alternative_name().ok().flatten().ok_or(IdentityError::NoClient)?;
        let mut clients = alternative.value.general_names.iter().filter_map(|name| match name {
            GeneralName::URI(uri) => uri.strip_prefix(CLIENT_URI),
            _ => None,
        });
        let (Some(client), None) = (clients.next(), clients.next()) else {
            return Err(IdentityError::NoClient);
        };
        let client = ClientId::from_str(client).map_err(|_| IdentityError::NoClient)?;
        let key = PublicKey::from_spki(parsed.public_key().raw).ok_or(IdentityError::NoClient)?.fingerprint();
        let not_after = timestamp(parsed.validity().not_after.timestamp()).ok_or(IdentityError::NoClient)?;
        Ok(Self { client, key, not_after })
    }

    /// Whether the certificate has not run out. A TLS session that was resumed may have begun while it was good.
    pub fn is_good_at(&self, now: Timestamp) -> bool {
        now < self.not_after
    }
}

/// Whether one of these CAs issued a client's certificate (DER), directly and over no cross-signed certificate, as of the
/// moment when it was issued: it may have run out since.
pub fn is_issued_by(leaf: &[u8], cas: &[CaCertificate]) -> bool {
    leads_to(leaf, &[], cas)
}

fn leads_to(leaf: &[u8], cross_signed: &[CertificateDer<'_>], cas: &[CaCertificate]) -> bool {
    let Some(begins) = parse(leaf).map(|leaf| leaf.validity().not_before.timestamp()) else { return false };
    let issued = u64::try_from(begins).unwrap_or(0) + CERTIFICATE_HEAD_START.as_secs();
    let issued = UnixTime::since_unix_epoch(Duration::from_secs(issued));
    tls_roots::client_verifier(cas.iter().map(CaCertificate::der)).is_ok_and(|verifier| {
        verifier.verify_client_cert(&CertificateDer::from(leaf), cross_signed, issued).is_ok()
    })
}

fn served_names(leaf: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(alternative)) = leaf.subject_alternative_name() else {
        return Vec::new();
    };
    let mut names: Vec<String> = alternative.value.general_names.iter().filter_map(served_name).collect();
    names.sort();
    names
}

fn served_name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(host) => Some((*host).to_owned()),
        GeneralName::IPAddress(bytes) => match bytes.len() {
            4 => <[u8; 4]>::try_from(*bytes).ok().map(|octets| std::net::Ipv4Addr::from(octets).to_string()),
            _ => <[u8; 16]>::try_from(*bytes).ok().map(|octets| std::net::Ipv6Addr::from(octets).to_string()),
        },
        _ => None,
    }
}

fn parse(der: &[u8]) -> Option<X509Certificate<'_>> {
    let (rest, parsed) = x509_parser::parse_x509_certificate(der).ok()?;
    rest.is_empty().then_some(parsed)
}

fn timestamp(seconds: i64) -> Option<Timestamp> {
    Timestamp::from_second(seconds).ok()
}

/// The certificates of a PEM text: between one and `max`.
fn read_pem(pem: &str, max: usize) -> Option<Vec<CertificateDer<'static>>> {
    if pem.len() > PEM_LENGTH_MAX {
        return None;
    }
    let certificates: Vec<_> =
        CertificateDer::pem_slice_iter(pem.as_bytes()).take(max + 1).collect::<Result<_, _>>().ok()?;
    (1..=max).contains(&certificates.len()).then_some(certificates)
}

fn write_pem(der: &CertificateDer<'_>) -> String {
    let document = Document::try_from(der.as_ref()).expect("a certificate is DER");
    document.to_pem("CERTIFICATE", LineEnding::LF).expect("the label is valid")
}
