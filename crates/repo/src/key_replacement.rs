//! Why a root replaces keys: a signed field of its own, which clients obey (I2a).

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a root replaces keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyReplacement {
    /// Somebody else may have them: what they alone vouch for is replaced on endpoints.
    Compromised,
    /// Routine or loss: what they vouch for stays until something newer is published.
    Planned,
}

impl KeyReplacement {
    /// What a root that was verified states; `None` if it states nothing that this program knows.
    pub(crate) fn of_root(bytes: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Root {
            signed: Signed,
        }
        #[derive(Deserialize)]
        struct Signed {
            #[serde(rename = "x-headwater-key-replacement")]
            key_replacement: Option<KeyReplacement>,
        }
        serde_json::from_slice::<Root>(bytes).ok()?.signed.key_replacement
    }
}

impl fmt::Display for KeyReplacement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Compromised => "compromised",
            Self::Planned => "planned",
        })
    }
}
