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

/// The server answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Health {
    /// `ok`.
    pub status: String,
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
    /// The policy's repository and the three of the classes, in run order.
    pub repositories: Vec<RepositoryStatus>,
    /// The background jobs.
    pub jobs: Vec<JobStatus>,
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
    /// `sign`, `vendor`, `retention` or `garbage`.
    pub name: String,
    /// When it last ended. `None` if it has not.
    pub last_run: Option<Timestamp>,
    /// What it did, for people.
    pub message: String,
    /// Why its last run failed. `None` if it did not.
    pub error: Option<String>,
}
