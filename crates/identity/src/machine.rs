//! The mark of a machine: an HMAC of its id under a secret of its own, so that the id is not known from it (I3a).

use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign, verify};
use aws_lc_rs::rand;
use serde::{Deserialize, Serialize};

use crate::error::IdentityError;

/// Bytes of the secret: as long as what the HMAC makes.
const SECRET_BYTES: usize = 32;

/// What is remembered of a machine.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineMark {
    /// Random, hexadecimal.
    secret: String,
    /// HMAC-SHA-256 of the id, hexadecimal.
    hmac: String,
}

impl MachineMark {
    /// The mark of the machine with this id, under a new secret.
    ///
    /// # Errors
    /// The system has no random bytes.
    pub fn make(id: &str) -> Result<Self, IdentityError> {
        let mut secret = [0; SECRET_BYTES];
        rand::fill(&mut secret).map_err(|_| IdentityError::NoRandomness)?;
        let tag = sign(&Key::new(HMAC_SHA256, &secret), id.as_bytes());
        Ok(Self { secret: hex::encode(secret), hmac: hex::encode(tag.as_ref()) })
    }

    /// Whether it is of the machine with this id.
    pub fn is_of(&self, id: &str) -> bool {
        let (Ok(secret), Ok(hmac)) = (hex::decode(&self.secret), hex::decode(&self.hmac)) else {
            return false;
        };
        verify(&Key::new(HMAC_SHA256, &secret), id.as_bytes(), &hmac).is_ok()
    }
}

impl std::fmt::Debug for MachineMark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MachineMark(..)")
    }
}
