//! Signing keys: ECDSA on P-256, in PKCS#8 PEM files.
//!
//! One type for all who sign or speak TLS: the signed bytes name the purpose of a signature
//! (see [`crate::statement`]), so that one made for one purpose is never good for another.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ParsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use headwater_policy::ClientId;
use rcgen::{
    CertificateParams, DistinguishedName, DnType, PKCS_ECDSA_P256_SHA256, PublicKeyData as _, SigningKey as _,
};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use secrecy::SecretString;

use crate::error::IdentityError;
use crate::limits::PEM_LENGTH_MAX;

const KEY_WANTED: &str = "a PKCS#8 private key of the curve P-256 in PEM";
const PUBLIC_WANTED: &str = "a public key of the curve P-256 (its SubjectPublicKeyInfo in base64)";
/// What stands before the point in the `SubjectPublicKeyInfo` of every P-256 key (RFC 5480).
const SPKI_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
const SPKI_LENGTH: usize = SPKI_PREFIX.len() + 65;

/// An ECDSA P-256 private key. It cannot be printed; only [`Self::to_pem`] gives it away.
pub struct SecretKey(rcgen::KeyPair);

/// A client's key: made on the endpoint, never leaves it (I3).
pub type ClientKey = SecretKey;
/// The key of the server's TLS certificate.
pub type ServerKey = SecretKey;
/// The key by which the server signs its answers, so that a carrier cannot change them.
pub type ResponseSigningKey = SecretKey;

/// An ECDSA P-256 public key. As text: its `SubjectPublicKeyInfo` in base64.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; SPKI_LENGTH]);

/// The SHA-256 of a public key's `SubjectPublicKeyInfo`. As text: 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyFingerprint([u8; 32]);

/// A signing request whose signature was checked: its sender has the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningRequest {
    key: PublicKey,
}

impl SecretKey {
    /// Makes a new key.
    ///
    /// # Errors
    ///
    /// [`IdentityError::NoRandomness`].
    pub fn generate() -> Result<Self, IdentityError> {
        rcgen::KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)
            .map(Self)
            .map_err(|_| IdentityError::NoRandomness)
    }

    /// Reads a key's file.
    ///
    /// # Errors
    ///
    /// [`IdentityError::Unreadable`]: not one P-256 key in PKCS#8 PEM.
    pub fn from_pem(pem: &str) -> Result<Self, IdentityError> {
        let unreadable = IdentityError::Unreadable { wanted: KEY_WANTED };
        if pem.len() > PEM_LENGTH_MAX {
            return Err(unreadable);
        }
        rcgen::KeyPair::from_pkcs8_pem_and_sign_algo(pem, &PKCS_ECDSA_P256_SHA256)
            .map(Self)
            .map_err(|_| unreadable)
    }

    /// The key's file: PKCS#8 in PEM. To be written readable for its owner alone.
    pub fn to_pem(&self) -> SecretString {
        SecretString::from(self.0.serialize_pem())
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        PublicKey::from_spki(&self.0.subject_public_key_info())
            .expect("the key is on P-256, its point uncompressed")
    }

    /// The public half's fingerprint.
    pub fn fingerprint(&self) -> KeyFingerprint {
        self.public().fingerprint()
    }

    /// Asks for a certificate for this key (PKCS #10, PEM). Who it is issued to is the issuer's decision; the name in
    /// the request is only for people who read it.
    ///
    /// # Errors
    ///
    /// [`IdentityError::NoRandomness`].
    pub fn signing_request(&self, client: &ClientId) -> Result<String, IdentityError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, client.as_str());
        let request = params.serialize_request(&self.0).map_err(|_| IdentityError::NoRandomness)?;
        request.pem().map_err(|_| IdentityError::NoRandomness)
    }

    pub(crate) fn sign(&self, bytes: &[u8]) -> Result<Vec<u8>, IdentityError> {
        self.0.sign(bytes).map_err(|_| IdentityError::NoRandomness)
    }

    pub(crate) fn pair(&self) -> &rcgen::KeyPair {
        &self.0
    }

    pub(crate) fn der(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.0.serialize_der()))
    }
}

impl Drop for SecretKey {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.0);
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey(of {})", self.fingerprint())
    }
}

impl PublicKey {
    /// Its fingerprint.
    pub fn fingerprint(&self) -> KeyFingerprint {
        let hash = digest(&SHA256, &self.0);
        KeyFingerprint(hash.as_ref().try_into().expect("SHA-256 has 32 bytes"))
    }

    pub(crate) fn from_spki(spki: &[u8]) -> Option<Self> {
        let bytes: [u8; SPKI_LENGTH] = spki.try_into().ok()?;
        let point = bytes.strip_prefix(SPKI_PREFIX.as_slice())?;
        ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).ok()?;
        Some(Self(bytes))
    }

    pub(crate) fn spki(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn verifies(&self, bytes: &[u8], signature: &[u8]) -> bool {
        ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &self.0[SPKI_PREFIX.len()..])
            .is_ok_and(|key| key.verify_sig(bytes, signature).is_ok())
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.fingerprint())
    }
}

impl FromStr for PublicKey {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Self, IdentityError> {
        let unreadable = IdentityError::Unreadable { wanted: PUBLIC_WANTED };
        if text.len() > PEM_LENGTH_MAX {
            return Err(unreadable);
        }
        STANDARD.decode(text).ok().and_then(|spki| Self::from_spki(&spki)).ok_or(unreadable)
    }
}

impl fmt::Display for KeyFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for KeyFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyFingerprint({self})")
    }
}

impl FromStr for KeyFingerprint {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Self, IdentityError> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| IdentityError::Unreadable {
            wanted: "a key's fingerprint: 64 hexadecimal digits",
        })?;
        Ok(Self(bytes))
    }
}

impl SigningRequest {
    /// Reads a signing request and checks that it is signed by the key it is for. What else it asks for (names,
    /// usages) is ignored: the issuer decides that.
    ///
    /// # Errors
    ///
    /// [`IdentityError::Request`]: unreadable, not signed by its key, or not a P-256 key.
    pub fn from_pem(pem: &str) -> Result<Self, IdentityError> {
        if pem.len() > PEM_LENGTH_MAX {
            return Err(IdentityError::Request("it is longer than any signing request"));
        }
        let request = rcgen::CertificateSigningRequestParams::from_pem(pem).map_err(|_| {
            IdentityError::Request("it is unreadable, or not signed by the key that it names")
        })?;
        PublicKey::from_spki(&request.public_key.subject_public_key_info())
            .map(|key| Self { key })
            .ok_or(IdentityError::Request("its key is not of the curve P-256"))
    }

    /// The key it is for.
    pub fn key(&self) -> PublicKey {
        self.key
    }
}
