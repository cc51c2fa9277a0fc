//! What a passphrase guards: private keys in encrypted PKCS#8 files, and the keys of a backup.
//!
//! The format is PBES2 (RFC 8018) with scrypt (RFC 7914), as OpenSSL and python-cryptography read and write it, so that a
//! root key of ten years ago does not need this program. Files made elsewhere may use PBKDF2. What deriving a key may
//! cost is bounded: a file cannot make its reader work for hours.

use std::fmt;

use aws_lc_rs::rand;
use pkcs8::der::asn1::OctetString;
use pkcs8::der::zeroize::Zeroizing;
use pkcs8::der::{Decode as _, Encode as _};
use pkcs8::pkcs5::EncryptionScheme;
use pkcs8::pkcs5::pbes2::{self, Kdf, Parameters, Salt, ScryptParams};
use pkcs8::{EncryptedPrivateKeyInfoOwned, LineEnding, SecretDocument};

use crate::keys::{KeyError, SecretKey};
use crate::limits::{
    KEY_PEM_LENGTH_MAX, PASSPHRASE_LENGTH_MAX, PASSPHRASE_LENGTH_MIN, PBKDF2_ROUNDS_MAX, SCRYPT_BYTES_MAX,
    SCRYPT_LANES_MAX,
};

const ENCRYPTED: &str = "ENCRYPTED PRIVATE KEY";
/// N of scrypt: with r = 8 it is 16 MiB, within what OpenSSL takes without being asked.
const SCRYPT_N: u64 = 1 << 14;
const SCRYPT_R: u16 = 8;

/// A passphrase. It cannot be printed, and its memory is cleared.
pub struct Passphrase(Zeroizing<String>);

/// Who thought of a passphrase, which says how dear each guess at it has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cost {
    /// A person: scrypt with N = 2^14, r = 8, p = 5.
    Offline,
    /// A generator, for keys that a server reads at each start: p = 1.
    Online,
}

impl Passphrase {
    /// A passphrase that is given for something encrypted before.
    ///
    /// # Errors
    ///
    /// Empty, or longer than [`PASSPHRASE_LENGTH_MAX`].
    pub fn new(text: String) -> Result<Self, KeyError> {
        let text = Zeroizing::new(text);
        if text.is_empty() || text.len() > PASSPHRASE_LENGTH_MAX {
            return Err(KeyError::Passphrase);
        }
        Ok(Self(text))
    }

    /// A passphrase for something new.
    ///
    /// # Errors
    ///
    /// As above, and where it is shorter than [`PASSPHRASE_LENGTH_MIN`].
    pub fn for_new(text: String) -> Result<Self, KeyError> {
        let passphrase = Self::new(text)?;
        if passphrase.0.len() < PASSPHRASE_LENGTH_MIN {
            return Err(KeyError::Passphrase);
        }
        Ok(passphrase)
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(…)")
    }
}

impl SecretKey {
    /// The key's file, encrypted: PKCS#8 in PEM.
    ///
    /// # Errors
    ///
    /// [`KeyError::NoRandomness`].
    pub fn to_encrypted_pem(&self, passphrase: &Passphrase, cost: Cost) -> Result<String, KeyError> {
        let iv = random()?;
        let parameters =
            Parameters { kdf: scrypt(cost)?, encryption: pbes2::EncryptionScheme::Aes256Cbc { iv } };
        let document = encrypted(&self.to_pkcs8(), passphrase, parameters)?;
        let pem = document.to_pem(ENCRYPTED, LineEnding::LF).map_err(|_| KeyError::NotPem)?;
        Ok(pem.as_str().to_owned())
    }

    /// Reads a key's file, encrypted or plain.
    ///
    /// # Errors
    ///
    /// [`KeyError::PassphraseNeeded`] without one, [`KeyError::WrongPassphrase`], [`KeyError::TooCostly`]; those of
    /// [`SecretKey::from_pem`] for a plain file.
    pub fn read(pem: &str, passphrase: Option<&Passphrase>) -> Result<Self, KeyError> {
        if !is_encrypted(pem) {
            return Self::from_pem(pem);
        }
        let passphrase = passphrase.ok_or(KeyError::PassphraseNeeded)?;
        if pem.len() > KEY_PEM_LENGTH_MAX {
            return Err(KeyError::NotPem);
        }
        let (_, document) = SecretDocument::from_pem(pem.trim()).map_err(|_| KeyError::NotPem)?;
        let der = decrypted(document.as_bytes(), passphrase)?;
        Self::from_pkcs8(&der).map_err(|_| KeyError::WrongPassphrase)
    }
}

