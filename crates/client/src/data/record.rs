//! The record of a release in a slot: `releases/SEQ-DIGEST.json`.

use std::collections::BTreeSet;

use headwater_repo::{Digest, Evidence, Sequence};
use serde::{Deserialize, Serialize};

use crate::data::repository_owner::RepositoryOwner;

/// What a release in a slot is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReleaseRecord {
    /// Its sequence.
    pub sequence: Sequence,
    /// Its version, as published.
    pub version: String,
    /// Which release it is: the identity of its signed manifest, or the digest of its signed document.
    pub manifest: Digest,
    /// What vouches for it; renewed whenever a list of later keys names it.
    pub voucher: Voucher,
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
    /// Who may read it.
    #[serde(default)]
    pub readers: Readers,
}

/// Who may read the content of a release.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Readers {
    /// Everyone on the endpoint.
    #[default]
    Everyone,
    /// The owner of the data folder and one group: the configured one, or if none is, the one that the system gives. The
    /// settings of a confidential domain.
    Group(Option<u32>),
}

impl Readers {
    /// The mode of the release's folders.
    pub fn folder_mode(self) -> u32 {
        match self {
            Self::Everyone => 0o755,
            Self::Group(_) => 0o750,
        }
    }

    /// The mode of a file to which no manifest gives one.
    pub fn file_mode(self) -> u32 {
        match self {
            Self::Everyone => 0o644,
            Self::Group(_) => 0o640,
        }
    }

    /// The group that its files and folders are given to; `None` to leave it as the system gives it.
    pub fn group(self) -> Option<u32> {
        match self {
            Self::Everyone => None,
            Self::Group(group) => group,
        }
    }
}

/// What vouches for a release: whose signed list names it, and the keys that signed that list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Voucher {
    /// Whose list it is.
    pub owner: RepositoryOwner,
    /// The keys.
    pub evidence: Evidence,
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
    /// Its permission bits.
    pub mode: u32,
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

    /// The folders below its own that its files are in, each once, those above first.
    pub fn folders(&self) -> BTreeSet<&str> {
        let above = |path: &'_ str| path.match_indices('/').map(|(at, _)| at).collect::<Vec<_>>();
        self.files.iter().flat_map(|file| above(&file.path).into_iter().map(|at| &file.path[..at])).collect()
    }
}
