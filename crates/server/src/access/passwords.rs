//! Passwords (I4): argon2id, worked out beside the requests and few at a time, because each takes memory and a core.

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use secrecy::{ExposeSecret as _, SecretString};

use super::service::AccessService;
use crate::error::{Error, Refusal, Result};
use crate::limits;
use crate::secret::random_bytes;

/// A hash that no password has, so that an administrator who does not exist takes as long as one who does.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

impl AccessService {
    /// What is stored of a password.
    ///
    /// # Errors
    /// A refusal for one that is too short or too long.
    pub(crate) async fn hash_password(&self, password: &SecretString) -> Result<String> {
        check(password)?;
        let password = password.clone();
        self.work(move || {
            let salt: [u8; 16] = random_bytes();
            let hash: PasswordHash = hasher()
                .hash_password_with_salt(password.expose_secret().as_bytes(), &salt)
                .expect("parameters, salt and length are within what argon2 takes");
            hash.to_string()
        })
        .await
    }

    /// Whether a password is the one that `stored` was made of, which is `None` if there is no such administrator.
    pub(crate) async fn is_password(&self, password: &SecretString, stored: Option<String>) -> Result<bool> {
        if password.expose_secret().len() > limits::PASSWORD_BYTES_MAX {
            return Ok(false);
        }
        let password = password.clone();
        self.work(move || {
            let known = stored.is_some();
            let stored = stored.unwrap_or_else(|| NOBODY.to_owned());
            let Ok(hash) = PasswordHash::new(&stored) else { return false };
            hasher().verify_password(password.expose_secret().as_bytes(), &hash).is_ok() && known
        })
        .await
    }

    async fn work<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let _permit = self.hashing.acquire().await.expect("nobody closes it");
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|error| Error::Corrupt { what: "password task", reason: error.to_string() })
    }
}

/// Whether a password may be set.
fn check(password: &SecretString) -> Result<()> {
    let (min, max) = (limits::PASSWORD_CHARS_MIN, limits::PASSWORD_BYTES_MAX);
    if password.expose_secret().chars().count() < min || password.expose_secret().len() > max {
        return Err(Refusal::invalid(format!(
            "new_password: it must have at least {min} characters, and at most {max} bytes"
        ))
        .into());
    }
    Ok(())
}

/// 19 MiB, two passes: what OWASP asks of argon2id at least.
fn hasher() -> Argon2<'static> {
    let params = Params::new(19_456, 2, 1, None).expect("the parameters are within what argon2 takes");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_has_enough_characters_and_not_too_many_bytes() {
        let check = |password: String, taken: bool| {
            assert_eq!(check(&SecretString::from(password.clone())).is_ok(), taken, "{password}");
        };
        let (min, max) = (limits::PASSWORD_CHARS_MIN, limits::PASSWORD_BYTES_MAX);
        for letter in ["a", "\u{e9}"] {
            check(letter.repeat(min - 1), false);
            check(letter.repeat(min), true);
            check(letter.repeat(max / letter.len()), true);
            check(letter.repeat(max / letter.len() + 1), false);
        }
        check("a".repeat(max + 1), false);
    }

    #[test]
    fn the_hash_of_nobody_takes_as_long_as_any() {
        let hash = PasswordHash::new(NOBODY).unwrap();
        let salt: [u8; 16] = random_bytes();
        let real: PasswordHash = hasher().hash_password_with_salt(b"password", &salt).unwrap();
        assert_eq!((hash.algorithm, &hash.params), (real.algorithm, &real.params));
        assert_eq!(hash.hash.unwrap().len(), real.hash.unwrap().len());
    }
}
