//! Clients, their reports, and the update agent role (P12, U1, U2, U6).

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::copied::CopiedIdentity;
use super::identity::IdentityView;
use crate::report::Report;

/// Which clients.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ClientsQuery {
    /// Only those of this domain and its sub-domains.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// Only those in one of these states, separated by commas: [`ClientState`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Seconds without a word after which a client is silent (60 to a year; default: a day).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silent_seconds: Option<u32>,
    /// Only those that have this release: `NAME=VERSION`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
    /// Only those that do not have the newest policy.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub policy_behind: bool,
    /// With everything that each client has, not only what is outdated, failed or reverted. Then a page has at most
    /// 100 clients.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub releases: bool,
    /// At most so many (server's maximum: 1000; default: 100).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Only ids after this one: the `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// How a client stands. The first that fits counts: silent, unknown, failed, reverted, outdated, current.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ClientState {
    /// Its newest run ended well, and it has what it should have.
    Current,
    /// It has another release, policy or settings than it should have, or a class has no source that serves it.
    Outdated,
    /// Its newest run failed for a class.
    Failed,
    /// It reverted to the last good release, because a newer one failed its probe.
    Reverted,
    /// It has not contacted the server for a while.
    Silent,
    /// It has not reported a run yet.
    Unknown,
}

/// How many clients stand how.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ClientCounts {
    /// Clients: the sum of the states.
    pub clients: u64,
    /// See [`ClientState::Current`].
    pub current: u64,
    /// See [`ClientState::Outdated`].
    pub outdated: u64,
    /// See [`ClientState::Failed`].
    pub failed: u64,
    /// See [`ClientState::Reverted`].
    pub reverted: u64,
    /// See [`ClientState::Silent`].
    pub silent: u64,
    /// See [`ClientState::Unknown`].
    pub unknown: u64,
    /// Clients, whatever their state but silent, that do not have the newest policy.
    pub policy_behind: u64,
    /// Seconds without a word after which a client counts as silent here.
    pub silent_seconds: u32,
}

/// A release that a client has, or should have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ClientRelease {
    /// The class.
    pub class: String,
    /// The component or program; `settings` for the settings of its domain.
    pub name: String,
    /// The version that it has. `None` if it has none.
    pub version: Option<String>,
    /// The version that it should have. `None` if the name is not published, and for settings.
    pub wanted: Option<String>,
    /// `current`, `outdated`, `failed` or `reverted`.
    pub state: ClientState,
    /// Since when it has this release and its runs have ended so.
    pub since: Timestamp,
    /// Why it failed or was reverted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What a client had from one source for one class on one day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ClientDayView {
    /// When the day began (UTC).
    pub day: Timestamp,
    /// The class.
    pub class: String,
    /// The source, as in a plan.
    pub source: String,
    /// Runs that asked it.
    pub runs: u64,
    /// Bytes that it sent.
    pub bytes: u64,
}

/// Clients in order of id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ClientsAnswer {
    /// This page.
    pub items: Vec<ClientView>,
    /// `after` of the next page. `None` on the last page.
    pub next: Option<String>,
    /// How many clients stand how: of those of the domain and the release, whatever other filters say. Only on the
    /// first page of a list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts: Option<ClientCounts>,
    /// Version of the newest policy, where `counts` is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_version: Option<u64>,
}

/// One client, as the server knows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ClientView {
    /// Its id.
    pub id: String,
    /// Its domain.
    pub domain: String,
    /// The addresses that it last reported, in canonical form.
    pub addresses: Vec<String>,
    /// Version of its client program.
    pub program: String,
    /// The saved version of the policy that it has. 0 if it has none.
    pub policy_version: u64,
    /// Content version that it has, by repository: a class, or `policy`.
    pub versions: BTreeMap<String, u64>,
    /// It has the update agent role.
    pub update_agent: bool,
    /// When it first asked.
    pub first_seen: Timestamp,
    /// When it last was.
    pub last_seen: Timestamp,
    /// How it stands.
    pub state: ClientState,
    /// Since when.
    pub since: Timestamp,
    /// Why it is outdated, or the error of its newest run: a sentence. `None` if there is nothing to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What it has: everything if that was asked for, else what is outdated, failed or reverted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub releases: Vec<ClientRelease>,
    /// What it had from each source in the last days, the newest first. Absent in lists.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub days: Vec<ClientDayView>,
    /// Its key. `None` if it has none or it was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<IdentityView>,
    /// The fleet rejects it: its key was revoked, or it never had one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub no_key: bool,
    /// Two machines use its identity, as was last found. `None` if nothing was found since its key was enrolled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copied: Option<CopiedIdentity>,
    /// Its latest report. Absent in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_report: Option<Report>,
}

/// Move clients to a domain: all or none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct MoveRequest {
    /// Ids.
    pub clients: Vec<String>,
    /// Destination.
    pub domain: String,
}

/// Which reports, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ReportsQuery {
    /// Only this client's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// At most so many (server's maximum: 1000; default: 100).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Only older reports: the `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<u64>,
}

/// Reports, newest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ReportsAnswer {
    /// This page.
    pub items: Vec<StoredReport>,
    /// `before` of the next page. `None` on the last page.
    pub next: Option<u64>,
}

/// One stored report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StoredReport {
    /// Its number at the server, ascending.
    pub number: u64,
    /// When it came.
    pub received: Timestamp,
    /// The client's report.
    pub report: Report,
}

/// Give the update agent role to a client or to every client of a domain, or change it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RoleRequest {
    /// The classes it shares. Empty removes the role.
    pub classes: Vec<String>,
    /// Where it is reached. Default: unchanged, at first the addresses that it reported. Not for a whole domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub addresses: Option<Vec<String>>,
    /// TCP port. Default: unchanged, at first 8472.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Only `https`, which is the default: update agents speak TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheme: Option<String>,
    /// Remove the role although entries name the client.
    #[serde(default)]
    pub force: bool,
}

/// Take the role.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ForceQuery {
    /// Force it although entries name the client. They are then shown as broken.
    #[serde(default)]
    pub force: bool,
}

/// The update agents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UpdateAgentsAnswer {
    /// In order of id.
    pub items: Vec<UpdateAgentView>,
    /// The saved version of the policy that contains this.
    pub policy_version: u64,
}

/// One update agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UpdateAgentView {
    /// The client's id.
    pub id: String,
    /// Its domain. `None` if the client is no longer in the registry.
    pub domain: Option<String>,
    /// Where it is reached.
    pub addresses: Vec<String>,
    /// TCP port.
    pub port: u16,
    /// `http` or `https`.
    pub scheme: String,
    /// The classes it shares.
    pub classes: Vec<String>,
    /// The entries that name it, from 1.
    pub entries: Vec<u32>,
}
