//! Signed documents of the policy and of class settings.

use headwater_api::settings::FORMAT;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::fetch::{ContentError, unusable};

/// Reads a signed document, if this program knows its format and every key. Otherwise the previous document stays in
/// effect, and the classes that follow use it.
pub(crate) fn read_document<T: DeserializeOwned>(what: &str, bytes: &[u8]) -> Result<T, ContentError> {
    /// The part that every format has, and which states how to read the rest.
    #[derive(Deserialize)]
    struct Head {
        format: u32,
    }
    let hint = "the previous version stays in effect; update headwater-client here to the server's version";
    let unreadable = |error: serde_json::Error| unusable(format!("{what} cannot be read ({error}); {hint}"));
    let Head { format } = serde_json::from_slice(bytes).map_err(unreadable)?;
    if format > FORMAT {
        return Err(unusable(format!(
            "{what} has format {format}, and this program knows formats up to {FORMAT}; {hint}"
        )));
    }
    serde_json::from_slice(bytes).map_err(unreadable)
}
