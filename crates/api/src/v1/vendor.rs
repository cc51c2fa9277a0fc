//! The vendor source (C2).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The vendor source and its last sync.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct VendorView {
    /// Base URL, normalised.
    pub url: String,
    /// Version of its trusted root metadata.
    pub root_version: u64,
    /// Minutes between syncs. 0 means on demand only.
    pub schedule_minutes: u32,
    /// The result of the last sync.
    pub last_sync: Option<SyncResult>,
    /// Progress of the sync that runs now. Absent if none runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub syncing: Option<SyncProgress>,
}

/// Progress of a running sync. The size of a component is known only when its turn comes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SyncProgress {
    /// The component in progress. Empty while the metadata is read.
    pub component: String,
    /// Its number among them, from 1. 0 if none yet.
    pub number: u64,
    /// Components at the vendor source. 0 if not known yet.
    pub components: u64,
    /// Bytes of this component's new releases that are here.
    pub bytes_done: u64,
    /// Bytes of its new releases.
    pub bytes_total: u64,
}

/// Set the vendor source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct VendorRequest {
    /// Base URL, `http` or `https`.
    pub url: String,
    /// Its root metadata. Default: unchanged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<serde_json::Value>,
    /// Minutes between syncs. 0 means on demand only. Default: unchanged, at first 60.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule_minutes: Option<u32>,
}

/// The result of a sync.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SyncResult {
    /// When it began.
    pub started: Timestamp,
    /// Milliseconds it took.
    pub duration_ms: u64,
    /// The releases that are new here.
    pub releases: Vec<SyncedRelease>,
    /// Earlier releases that the vendor went back to and that are current here again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rolled_back: Vec<SyncedRelease>,
    /// Bytes fetched.
    pub bytes: u64,
    /// Why it failed. `None` if it did not.
    pub error: Option<String>,
    /// What was left out and why (a name that is already published by hand, …), each a sentence.
    pub skipped: Vec<String>,
    /// Releases that are not published here because their content is not what their manifest states. Each is tried again
    /// at the next sync.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rejected: Vec<RejectedRelease>,
}

/// A release of the vendor source whose content is not what its manifest states.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RejectedRelease {
    /// The component.
    pub name: String,
    /// The vendor's sequence number.
    pub sequence: u64,
    /// Its version.
    pub version: String,
    /// The first file that is wrong, by its path. Absent if it is the release as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// What is wrong, for people.
    pub reason: String,
}

impl std::fmt::Display for RejectedRelease {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { name, sequence, version, file, reason } = self;
        write!(f, "{name} {version} (release {sequence}): ")?;
        file.iter().try_for_each(|file| write!(f, "{file}: "))?;
        f.write_str(reason)
    }
}

/// One release taken from the vendor source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SyncedRelease {
    /// The component.
    pub name: String,
    /// The vendor's sequence number.
    pub sequence: u64,
    /// Its version.
    pub version: String,
}
