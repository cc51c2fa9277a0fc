//! The key that seals the end of the audit log. It stands outside the database: who can write the database alone cannot
//! forge the log.

use std::fmt;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Seals the head of the audit log.
pub struct AuditKey(hmac::Key);

impl AuditKey {
    /// Bytes of a key.
    pub const BYTES: usize = 32;

    /// The key of these bytes, which are random and secret.
    #[must_use]
    pub fn new(bytes: &[u8; Self::BYTES]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seal_is_the_keys() {
        let (key, again, other) = (AuditKey::new(&[1; 32]), AuditKey::new(&[1; 32]), AuditKey::new(&[2; 32]));
        let seal = key.seal(b"head");
        assert!(again.is_seal_of(b"head", &seal));
        assert!(!again.is_seal_of(b"heads", &seal) && !other.is_seal_of(b"head", &seal));
        assert!(!key.is_seal_of(b"head", "not base64!"));
        assert_eq!(format!("{key:?}"), "AuditKey(***)");
    }
}