/// Whether a key's file wants a passphrase.
pub fn is_encrypted(pem: &str) -> bool {
    pem.trim_start().strip_prefix("-----BEGIN ").is_some_and(|rest| rest.starts_with(ENCRYPTED))
}

/// Encrypts any bytes so that any change is detected (AES-256-GCM): the keys of a backup.
///
/// # Errors
///
/// [`KeyError::NoRandomness`].
pub fn seal(bytes: &[u8], passphrase: &Passphrase) -> Result<Vec<u8>, KeyError> {
    let nonce = random()?;
    let encryption = pbes2::EncryptionScheme::Aes256Gcm { nonce };
    let parameters = Parameters { kdf: scrypt(Cost::Offline)?, encryption };
    Ok(encrypted(bytes, passphrase, parameters)?.as_bytes().to_vec())
}

/// Opens what [`seal`] made.
///
/// # Errors
///
/// [`KeyError::WrongPassphrase`], [`KeyError::TooCostly`], [`KeyError::NotPem`] for anything else.
pub fn open(sealed: &[u8], passphrase: &Passphrase) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    decrypted(sealed, passphrase)
}

fn random<const N: usize>() -> Result<[u8; N], KeyError> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(|_| KeyError::NoRandomness)?;
    Ok(bytes)
}

fn scrypt(cost: Cost) -> Result<Kdf, KeyError> {
    let salt = Salt::new(random::<16>()?).map_err(|_| KeyError::NoRandomness)?;
    let parallelization = match cost {
        Cost::Offline => 5,
        Cost::Online => 1,
    };
    Ok(Kdf::Scrypt(ScryptParams {
        salt,
        cost_parameter: SCRYPT_N,
        block_size: SCRYPT_R,
        parallelization,
        key_length: None,
    }))
}

fn encrypted(
    bytes: &[u8],
    passphrase: &Passphrase,
    parameters: Parameters,
) -> Result<SecretDocument, KeyError> {
    let made = "our own parameters encrypt anything";
    let data = parameters.encrypt(passphrase.0.as_bytes(), bytes).expect(made);
    let encrypted_data = OctetString::new(data).map_err(|_| KeyError::NotPem)?;
    let info = EncryptedPrivateKeyInfoOwned {
        encryption_algorithm: EncryptionScheme::Pbes2(parameters),
        encrypted_data,
    };
    let der = Zeroizing::new(info.to_der().map_err(|_| KeyError::NotPem)?);
    SecretDocument::try_from(der.as_slice()).map_err(|_| KeyError::NotPem)
}

fn decrypted(der: &[u8], passphrase: &Passphrase) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let info = EncryptedPrivateKeyInfoOwned::from_der(der).map_err(|_| KeyError::NotPem)?;
    let EncryptionScheme::Pbes2(parameters) = &info.encryption_algorithm else {
        return Err(KeyError::NotPem);
    };
    check_cost(&parameters.kdf)?;
    let plain = parameters
        .decrypt(passphrase.0.as_bytes(), info.encrypted_data.as_bytes())
        .map_err(|_| KeyError::WrongPassphrase)?;
    Ok(Zeroizing::new(plain))
}

fn check_cost(kdf: &Kdf) -> Result<(), KeyError> {
    let fits = match kdf {
        Kdf::Scrypt(scrypt) => {
            let n = scrypt.cost_parameter;
            let bytes = n.checked_mul(128 * u64::from(scrypt.block_size));
            n.is_power_of_two()
                && n > 1
                && scrypt.block_size > 0
                && bytes.is_some_and(|bytes| bytes <= SCRYPT_BYTES_MAX)
                && (1..=SCRYPT_LANES_MAX).contains(&scrypt.parallelization)
        }
        Kdf::Pbkdf2(pbkdf2) => (1..=PBKDF2_ROUNDS_MAX).contains(&pbkdf2.iteration_count),
        _ => false,
    };
    if fits { Ok(()) } else { Err(KeyError::TooCostly) }
}
