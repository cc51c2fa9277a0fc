//! Metadata as we write it: plain documents that mirror the specification's section 4, and their signed envelope.
//!
//! Ours are read back through [`Trusted`](crate::Trusted) first (see `published`), so nothing here verifies.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize, Serializer};

use crate::digest::Digest;
use crate::error::VerifyError;
use crate::key_id::KeyId;
use crate::key_replacement::KeyReplacement;
use crate::names::Role;

/// The specification's version that we write.
pub(crate) const SPEC_VERSION: &str = "1.0.31";

/// A document and the signatures over its canonical JSON, in order of key id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Envelope<T> {
    pub(crate) signatures: Vec<Signature>,
    pub(crate) signed: T,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Signature {
    pub(crate) keyid: String,
    pub(crate) sig: String,
}

impl<T: Serialize + DeserializeOwned> Envelope<T> {
    pub(crate) fn unsigned(signed: T) -> Self {
        Self { signatures: Vec::new(), signed }
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("our documents are plain JSON")
    }

    pub(crate) fn parse(role: Role, bytes: &[u8]) -> Result<Self, VerifyError> {
        serde_json::from_slice(bytes)
            .map_err(|error| VerifyError::Unparsable { role: role.to_string(), reason: error.to_string() })
    }
}

/// What a key is, by the specification's section 4.2.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeyDocument {
    keytype: String,
    keyval: KeyValue,
    scheme: String,
    #[serde(flatten)]
    other: BTreeMap<String, serde_json::Value>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct KeyValue {
    public: String,
}

impl KeyDocument {
    pub(crate) fn ed25519(public: String) -> Self {
        let (keytype, scheme) = ("ed25519".to_owned(), "ed25519".to_owned());
        Self { keytype, keyval: KeyValue { public }, scheme, other: BTreeMap::new() }
    }

    /// The public key as text, if it is an Ed25519 one.
    pub(crate) fn ed25519_public(&self) -> Option<&str> {
        (self.scheme == "ed25519").then_some(self.keyval.public.as_str())
    }
}

/// A role's keys and how many of them must sign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RoleKeys {
    pub(crate) keyids: Vec<KeyId>,
    pub(crate) threshold: usize,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RootDocument {
    #[serde(rename = "_type")]
    pub(crate) kind: String,
    pub(crate) consistent_snapshot: bool,
    #[serde(serialize_with = "whole_seconds")]
    pub(crate) expires: Timestamp,
    pub(crate) keys: BTreeMap<KeyId, KeyDocument>,
    pub(crate) roles: BTreeMap<String, RoleKeys>,
    pub(crate) spec_version: String,
    pub(crate) version: u64,
    /// Not the specification's: other readers ignore it.
    #[serde(rename = "x-headwater-key-replacement", default, skip_serializing_if = "Option::is_none")]
    pub(crate) key_replacement: Option<KeyReplacement>,
}

impl RootDocument {
    pub(crate) fn role(&self, role: Role) -> &RoleKeys {
        self.roles
            .get(role.name())
            .expect("roots are checked to have all four roles when they are read or made")
    }
}

/// A timestamp or a snapshot: pins by file name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PinsDocument {
    #[serde(rename = "_type")]
    pub(crate) kind: String,
    #[serde(serialize_with = "whole_seconds")]
    pub(crate) expires: Timestamp,
    pub(crate) meta: BTreeMap<String, Pin>,
    pub(crate) spec_version: String,
    pub(crate) version: u64,
}

/// The version, length and digest of the file that a role pins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pin {
    pub(crate) hashes: Hashes,
    pub(crate) length: u64,
    pub(crate) version: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hashes {
    pub(crate) sha256: Digest,
}

impl Pin {
    pub(crate) fn of(bytes: &[u8], version: u64) -> Self {
        Self { hashes: Hashes { sha256: Digest::of(bytes) }, length: bytes.len() as u64, version }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TargetsDocument {
    #[serde(rename = "_type")]
    pub(crate) kind: String,
    #[serde(serialize_with = "whole_seconds")]
    pub(crate) expires: Timestamp,
    pub(crate) spec_version: String,
    pub(crate) targets: BTreeMap<String, TargetDocument>,
    pub(crate) version: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TargetDocument {
    pub(crate) hashes: Hashes,
    pub(crate) length: u64,
}

/// Times as the specification writes them: `2026-11-22T11:00:00Z`, no fractions.
fn whole_seconds<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{time:.0}"))
}
