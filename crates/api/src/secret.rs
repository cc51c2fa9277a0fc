//! Secret texts on the wire. `secrecy::SecretString` neither prints nor serialises itself; a field of a message that is
//! meant to carry one names these functions.

use secrecy::{ExposeSecret as _, SecretString};
use serde::Serializer;

/// Writes a secret text into a message (`serialize_with`).
///
/// # Errors
/// The serializer's own.
pub fn serialize<S: Serializer>(secret: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose_secret())
}

/// As [`serialize`], for a text that may be absent.
///
/// # Errors
/// The serializer's own.
pub fn serialize_option<S: Serializer>(
    secret: &Option<SecretString>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match secret {
        Some(secret) => serializer.serialize_some(secret.expose_secret()),
        None => serializer.serialize_none(),
    }
}

/// Whether both hold the same text, or neither holds one.
#[must_use]
pub fn is_same(one: Option<&SecretString>, other: Option<&SecretString>) -> bool {
    one.map(|secret| secret.expose_secret()) == other.map(|secret| secret.expose_secret())
}
