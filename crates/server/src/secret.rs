//! Secrets that the server hands out or keeps.

use std::path::Path;

use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use headwater_database::AuditKey;
use headwater_repo::Digest;
use secrecy::{ExposeSecret as _, SecretString};

use crate::data;
use crate::error::{Doing, Error, Result};

/// 256 random bits behind a prefix that tells secret scanners what the text is.
#[must_use]
pub fn random(prefix: &str) -> SecretString {
    let mut bytes = [0; 32];
    fill(&mut bytes);
    SecretString::from(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bytes)))
}

/// A password that a person can copy by hand: 98 random bits in groups of letters and digits that are not mistaken for
/// one another.
#[must_use]
pub fn random_password() -> SecretString {
    const LETTERS: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz23456789x";
    let mut bytes = [0; 20];
    fill(&mut bytes);
    let letters: Vec<char> = bytes.iter().map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect();
    let groups: Vec<String> = letters.chunks(5).map(|group| group.iter().collect()).collect();
    SecretString::from(groups.join("-"))
}

/// What is stored of a random text: it has 256 random bits, so nobody finds it from this.
#[must_use]
pub fn hash(secret: &SecretString) -> String {
    Digest::of(secret.expose_secret().as_bytes()).to_string()
}

/// Reads the key that seals the end of the audit log, or makes it.
///
/// # Errors
/// When the file cannot be read or written.
pub fn load_or_make_audit_key(path: &Path) -> Result<AuditKey> {
    let bytes = match std::fs::read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let bytes: [u8; AuditKey::BYTES] = random_bytes();
            data::write_file(path, &bytes)?;
            bytes.to_vec()
        }
        read => read.doing(|| format!("cannot read {}", path.display()))?,
    };
    let bytes = bytes.as_slice().try_into().map_err(|_| Error::Corrupt {
        what: "audit key",
        reason: format!("{} does not have {} bytes", path.display(), AuditKey::BYTES),
    })?;
    Ok(AuditKey::new(bytes))
}

/// A random name of so many letters and digits.
#[must_use]
pub fn random_name(letters: usize) -> String {
    random_password().expose_secret().chars().filter(|letter| *letter != '-').take(letters).collect()
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
        let secret = random("hwa_");
        assert!(secret.expose_secret().starts_with("hwa_") && secret.expose_secret().len() == 47);
        assert_eq!(format!("{secret:?}"), "SecretBox<str>([REDACTED])");
    }

    #[test]
    fn no_two_secrets_are_alike_and_passwords_can_be_copied_by_hand() {
        assert_ne!(random("").expose_secret(), random("").expose_secret());
        let password = random_password();
        assert_eq!(password.expose_secret().len(), 23);
        assert!(
            password.expose_secret().chars().all(|letter| !"01lioIO".contains(letter)),
            "{}",
            password.expose_secret()
        );
    }

    #[test]
    fn the_audit_key_is_made_once() {
        let folder = tempfile::tempdir().unwrap();
        let load = |name: &str| load_or_make_audit_key(&folder.path().join(name));
        let seal = load("one.key").unwrap().seal(b"head");
        assert!(load("one.key").unwrap().is_seal_of(b"head", &seal));
        assert!(!load("other.key").unwrap().is_seal_of(b"head", &seal));
        std::fs::write(folder.path().join("short.key"), [0; AuditKey::BYTES - 1]).unwrap();
        assert!(load("short.key").is_err());
    }
}
