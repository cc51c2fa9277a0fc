//! The key of a domain's confidential settings: only that domain's clients can read them (I3).

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use headwater_policy::{ClientId, DomainPath};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::error::IdentityError;
use crate::limits::SEALED_LENGTH_MAX;
use crate::seal::{EncryptionKey, EncryptionPublicKey, Purpose, Sealed};

const KEY_WANTED: &str = "the key of a domain's settings (32 bytes in base64)";

/// A random key of 256 bits. It cannot be printed; only [`Self::to_text`] gives it away.
#[derive(Clone)]
pub struct DomainKey(Zeroizing<[u8; 32]>);

/// The name of a domain key: the first half of its SHA-256. As text: 32 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DomainKeyId([u8; 16]);

/// Settings that only the domain's clients read, as they travel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedSettings {
    /// Which key opens it.
    pub key_id: String,
    /// The number used once, base64.
    pub nonce: String,
    /// The ciphertext, base64.
    pub body: String,
}

impl DomainKey {
    /// Makes a new key.
    ///
    /// # Errors
    ///
    /// [`IdentityError::NoRandomness`].
    pub fn generate() -> Result<Self, IdentityError> {
        let mut bytes = Zeroizing::new([0; 32]);
        aws_lc_rs::rand::fill(bytes.as_mut_slice()).map_err(|_| IdentityError::NoRandomness)?;
        Ok(Self(bytes))
    }

    /// Its name.
    pub fn id(&self) -> DomainKeyId {
        let hash = digest(&SHA256, self.0.as_slice());
        DomainKeyId(hash.as_ref()[..16].try_into().expect("SHA-256 has 32 bytes"))
    }

    /// The key as text, to be kept readable for its owner alone.
    pub fn to_text(&self) -> SecretString {
        SecretString::from(STANDARD.encode(self.0.as_slice()))
    }

    /// Seals the key to one client of the domain.
    ///
    /// # Errors
    ///
    /// [`IdentityError::NoRandomness`].
    pub fn seal_to(
        &self,
        reader: &EncryptionPublicKey,
        client: &ClientId,
        domain: &DomainPath,
    ) -> Result<Sealed, IdentityError> {
        reader.seal(self.0.as_slice(), Purpose::DomainKey { client, domain })
    }

    /// Opens a key that was sealed to this client.
    ///
    /// # Errors
    ///
    /// [`IdentityError::Sealed`].
    pub fn open(
        key: &EncryptionKey,
        sealed: &Sealed,
        client: &ClientId,
        domain: &DomainPath,
    ) -> Result<Self, IdentityError> {
        let bytes = key.open(sealed, Purpose::DomainKey { client, domain })?;
        let bytes = <[u8; 32]>::try_from(bytes.expose_secret()).map_err(|_| IdentityError::Sealed)?;
        Ok(Self(Zeroizing::new(bytes)))
    }

    /// Seals settings, bound to their domain and version.
    ///
    /// # Errors
    ///
    /// [`IdentityError::Oversized`]; [`IdentityError::NoRandomness`].
    pub fn seal_settings(
        &self,
        domain: &DomainPath,
        version: u64,
        plaintext: &[u8],
    ) -> Result<SealedSettings, IdentityError> {
        if plaintext.len() > SEALED_LENGTH_MAX {
            return Err(IdentityError::Oversized { what: "a domain's settings", max: SEALED_LENGTH_MAX });
        }
        let mut bytes = plaintext.to_vec();
        let nonce = self
            .aead()
            .seal_in_place_append_tag(Aad::from(bound_to(domain, version)), &mut bytes)
            .map_err(|_| IdentityError::NoRandomness)?;
        let nonce = STANDARD.encode(nonce.as_ref());
        Ok(SealedSettings { key_id: self.id().to_string(), nonce, body: STANDARD.encode(bytes) })
    }

    /// Opens settings of that domain and version.
    ///
    /// # Errors
    ///
    /// [`IdentityError::Sealed`]: another key, domain or version, or changed since.
    pub fn open_settings(
        &self,
        domain: &DomainPath,
        version: u64,
        sealed: &SealedSettings,
    ) -> Result<Vec<u8>, IdentityError> {
        if sealed.body.len() > SEALED_LENGTH_MAX * 2 {
            return Err(IdentityError::Oversized { what: "a domain's settings", max: SEALED_LENGTH_MAX });
        }
        let nonce = STANDARD.decode(&sealed.nonce).map_err(|_| IdentityError::Sealed)?;
        let nonce = Nonce::try_assume_unique_for_key(&nonce).map_err(|_| IdentityError::Sealed)?;
        let mut bytes = STANDARD.decode(&sealed.body).map_err(|_| IdentityError::Sealed)?;
        let plaintext = self
            .aead()
            .open_in_place(nonce, Aad::from(bound_to(domain, version)), &mut bytes)
            .map_err(|_| IdentityError::Sealed)?;
        Ok(plaintext.to_vec())
    }

    fn aead(&self) -> RandomizedNonceKey {
        RandomizedNonceKey::new(&AES_256_GCM, self.0.as_slice()).expect("a key of AES-256 has 32 bytes")
    }
}

fn bound_to(domain: &DomainPath, version: u64) -> Vec<u8> {
    format!("headwater settings, format 1\n{domain}\n{version}").into_bytes()
}

impl FromStr for DomainKey {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Self, IdentityError> {
        let unreadable = IdentityError::Unreadable { wanted: KEY_WANTED };
        if text.len() > 64 {
            return Err(unreadable);
        }
        let bytes = Zeroizing::new(STANDARD.decode(text).map_err(|_| unreadable.clone())?);
        <[u8; 32]>::try_from(bytes.as_slice())
            .map(|bytes| Self(Zeroizing::new(bytes)))
            .map_err(|_| unreadable)
    }
}

impl fmt::Debug for DomainKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DomainKey({})", self.id())
    }
}

impl fmt::Display for DomainKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}
