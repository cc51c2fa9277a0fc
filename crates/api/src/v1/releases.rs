//! Publishing, showing and rolling back releases of components and programs.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How an uploaded archive becomes a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PublishQuery {
    /// The release's version, as people know it. Unique within the component.
    pub version: String,
    /// `tar`, `tar.gz` or `zip`. Default: recognised by the first bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// [`PublishOptions`] as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options: Option<String>,
}

/// The commands of a release.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct PublishOptions {
    /// Class `programs` only: runs in the release's verified folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub install: Option<Hook>,
    /// Tests the release before it is kept; if it fails, the client reverts to its last good release.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probe: Option<Hook>,
}

/// A command with its time limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Hook {
    /// The program, relative to the release's folder or absolute, and its arguments; no shell.
    pub command: Vec<String>,
    /// Seconds it may take.
    pub timeout_seconds: u32,
}

/// A release was published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PublishedAnswer {
    /// The class.
    pub class: String,
    /// The component or program.
    pub name: String,
    /// The release.
    pub release: ReleaseView,
    /// Blobs that were not stored before.
    pub blobs_new: u64,
    /// Bytes of these blobs.
    pub blob_bytes_new: u64,
    /// Version of the class's targets metadata that first contains it.
    pub targets_version: u64,
    /// It was published before with the same content. Only missing parts were stored.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub again: bool,
}

/// All components and programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ReleasesAnswer {
    /// By class, then name.
    pub items: Vec<ListedComponent>,
}

/// One component or program of the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ListedComponent {
    /// What it is, and its releases.
    #[serde(flatten)]
    pub component: ComponentView,
    /// Progress of the deltas to its current release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deltas_standing: Option<DeltasStanding>,
}

/// Progress of the deltas to a current release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DeltasStanding {
    /// `made`: complete. `none_smaller`: complete, because none would be smaller than the full body. `none`: there
    /// is no base for them, or the body is too small to gain from any. `too_large`: making them takes more memory
    /// than `deltas_memory_mib`. `making`. `queued`. `failed`: the last attempt failed; the job has the reason.
    pub state: String,
    /// Deltas that exist, joined or about to join.
    pub made: u64,
    /// Deltas that are pending, as far as is known.
    pub missing: u64,
}

/// One component or program with the releases that clients may take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ComponentView {
    /// `components` or `programs`.
    pub class: String,
    /// Its name.
    pub name: String,
    /// From the vendor source, not published by hand.
    pub from_vendor: bool,
    /// Sequence of the current release.
    pub current: u64,
    /// Sequences withdrawn by a rollback.
    pub withdrawn: Vec<u64>,
    /// The releases kept, newest first.
    pub releases: Vec<ReleaseView>,
}

/// One component or program, with the deltas to its current release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ComponentAnswer {
    /// What it is, and its releases.
    #[serde(flatten)]
    pub component: ComponentView,
    /// The deltas that exist and those that are pending, the most wanted first.
    #[serde(default)]
    pub deltas: Vec<DeltaView>,
    /// Sequences of releases whose content is not all on the server, the newest first: of the vendor's the current one alone.
    #[serde(default)]
    pub missing: Vec<u64>,
    /// Paths of files without deltas, because making them takes more memory than `deltas_memory_mib`.
    #[serde(default)]
    pub too_large: Vec<String>,
    /// How many clients have which release, the newest first; those that have none last.
    #[serde(default)]
    pub clients: Vec<ReleaseClients>,
}

/// How many clients have a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ReleaseClients {
    /// Its sequence. `None`: these clients have no release of the name.
    pub sequence: Option<u64>,
    /// Its version. Empty if they have none.
    pub version: String,
    /// Clients that have it.
    pub clients: u64,
    /// Clients among these whose newest run failed to change that.
    pub failed: u64,
    /// Clients among these that reverted to it.
    pub reverted: u64,
}

/// One delta: the data that turns one file into another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DeltaView {
    /// The path of the file that it makes, in the release `to`. `None` for a file of a release that is not listed.
    pub path: Option<String>,
    /// Sequence of the newest listed release that has the older file. `None` if none has it.
    pub from: Option<u64>,
    /// Sequence of the release whose file it makes: the current one, or a step to it. `None` if it is not listed.
    pub to: Option<u64>,
    /// SHA-256 of the older file.
    pub base: String,
    /// SHA-256 of the newer file.
    pub result: String,
    /// `joined`: signed, and clients use it. `made`: it joins within a minute. `making`. `queued`. `lost`: signed,
    /// but missing on the disk, and it cannot be made again here.
    pub state: String,
    /// Progress in thousandths.
    pub permille: u32,
    /// Its bytes. `None` until it is made.
    pub size: Option<u64>,
}

/// One release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ReleaseView {
    /// Its place in the release list, from 1.
    pub sequence: u64,
    /// Its version, as published.
    pub version: String,
    /// When it was published.
    pub published: Timestamp,
    /// Files in it.
    pub files: u64,
    /// Bytes of its files.
    pub size: u64,
}

/// Roll back to an earlier release. Every later one is withdrawn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RollbackRequest {
    /// Sequence of the release to roll back to.
    pub to: u64,
}

/// Progress of the deltas.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DeltasView {
    /// Making them is paused until an administrator resumes it or the server restarts.
    pub paused: bool,
    /// What is being made now.
    pub making: Vec<DeltaBeingMade>,
    /// By class, then name.
    pub items: Vec<DeltasOfComponent>,
}

/// A delta that is being made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DeltaBeingMade {
    /// `components` or `programs`.
    pub class: String,
    /// Of the component or program.
    pub name: String,
    /// The path of the file that it makes.
    pub path: String,
    /// SHA-256 of the older file.
    pub base: String,
    /// SHA-256 of the newer file.
    pub result: String,
    /// Progress in thousandths.
    pub permille: u32,
}

/// The deltas of one component's current release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DeltasOfComponent {
    /// `components` or `programs`.
    pub class: String,
    /// Its name.
    pub name: String,
    /// Sequence of the current release.
    pub release: u64,
    /// Its version.
    pub version: String,
    /// Deltas that its signed manifest names.
    pub deltas: u64,
    /// Bytes of these deltas.
    pub delta_bytes: u64,
    /// Bytes of its full bodies.
    pub body_bytes: u64,
    /// Deltas that are pending, as far as is known.
    pub missing: u64,
    /// Nothing is pending.
    pub done: bool,
    /// Paths of files without deltas, because making them takes more memory than `deltas_memory_mib`.
    #[serde(default)]
    pub too_large: Vec<String>,
    /// Why the last attempt to make its deltas failed. `None` if it did not.
    #[serde(default)]
    pub failure: Option<String>,
}
