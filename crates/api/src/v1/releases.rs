//! Publishing, showing and rolling back releases of components and programs.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How an uploaded archive becomes a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PublishQuery {
    /// The release's version, as people know it; unique within the component.
    pub version: String,
    /// `tar`, `tar.gz` or `zip`; absent: told from the first bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// [`PublishOptions`] as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options: Option<String>,
}

/// What a release says beside its files.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PublishOptions {
    /// Class `programs` only: runs in the release's verified folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub install: Option<Hook>,
    /// Judges the release before it is kept; a failure sends the client back to its last good release.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probe: Option<Hook>,
}

/// A command with its time limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hook {
    /// The program, relative to the release's folder or absolute, and its arguments; no shell.
    pub command: Vec<String>,
    /// Seconds it may take.
    pub timeout_seconds: u32,
}

/// A release was published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Published {
    /// The class.
    pub class: String,
    /// The component or program.
    pub name: String,
    /// The release.
    pub release: ReleaseView,
    /// Blobs that were not stored before.
    pub blobs_new: u64,
    /// Bytes that they take.
    pub blob_bytes_new: u64,
    /// Version of the class's targets metadata from which clients see it.
    pub targets_version: u64,
    /// It was published before, with the same content: only what lacked of that was stored.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub again: bool,
}

/// All components and programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReleasesAnswer {
    /// By class, then name.
    pub items: Vec<ListedComponent>,
}

/// One component or program of the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ListedComponent {
    /// What it is, and its releases.
    #[serde(flatten)]
    pub component: ComponentView,
    /// How far the deltas to its current release are. Servers before them say nothing of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deltas_standing: Option<DeltasStanding>,
}

/// How far the deltas to a current release are (C1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeltasStanding {
    /// `made`: nothing lacks. `none_smaller`: nothing lacks, for none would be smaller than the full body. `none`: there is
    /// nothing that they could lead from, or the body is too small for any to pay. `too_large`: making them takes more memory
    /// than `deltas_memory_mib`. `making`. `queued`. `failed`: the last
    /// try to make them; the job says why.
    pub state: String,
    /// Deltas that there are, joined or about to join.
    pub made: u64,
    /// Deltas that are still to be made, as far as is known.
    pub missing: u64,
}

/// One component or program with the releases that clients may take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ComponentView {
    /// `components` or `programs`.
    pub class: String,
    /// Its name.
    pub name: String,
    /// Taken from the vendor source; not published by hand.
    pub from_vendor: bool,
    /// Sequence of the current release.
    pub current: u64,
    /// Sequences withdrawn by a rollback.
    pub withdrawn: Vec<u64>,
    /// The releases kept (C1), newest first.
    pub releases: Vec<ReleaseView>,
}

/// One component or program, with the deltas to its current release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ComponentAnswer {
    /// What it is, and its releases.
    #[serde(flatten)]
    pub component: ComponentView,
    /// The deltas that there are, and those to be made, the most wanted first. Servers before them say nothing of it.
    #[serde(default)]
    pub deltas: Vec<DeltaView>,
    /// Sequences of releases whose content is not all on the server, the newest first: of the vendor's the current one alone.
    #[serde(default)]
    pub missing: Vec<u64>,
    /// Paths of files to which deltas lack, because making them takes more memory than `deltas_memory_mib`.
    #[serde(default)]
    pub too_large: Vec<String>,
}

/// One delta: a file as what changed since another (C1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeltaView {
    /// The path of the file that it makes, in the release `to`; none for a file of a release that is not listed.
    pub path: Option<String>,
    /// Sequence of the newest listed release that has the older file; none if none has.
    pub from: Option<u64>,
    /// Sequence of the release whose file it makes: the current one, or one on the way to it; none if it is not listed.
    pub to: Option<u64>,
    /// SHA-256 of the older file.
    pub base: String,
    /// SHA-256 of the newer file.
    pub result: String,
    /// `joined`: signed, clients use it. `made`: it joins within a minute. `making`. `queued`. `lost`: signed, but not on the disk, and it cannot be made again here.
    pub state: String,
    /// How much of it is done, of 1000.
    pub permille: u32,
    /// Its bytes; none until it is made.
    pub size: Option<u64>,
}

/// One release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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

/// Go back to an earlier release (C5): every later one is withdrawn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RollbackRequest {
    /// Sequence of the release to go back to.
    pub to: u64,
}

/// How far deltas are (C1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeltasView {
    /// Somebody paused making them; they stay paused until somebody resumes or the server is started again.
    pub paused: bool,
    /// What is being made now.
    pub making: Vec<DeltaBeingMade>,
    /// By class, then name.
    pub items: Vec<DeltasOfComponent>,
}

/// A delta that is being made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    /// How much of it is done, of 1000.
    pub permille: u32,
}

/// The deltas of one component's current release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    /// Bytes that they take.
    pub delta_bytes: u64,
    /// Bytes of its full bodies.
    pub body_bytes: u64,
    /// Deltas that are still to be made, as far as is known.
    pub missing: u64,
    /// Nothing lacks any more.
    pub done: bool,
    /// Paths of files to which deltas lack, because making them takes more memory than `deltas_memory_mib`.
    #[serde(default)]
    pub too_large: Vec<String>,
    /// Why the last try to make its deltas failed; none if it did not.
    #[serde(default)]
    pub failure: Option<String>,
}
