//! Sealing: a text that only one reader can open (I3, U5).
//!
//! HPKE (RFC 9180) in base mode, X25519, HKDF-SHA256, AES-256-GCM, as the TLS library has it. Its purpose and its
//! subject are bound to it: sealed for one purpose it cannot be opened for another.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::agreement::{PrivateKey, UnparsedPublicKey, X25519, agree};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use headwater_policy::{ClientId, DomainPath};
use pkcs8::{LineEnding, SecretDocument};
use rustls::crypto::aws_lc_rs::hpke::DH_KEM_X25519_HKDF_SHA256_AES_256;
use rustls::crypto::hpke::{EncapsulatedSecret, Hpke as _, HpkePrivateKey, HpkePublicKey};
use secrecy::{SecretSlice, SecretString};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::error::IdentityError;
use crate::limits::{PEM_LENGTH_MAX, SEALED_LENGTH_MAX};

const KEY_WANTED: &str = "a PKCS#8 private key of the curve X25519 in PEM";
const PUBLIC_WANTED: &str = "a public key of the curve X25519 (its 32 bytes in base64)";
/// What stands before the 32 bytes of an X25519 key in PKCS#8 (RFC 8410).
const PKCS8_PREFIX: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x6e, 0x04, 0x22, 0x04, 0x20];
const LABEL: &str = "PRIVATE KEY";

/// The key by which its owner opens what was sealed to it. It cannot be printed; only [`Self::to_pem`] gives it away.
pub struct EncryptionKey {
    secret: Zeroizing<[u8; 32]>,
    public: EncryptionPublicKey,
}

/// The key by which anybody seals for its owner. As text: base64.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct EncryptionPublicKey([u8; 32]);

/// What was sealed, as it travels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// The one-time key that the sender made, base64.
    pub encapsulated: String,
    /// The ciphertext, base64.
    pub body: String,
}

/// What something is sealed for. Opening for another purpose fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose<'a> {
    /// A request to enrol, to the server.
    Enrolment,
    /// The key of a domain's confidential settings, to a client.
    DomainKey {
        /// The reader.
        client: &'a ClientId,
        /// Whose settings it opens.
        domain: &'a DomainPath,
    },
}

impl EncryptionKey {
    /// Makes a new key.
    ///
    /// # Errors
    ///
    /// [`IdentityError::NoRandomness`].
    pub fn generate() -> Result<Self, IdentityError> {
        let mut secret = Zeroizing::new([0; 32]);
        aws_lc_rs::rand::fill(secret.as_mut_slice()).map_err(|_| IdentityError::NoRandomness)?;
        Self::new(secret).ok_or(IdentityError::NoRandomness)
    }

    /// Reads a key's file.
    ///
    /// # Errors
    ///
    /// [`IdentityError::Unreadable`].
    pub fn from_pem(pem: &str) -> Result<Self, IdentityError> {
        let unreadable = IdentityError::Unreadable { wanted: KEY_WANTED };
        if pem.len() > PEM_LENGTH_MAX {
            return Err(unreadable);
        }
        let (label, document) = SecretDocument::from_pem(pem.trim()).map_err(|_| unreadable.clone())?;
        let der = Some(document.as_bytes()).filter(|_| label == LABEL);
        let secret = der
            .and_then(|der| der.strip_prefix(PKCS8_PREFIX.as_slice()))
            .and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        secret.and_then(|secret| Self::new(Zeroizing::new(secret))).ok_or(unreadable)
    }

    /// The key's file: PKCS#8 in PEM. To be written readable for its owner alone.
    pub fn to_pem(&self) -> SecretString {
        let mut der = Zeroizing::new(PKCS8_PREFIX.to_vec());
        der.extend_from_slice(self.secret.as_slice());
        let document = SecretDocument::try_from(der.as_slice()).expect("PKCS#8 is DER");
        let pem = document.to_pem(LABEL, LineEnding::LF).expect("a key is short and has a valid label");
        SecretString::from(pem.as_str())
    }

