//! Clients, their reports, and the update agent role (P12, U1, U2, U6).

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::identity::IdentityView;
use crate::report::Report;

/// Which clients.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ClientsQuery {
    /// Only those of this domain, without its sub-domains.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// At most so many (server's maximum: 1000; default: 100).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Only ids after this one: the `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// Clients in order of id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ClientsAnswer {
    /// This page.
    pub items: Vec<ClientView>,
    /// `after` of the next page. `None` on the last page.
    pub next: Option<String>,
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
    /// Content version that it has, by class.
    pub versions: BTreeMap<String, u64>,
    /// It has the update agent role.
    pub update_agent: bool,
    /// When it first asked.
    pub first_seen: Timestamp,
    /// When it last was.
    pub last_seen: Timestamp,
    /// Its key. `None` if it has none or it was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<IdentityView>,
    /// The fleet rejects it: its key was revoked, or it never had one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub no_key: bool,
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
