//! Secrets that the server hands out or keeps: types that cannot print themselves.

use std::fmt;
use std::path::Path;

use aws_lc_rs::{hmac, rand};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use headwater_repo::Digest;

use crate::data;
use crate::error::{Doing, Error, Result};

/// A text that whoever has it is believed. It prints as stars; [`Secret::expose`] is for the moment of handing it
/// over.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// What somebody sent.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// 256 random bits behind a prefix that tells secret scanners what it is.
    #[must_use]
    pub fn random(prefix: &str) -> Self {
        let mut bytes = [0; 32];
        fill(&mut bytes);
        Self(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// A password that a person can copy by hand: 98 random bits in groups of letters and digits that are not
    /// mistaken for one another.
    #[must_use]
    pub fn random_password() -> Self {
        const LETTERS: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz23456789x";
        let mut bytes = [0; 20];
        fill(&mut bytes);
        let letters: Vec<char> =
            bytes.iter().map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect();
        let groups: Vec<String> = letters.chunks(5).map(|group| group.iter().collect()).collect();
        Self(groups.join("-"))
    }

    /// The text itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What is stored of it: it has 256 random bits, so nobody finds it from this.
    #[must_use]
    pub fn hash(&self) -> String {
        Digest::of(self.0.as_bytes()).to_string()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

/// Seals the head of the audit log: whoever can write the database alone cannot make the log anew.
pub struct AuditKey(hmac::Key);

impl AuditKey {
    /// Reads the key, or makes it.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn load_or_make(path: &Path) -> Result<Self> {
        let bytes = match std::fs::read(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let mut bytes = vec![0; 32];
                fill(&mut bytes);
                data::write_file(path, &bytes)?;
                bytes
            }
            read => read.doing(|| format!("cannot read {}", path.display()))?,
        };
        if bytes.len() != 32 {
            return Err(Error::Corrupt {
                what: "audit key",
                reason: format!("{} has not 32 bytes", path.display()),
            });
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }

    /// The seal of some bytes, base64url.
    #[must_use]
    pub fn seal(&self, bytes: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode(hmac::sign(&self.0, bytes).as_ref())
    }

    /// Whether a seal is that of these bytes.
    #[must_use]
    pub fn is_seal_of(&self, bytes: &[u8], seal: &str) -> bool {
        let decoded = URL_SAFE_NO_PAD.decode(seal);
        decoded.is_ok_and(|seal| hmac::verify(&self.0, bytes, &seal).is_ok())
    }
}

impl fmt::Debug for AuditKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuditKey(***)")
    }
}

/// A random name of so many letters and digits.
#[must_use]
pub fn random_name(letters: usize) -> String {
    Secret::random_password().0.chars().filter(|letter| *letter != '-').take(letters).collect()
}

/// So many random bytes.
#[must_use]
pub fn random_bytes<const COUNT: usize>() -> [u8; COUNT] {
    let mut bytes = [0; COUNT];
    fill(&mut bytes);
    bytes
}

fn fill(bytes: &mut [u8]) {
    rand::fill(bytes).expect("the system gives random bytes");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_do_not_print_themselves() {
        let secret = Secret::random("hwa_");
        assert!(secret.expose().starts_with("hwa_") && secret.expose().len() == 47);
        assert_eq!(format!("{secret:?}"), "Secret(***)");
        let folder = tempfile::tempdir().unwrap();
        let key = AuditKey::load_or_make(&folder.path().join("audit.key")).unwrap();
        assert_eq!(format!("{key:?}"), "AuditKey(***)");
    }

    #[test]
    fn no_two_secrets_are_alike_and_passwords_can_be_copied_by_hand() {
        assert_ne!(Secret::random(""), Secret::random(""));
        let password = Secret::random_password();
        assert_eq!(password.expose().len(), 23);
        assert!(password.expose().chars().all(|letter| !"01lioIO".contains(letter)), "{}", password.expose());
    }

    #[test]
    fn the_seal_is_the_keys() {
        let folder = tempfile::tempdir().unwrap();
        let key = AuditKey::load_or_make(&folder.path().join("one.key")).unwrap();
        let again = AuditKey::load_or_make(&folder.path().join("one.key")).unwrap();
        let other = AuditKey::load_or_make(&folder.path().join("other.key")).unwrap();
        let seal = key.seal(b"head");
        assert!(again.is_seal_of(b"head", &seal));
        assert!(!again.is_seal_of(b"heads", &seal) && !other.is_seal_of(b"head", &seal));
        assert!(!key.is_seal_of(b"head", "not base64!"));
    }
}
