//! A client's report of a run (P12): every attempt, and the state it left.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The current format of [`Report`].
pub const FORMAT: u32 = 1;

/// One run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Report {
    /// [`FORMAT`].
    pub format: u32,
    /// Who reports.
    pub client: String,
    /// The domain the client takes itself to be in.
    pub domain: String,
    /// Counts the client's runs, from 1; with `client` it names the run.
    pub run: u64,
    /// When the run began.
    pub started: Timestamp,
    /// Milliseconds it took.
    pub duration_ms: u64,
    /// The client's own addresses, as the plan was made with them.
    pub addresses: Vec<String>,
    /// The name of the host, which tells two machines with one identity apart. The server does not store it with
    /// the report: there it is empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub host: String,
    /// Version of the client program.
    pub program: String,
    /// The saved version of the policy from which the plans were made. 0 if there is none yet.
    pub policy_version: u64,
    /// The outcome for the policy and for each class, in run order.
    pub classes: Vec<ClassOutcome>,
    /// Every attempt, in the order they began.
    pub attempts: Vec<Attempt>,
    /// What is installed after the run: name to version, by class.
    pub installed: BTreeMap<String, BTreeMap<String, Installed>>,
    /// What it holds for others, if it is an update agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update_agent: Option<UpdateAgentReport>,
    /// Findings about this endpoint beside the failures of its classes: a clock that is far off, a listener that could
    /// not be opened, a class without any source. Each is a sentence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

impl Report {
    /// The sources that a class came from, in the order in which they were asked: that of its metadata, and those that
    /// brought some of its content to the end. Empty if none served.
    pub fn sources<'a>(&'a self, outcome: &'a ClassOutcome) -> Vec<&'a str> {
        let Some(first) = outcome.source.as_deref() else { return Vec::new() };
        let mut sources = Vec::new();
        for attempt in self.attempts.iter().filter(|attempt| attempt.class == outcome.class) {
            let gave = attempt.source == first || attempt.result == AttemptResult::Used;
            if gave && !sources.contains(&attempt.source.as_str()) {
                sources.push(&attempt.source);
            }
        }
        if sources.is_empty() { vec![first] } else { sources }
    }
}

/// The server has accepted a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ReportAnswer {
    /// Its sequence. A client forgets a report only when the server itself confirms it.
    pub taken: u64,
    /// SHA-256 of the report as it was stated, hexadecimal: a number alone may be that of another report.
    pub digest: String,
}

/// What an update agent holds and serves.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UpdateAgentReport {
    /// Content version that it serves, by shared class and of `policy`; what is not whole yet is not in it.
    pub serves: BTreeMap<String, u64>,
    /// Bytes it holds for others.
    pub bytes_held: u64,
    /// Bytes it may hold.
    pub bytes_quota: u64,
    /// Bytes free on its disk, if the system reports them.
    pub bytes_free: Option<u64>,
    /// Why it serves an older release or none, or does not hold something: sentences, by class.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub problems: BTreeMap<String, String>,
}

/// One installed release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Installed {
    /// Its place in the release list.
    pub sequence: u64,
    /// Its version, as published.
    pub version: String,
}

/// How a run ended for one class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ClassOutcome {
    /// `policy`, `settings`, `components` or `programs`.
    pub class: String,
    /// The outcome.
    pub result: ClassResult,
    /// The source whose signed metadata was used, as in a plan. `None` if none served. The attempts show the
    /// sources of its content.
    pub source: Option<String>,
    /// A message for people.
    pub message: String,
    /// The names that failed, were reverted, or that no source gave (`partial`), where the class was not without any source. Of class settings: the
    /// policy and the domain.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<NameOutcome>,
    /// Bytes of full bodies that deltas made unnecessary, less the deltas' own.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub spared_bytes: u64,
}

