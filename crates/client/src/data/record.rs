//! The record of a release in a slot: `releases/SEQ-DIGEST.json`.

use headwater_repo::{Digest, Sequence};
use serde::{Deserialize, Serialize};

/// What a release in a slot is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReleaseRecord {
    /// Its sequence.
    pub sequence: Sequence,
    /// Its version, as published.
    pub version: String,
    /// Which release it is: the identity of its signed manifest, or the digest of its signed document.
    pub manifest: Digest,
    /// Its files.
    pub files: Vec<RecordFile>,
    /// The command that activates it, run in its folder.
    #[serde(default)]
    pub install: Option<CommandRecord>,
    /// The command that probes it, run in its folder.
    #[serde(default)]
    pub probe: Option<CommandRecord>,
    /// The domain document, for the slot of the settings.
    #[serde(default)]
    pub document: Option<serde_json::Value>,
}

/// One file of a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordFile {
    /// Its path in the release's folder.
    pub path: String,
    /// Digest of its content.
    pub sha256: Digest,
    /// Bytes of its content.
    pub size: u64,
}

/// A command with its time limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandRecord {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Seconds it may take.
    pub timeout_seconds: u64,
}

impl ReleaseRecord {
    /// The name of its folder.
    pub fn folder_name(&self) -> String {
        let digest = self.manifest.to_string();
        format!("{}-{}", self.sequence, &digest[..12])
    }
}
