//! Errors, pages, health and status.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ClientCounts;

/// The body of every 4xx and 5xx answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ErrorAnswer {
    /// What went wrong.
    pub error: ErrorBody,
}

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ErrorBody {
    /// A stable snake_case word for programs.
    pub code: String,
    /// What failed, why, and what to do, for people.
    pub message: String,
    /// More, by code: `invalid_list` and `invalid_request` have `{"problems": [{"entry", "message"}]}`,
    /// `draft_outdated` has `{"saved_version", "changes": [`[`ChangeView`](super::ChangeView)`]}`,
    /// `named_by_entries` has `{"entries": [1, …]}`; absent elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<serde_json::Value>,
}

/// Which page of a long list, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PageQuery {
    /// At most so many items (server's maximum: 1000; default: 100).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Only older ones: the `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<u64>,
}

/// The server answers: with 503 if its `status` is `failed`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Health {
    /// `ok`; `warning`: somebody should look soon; `failed`: the server does not do all of its work.
    pub status: String,
    /// The code of each problem; the status describes them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
}

/// How bad a problem of the server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Somebody should look soon.
    Warning,
    /// The server does not do all of its work.
    Failed,
}

/// Something that is wrong with the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ServerProblem {
    /// A stable word for programs: `signing_stopped`, `odd_start`, `disk_space`, `disk_files`, `job_failed` or
    /// `clients_ahead`.
    pub code: String,
    /// How bad it is.
    pub severity: Severity,
    /// Since when. `None` if that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// What is wrong, why, and what to do.
    pub message: String,
}

/// The disk of the data folder, as an ordinary process may use it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DiskStatus {
    /// Folders of the server that are on it.
    pub folders: Vec<String>,
    /// Bytes that may still be written.
    pub free_bytes: u64,
    /// Bytes of the whole disk.
    pub bytes: u64,
    /// Files and folders that may still be made. `None` if the disk has no such limit.
    pub free_files: Option<u64>,
    /// Files and folders that it can have. `None` if the disk has no such limit.
    pub files: Option<u64>,
}

/// The question whether to take what is published as the truth.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct AdoptRequest {
    /// Also where database and repositories agree: the whole machine was set back, and clients have seen higher numbers.
    #[serde(default)]
    pub raise: bool,
}

/// What was taken as the truth.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AdoptAnswer {
    /// The policy's repository and the three of the classes.
    pub repositories: Vec<AdoptedRepository>,
    /// Releases that the database did not know of.
    pub releases: u64,
    /// Domains that the database did not know of: nothing is set at them now.
    pub domains: Vec<String>,
    /// Clients that were revoked without the database.
    pub revoked: Vec<String>,
}

/// One repository that was signed again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AdoptedRepository {
    /// The repository: `policy` or a class.
    pub repository: String,
    /// Version of the targets metadata that was taken.
    pub targets_version_before: u64,
    /// Version that was signed.
    pub targets_version: u64,
}

/// The state of the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Status {
    /// Version of the server program.
    pub program: String,
    /// When it was started.
    pub started: Timestamp,
    /// The server's clock.
    pub server_time: Timestamp,
    /// Base URL of the fleet listener, as clients use it.
    pub fleet_url: String,
    /// The saved version of the policy.
    pub policy_version: u64,
    /// Clients in the registry.
    pub clients: u64,
    /// How these stand.
    pub client_counts: ClientCounts,
    /// Update agents among them.
    pub update_agents: u64,
    /// Clients whose identity two machines use.
    #[serde(default)]
    pub copied_identities: u64,
    /// The policy's repository and the three of the classes, in run order.
    pub repositories: Vec<RepositoryStatus>,
    /// The background jobs.
    pub jobs: Vec<JobStatus>,
    /// The disks of the data folder.
    pub disks: Vec<DiskStatus>,
    /// What is wrong with the server, the worst first.
    pub problems: Vec<ServerProblem>,
    /// Warnings for an administrator, each a sentence (a key that expires soon, …).
    pub warnings: Vec<String>,
}

/// One repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RepositoryStatus {
    /// The repository: `policy` or a class.
    pub repository: String,
    /// Version of its targets metadata, which is announced to clients as newest.
    pub targets_version: u64,
    /// Version of its root metadata.
    pub root_version: u64,
    /// When the first of its metadata expires unless it is signed again.
    pub expires: Timestamp,
    /// Components, programs or domains in it.
    pub names: u64,
    /// Content blobs stored.
    pub blobs: u64,
    /// Bytes of these blobs.
    pub blob_bytes: u64,
}

/// One background job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct JobStatus {
    /// `sign`, `vendor`, `deltas`, `retention`, `garbage` or `scrub`.
    pub name: String,
    /// When it last ended. `None` if it has not.
    pub last_run: Option<Timestamp>,
    /// What it did, for people.
    pub message: String,
    /// Why its last run failed. `None` if it did not.
    pub error: Option<String>,
    /// Since when every run has failed. `None` if the last one did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing_since: Option<Timestamp>,
}