/// How a run ended for one name of a class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NameOutcome {
    /// The component or program.
    pub name: String,
    /// `failed`, `reverted` or `partial`.
    pub result: ClassResult,
    /// A message for people.
    pub message: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// How a run ended for one class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ClassResult {
    /// Something newer was installed.
    Updated,
    /// The installed content is the newest of the source.
    Current,
    /// Every source failed, or the installation failed.
    Failed,
    /// A newer release was tried and failed its probe; the client reverted to the last good one.
    Reverted,
    /// The vendor source gave what it has, and no source gave the organisation's own components that are missing or
    /// outdated; the first report of it under a policy version has a warning that states what to do.
    Partial,
    /// The plan has no source for this class; a warning of the report states why and what to do.
    Unserved,
}

/// One attempt at one source, for one class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Attempt {
    /// The source, as in a plan: `update_agent:ID`, `url:…`, `server`, `vendor`.
    pub source: String,
    /// The base URL tried.
    pub url: String,
    /// The entry that named it, from 1.
    pub entry: Option<u32>,
    /// The requested class.
    pub class: String,
    /// The outcome.
    pub result: AttemptResult,
    /// The reason, if it did not simply succeed.
    pub reason: Option<Reason>,
    /// The details of the failure, for people. Empty if nothing failed.
    pub detail: String,
    /// Bytes received from this source, metadata and content.
    pub bytes: u64,
    /// Bytes of deltas among these.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub delta_bytes: u64,
    /// When it began.
    pub started: Timestamp,
    /// Milliseconds it took.
    pub duration_ms: u64,
    /// Version of the class's signed content that the client had (0 if none).
    pub from_version: u64,
    /// Version of the signed content that this source has; left out if none was verified.
    #[serde(default, skip_serializing_if = "is_none")]
    pub to_version: u64,
}

/// The outcome of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum AttemptResult {
    /// It gave what was needed, and the client used it.
    Used,
    /// It answered correctly and had nothing newer.
    Current,
    /// It failed; `reason` has the cause. It may have given a part.
    Failed,
    /// Another source was used before this one had answered.
    PassedOver,
}

/// Why a source was unable to update a client, or was passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The client and the source share no address family.
    NoCommonFamily,
    /// The name was not resolved.
    Name,
    /// The connection was refused or broke.
    Connect,
    /// Connecting, or waiting for a byte, took too long.
    Timeout,
    /// It showed no byte for so long that another source was used.
    Silent,
    /// TLS failed.
    Tls,
    /// It was busy (503) for longer than the client may wait.
    Busy,
    /// It does not share the class.
    NotShared,
    /// Metadata or a file is not there.
    Missing,
    /// It does not admit the client: its certificate is unknown, revoked or of a CA that is distrusted.
    NotAdmitted,
    /// It answered with an unexpected HTTP status.
    HttpStatus,
    /// Metadata could not be parsed.
    Unparsable,
    /// Metadata is not signed by the required keys.
    WrongSignature,
    /// Metadata has expired.
    Expired,
    /// Metadata is older than what the client has.
    Older,
    /// Older than the version that was announced to the client.
    Stale,
    /// A file ended early.
    Truncated,
    /// A file or metadata was longer than it may be.
    Oversized,
    /// A file's digest is wrong.
    WrongDigest,
    /// Another source, earlier on the list or faster, was used.
    Overtaken,
    /// The client's own disk was full or refused access. Not the source's fault.
    Disk,
    /// The release did not install, or its probe failed. Not the source's fault.
    Install,
    /// Its release would go backwards without a signed rollback.
    Backwards,
    /// What is installed is in no list of the present keys. Not the source's fault.
    Unconfirmed,
    /// The same number was signed with other content.
    OtherContent,
    /// Its metadata is under an older root than was named to the client.
    StaleRoot,
    /// A delta is as signed and does not make the signed file, so the client fetched another way. Not the source's
    /// fault.
    Delta,
}

/// Whether a number stands for nothing.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_none(version: &u64) -> bool {
    *version == 0
}
