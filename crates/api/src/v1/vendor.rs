//! The vendor source (C2).

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The vendor source, as set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct VendorView {
    /// Base URL, normalised.
    pub url: String,
    /// Version of its root metadata that is trusted now.
    pub root_version: u64,
    /// Minutes between syncs; 0: on demand only.
    pub schedule_minutes: u32,
    /// What the last sync came to.
    pub last_sync: Option<SyncResult>,
    /// How far the sync is that runs now; absent: none runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub syncing: Option<SyncProgress>,
}

/// How far a running sync is. What a component takes is known when its turn comes, and not before.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SyncProgress {
    /// The component whose turn it is; empty: the metadata is read.
    pub component: String,
    /// Which of them it is, from 1; 0: none yet.
    pub number: u64,
    /// Components at the vendor source; 0: not known yet.
    pub components: u64,
    /// Bytes of this component's new releases that are here.
    pub bytes_done: u64,
    /// Bytes of its new releases.
    pub bytes_total: u64,
}

/// Set the vendor source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VendorRequest {
    /// Base URL, `http` or `https`.
    pub url: String,
    /// Its root metadata; absent: as before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<serde_json::Value>,
    /// Minutes between syncs; 0: on demand only; absent: as before, or else 60.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule_minutes: Option<u32>,
}

/// What one sync came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SyncResult {
    /// When it began.
    pub started: Timestamp,
    /// Milliseconds it took.
    pub duration_ms: u64,
    /// The releases that are new here.
    pub releases: Vec<SyncedRelease>,
    /// Bytes fetched.
    pub bytes: u64,
    /// Why it failed; none: it did not.
    pub error: Option<String>,
    /// What was left out and why (a name already published by hand, …), each a sentence.
    pub skipped: Vec<String>,
}

/// One release taken from the vendor source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SyncedRelease {
    /// The component.
    pub name: String,
    /// The vendor's sequence number.
    pub sequence: u64,
    /// Its version.
    pub version: String,
}
