//! Ed25519 keys: made here, kept in PKCS#8 PEM files, named by the id that The Update Framework computes.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use pkcs8::der::pem;
use pkcs8::der::zeroize::Zeroizing;
use pkcs8::{LineEnding, SecretDocument};
use secrecy::SecretString;
use serde::Serialize;

use crate::canonical::{canonical, canonical_digest};
use crate::document::{Envelope, KeyDocument, Signature};
use crate::key_id::KeyId;
use crate::limits::KEY_PEM_LENGTH_MAX;

const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const END: &str = "-----END PRIVATE KEY-----";
const LABEL: &str = "PRIVATE KEY";

/// A key that cannot be used. The text never holds key material.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Not one PEM block `PRIVATE KEY`.
    #[error("this is not a PKCS#8 private key in PEM: it must be one block between {BEGIN:?} and {END:?}")]
    NotPem,
    /// A PEM block, but not of an Ed25519 key.
    #[error("the PEM block does not hold an Ed25519 private key (make one with `headwater repo key`)")]
    NotEd25519,
    /// Not 64 hexadecimal digits, or no point of the curve.
    #[error("this is not an Ed25519 public key: write its 32 bytes as 64 hexadecimal digits")]
    NotPublic,
    /// The file is encrypted and no passphrase was given.
    #[error("the key is encrypted: it needs its passphrase")]
    PassphraseNeeded,
    /// It does not decrypt to a key.
    #[error("the passphrase is wrong, or the file is damaged")]
    WrongPassphrase,
    /// Deriving its key would take more memory or time than any honest file does.
    #[error(
        "the encrypted file asks for more work than is allowed: it was not made by this program, or was changed"
    )]
    TooCostly,
    /// Too short for something new, or too long for anything.
    #[error(
        "a passphrase has {min} to {max} characters",
        min = crate::limits::PASSPHRASE_LENGTH_MIN,
        max = crate::limits::PASSPHRASE_LENGTH_MAX
    )]
    Passphrase,
    /// The operating system gave no randomness.
    #[error("the system gave no random numbers to make a key from")]
    NoRandomness,
}

/// An Ed25519 private key. It cannot be printed; only [`Self::to_pem`] gives it away.
pub struct SecretKey {
    pair: Ed25519KeyPair,
    public: PublicKey,
}

/// An Ed25519 public key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; 32]);

impl SecretKey {
    /// Makes a new key.
    ///
    /// # Errors
    ///
    /// [`KeyError::NoRandomness`].
    pub fn generate() -> Result<Self, KeyError> {
        Ok(Self::new(Ed25519KeyPair::generate().map_err(|_| KeyError::NoRandomness)?))
    }

    /// Reads the PEM text of a PKCS#8 key, as `headwater repo key`, OpenSSL and python-cryptography write it.
    ///
    /// # Errors
    ///
    /// [`KeyError::NotPem`], [`KeyError::NotEd25519`].
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        if text.len() > KEY_PEM_LENGTH_MAX {
            return Err(KeyError::NotPem);
        }
        let (label, der) = pem::decode_vec(text.trim().as_bytes()).map_err(|_| KeyError::NotPem)?;
        let der = Zeroizing::new(der);
        if label != LABEL {
            return Err(KeyError::NotPem);
        }
        Self::from_pkcs8(&der)
    }

    pub(crate) fn from_pkcs8(der: &[u8]) -> Result<Self, KeyError> {
        Ok(Self::new(Ed25519KeyPair::from_pkcs8(der).map_err(|_| KeyError::NotEd25519)?))
    }

    pub(crate) fn to_pkcs8(&self) -> Zeroizing<Vec<u8>> {
        let der = self.pair.to_pkcs8v1().expect("an Ed25519 key in memory can be encoded");
        Zeroizing::new(der.as_ref().to_vec())
    }

    /// The key's file: PKCS#8 in PEM. To be written readable for its owner alone.
    pub fn to_pem(&self) -> SecretString {
        let document = SecretDocument::try_from(self.to_pkcs8().as_slice()).expect("PKCS#8 is DER");
        let pem = document.to_pem(LABEL, LineEnding::LF).expect("a key is short and has a valid label");
        SecretString::from(pem.as_str())
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        self.public
    }

    /// The public half's id.
    pub fn id(&self) -> KeyId {
        self.public.id()
    }

    pub(crate) fn sign(&self, bytes: &[u8]) -> String {
        hex::encode(self.pair.sign(bytes))
    }

    fn new(pair: Ed25519KeyPair) -> Self {
        let bytes = pair.public_key().as_ref().try_into().expect("Ed25519 public keys are 32 bytes long");
        Self { pair, public: PublicKey(bytes) }
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey(of {})", self.public.id())
    }
}

impl PublicKey {
    /// The key's id.
    pub fn id(&self) -> KeyId {
        KeyId::new(canonical_digest(&self.document()))
    }

    /// The key's own 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub(crate) fn document(&self) -> KeyDocument {
        KeyDocument::ed25519(self.to_string())
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| KeyError::NotPublic)?;
        Ok(Self(bytes))
    }
}

impl<T: Serialize> Envelope<T> {
    /// Adds the key's signature, in the place of an earlier one.
    pub(crate) fn sign(&mut self, key: &SecretKey) {
        let keyid = key.id().to_string();
        self.signatures.retain(|signature| signature.keyid != keyid);
        self.signatures.push(Signature { keyid, sig: key.sign(&canonical(&self.signed)) });
        self.signatures.sort_by(|a, b| a.keyid.cmp(&b.keyid));
    }
}

/// The private keys that are available. Each role is signed with all of those that belong to it.
#[derive(Debug, Default)]
pub struct KeyRing(BTreeMap<KeyId, SecretKey>);

impl KeyRing {
    /// A ring without keys.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a key. One that is there already is not there twice.
    pub fn add(&mut self, key: SecretKey) {
        self.0.insert(key.id(), key);
    }

    /// The keys, in order of id.
    pub fn keys(&self) -> impl Iterator<Item = &SecretKey> {
        self.0.values()
    }

    /// Whether enough of `ids` are available to sign.
    pub fn reaches(&self, ids: &[KeyId], threshold: usize) -> bool {
        ids.iter().filter(|id| self.0.contains_key(id)).count() >= threshold
    }

    /// The key with that id.
    pub fn get(&self, id: &KeyId) -> Option<&SecretKey> {
        self.0.get(id)
    }
}

impl FromIterator<SecretKey> for KeyRing {
    fn from_iter<I: IntoIterator<Item = SecretKey>>(keys: I) -> Self {
        let mut ring = Self::new();
        keys.into_iter().for_each(|key| ring.add(key));
        ring
    }
}