    /// The public half.
    pub fn public(&self) -> EncryptionPublicKey {
        self.public
    }

    /// Opens what was sealed to this key for this purpose.
    ///
    /// # Errors
    ///
    /// [`IdentityError::Sealed`]; [`IdentityError::Oversized`].
    pub fn open(&self, sealed: &Sealed, purpose: Purpose<'_>) -> Result<SecretSlice<u8>, IdentityError> {
        if sealed.body.len() > SEALED_LENGTH_MAX * 2 {
            return Err(IdentityError::Oversized { what: "what was sealed", max: SEALED_LENGTH_MAX });
        }
        let encapsulated = STANDARD.decode(&sealed.encapsulated).map_err(|_| IdentityError::Sealed)?;
        let body = STANDARD.decode(&sealed.body).map_err(|_| IdentityError::Sealed)?;
        let secret = HpkePrivateKey::from(self.secret.to_vec());
        DH_KEM_X25519_HKDF_SHA256_AES_256
            .open(&EncapsulatedSecret(encapsulated), &purpose.info(), b"", &body, &secret)
            .map(SecretSlice::from)
            .map_err(|_| IdentityError::Sealed)
    }

    fn new(secret: Zeroizing<[u8; 32]>) -> Option<Self> {
        let private = PrivateKey::from_private_key(&X25519, secret.as_slice()).ok()?;
        let public = private.compute_public_key().ok()?;
        let public = EncryptionPublicKey(public.as_ref().try_into().ok()?);
        Some(Self { secret, public })
    }
}

impl fmt::Debug for EncryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EncryptionKey(of {})", self.public)
    }
}

impl EncryptionPublicKey {
    /// Seals so that only this key's owner opens it, and only for this purpose.
    ///
    /// # Errors
    ///
    /// [`IdentityError::Oversized`]; [`IdentityError::NoRandomness`].
    pub fn seal(&self, plaintext: &[u8], purpose: Purpose<'_>) -> Result<Sealed, IdentityError> {
        if plaintext.len() > SEALED_LENGTH_MAX {
            return Err(IdentityError::Oversized { what: "what is to be sealed", max: SEALED_LENGTH_MAX });
        }
        let key = HpkePublicKey(self.0.to_vec());
        let (encapsulated, body) = DH_KEM_X25519_HKDF_SHA256_AES_256
            .seal(&purpose.info(), b"", plaintext, &key)
            .map_err(|_| IdentityError::NoRandomness)?;
        Ok(Sealed { encapsulated: STANDARD.encode(encapsulated.0), body: STANDARD.encode(body) })
    }
}

impl fmt::Display for EncryptionPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.0))
    }
}

impl fmt::Debug for EncryptionPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EncryptionPublicKey({self})")
    }
}

impl FromStr for EncryptionPublicKey {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Self, IdentityError> {
        let unreadable = IdentityError::Unreadable { wanted: PUBLIC_WANTED };
        if text.len() > 64 {
            return Err(unreadable);
        }
        let bytes = STANDARD.decode(text).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        bytes.filter(can_be_sealed_to).map(Self).ok_or(unreadable)
    }
}

/// A point of low order gives everybody the same secret (RFC 7748, section 6.1): nothing can be sealed to it.
fn can_be_sealed_to(public: &[u8; 32]) -> bool {
    let Ok(any) = PrivateKey::from_private_key(&X25519, &[1; 32]) else { return false };
    agree(&any, UnparsedPublicKey::new(&X25519, public), (), |_| Ok(())).is_ok()
}

impl Purpose<'_> {
    fn info(&self) -> Vec<u8> {
        match self {
            Self::Enrolment => b"headwater enrolment, format 1".to_vec(),
            // Neither a client's id nor a domain holds a line feed.
            Self::DomainKey { client, domain } => {
                format!("headwater domain key, format 1\n{client}\n{domain}").into_bytes()
            }
        }
    }
}
