//! The signed documents of the policy's repository (the policy, each domain's typed settings), and of class `settings`
//! (each domain's values and files).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::policy::PolicyDocument;

/// The current format of [`SignedPolicy`], [`TypedSettingsDocument`] and [`FreeSettingsDocument`].
pub const FORMAT: u32 = 1;

/// The target `policy.json` of the policy's repository: what every client decides from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SignedPolicy {
    /// [`FORMAT`].
    pub format: u32,
    /// The saved version, from 1.
    pub version: u64,
    /// The policy itself.
    pub policy: PolicyDocument,
    /// The vendor source's root metadata, if there is a vendor source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor_root: Option<serde_json::Value>,
    /// Who belongs to the fleet.
    pub fleet: FleetDocument,
}

/// What clients and update agents authenticate each other and the server by.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FleetDocument {
    /// Every certificate of the fleet CA that is in use (PEM), the newest first.
    pub ca: Vec<String>,
    /// Certificates of CAs that were stolen, so that the fleet distrusts them (PEM): a client with one of theirs is only asked to renew.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub distrusted_ca: Vec<String>,
    /// Public keys that the server signs its answers with, the newest first.
    pub response_signing_keys: Vec<String>,
    /// Revoked clients, which nobody answers; each until its certificate has expired.
    pub revoked: Vec<RevokedDocument>,
    /// The version of each repository's root: under an older one nothing new is installed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub roots: BTreeMap<String, u64>,
    /// Update agents serve class `components` to those who show no certificate too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub anonymous_components: bool,
}

/// A key that belongs to the fleet no longer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RevokedDocument {
    /// The client that had it.
    pub client: String,
    /// SHA-256 of the public key, hexadecimal.
    pub key: String,
}

/// The target `settings/PATH.json` of the policy's repository: the typed settings of one domain, which Headwater itself
/// obeys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TypedSettingsDocument {
    /// [`FORMAT`].
    pub format: u32,
    /// The domain, `root` or `root/…`.
    pub domain: String,
    /// Version of these settings of the domain.
    pub version: u64,
    /// The settings.
    pub settings: EffectiveSettingsDocument,
}

/// The target `domains/PATH.json` of class `settings`: what one domain sets for the software on the endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FreeSettingsDocument {
    /// [`FORMAT`].
    pub format: u32,
    /// The domain, `root` or `root/…`.
    pub domain: String,
    /// Version of this document of the domain.
    pub version: u64,
    /// Values: name to JSON.
    pub values: BTreeMap<String, serde_json::Value>,
    /// Files: relative path to text.
    pub files: BTreeMap<String, String>,
}

/// A [`TypedSettingsDocument`] or a [`FreeSettingsDocument`] of a confidential domain, sealed with the domain's key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SealedDomainDocument {
    /// [`FORMAT`].
    pub format: u32,
    /// The domain, `root` or `root/…`.
    pub domain: String,
    /// Version of the document.
    pub version: u64,
    /// The document.
    pub sealed: SealedBody,
}

/// A text sealed with a domain's key (AES-256-GCM).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SealedBody {
    /// Names the key; clients of the domain get it at check-in.
    pub key_id: String,
    /// The nonce (base64).
    pub nonce: String,
    /// What is sealed (base64).
    pub body: String,
}

/// What the clients of a domain get: both of its documents, for showing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DomainDocument {
    /// The domain, `root` or `root/…`.
    pub domain: String,
    /// Version of what it gives to the software on the endpoint.
    pub version: u64,
    /// Version of its typed settings.
    pub typed_version: u64,
    /// The typed settings, which Headwater itself obeys.
    pub settings: EffectiveSettingsDocument,
    /// Values for the software on the endpoint.
    pub values: BTreeMap<String, serde_json::Value>,
    /// Files for the software on the endpoint: relative path to text.
    pub files: BTreeMap<String, String>,
}

impl DomainDocument {
    /// The part that travels with the policy.
    pub fn typed(&self) -> TypedSettingsDocument {
        let Self { domain, typed_version: version, settings, .. } = self.clone();
        TypedSettingsDocument { format: FORMAT, domain, version, settings }
    }

    /// The part for the software on the endpoint.
    pub fn free(&self) -> FreeSettingsDocument {
        let Self { domain, version, values, files, .. } = self.clone();
        FreeSettingsDocument { format: FORMAT, domain, version, values, files }
    }
}

/// The typed settings, all decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EffectiveSettingsDocument {
    /// Minutes between polls, 1–129600.
    pub poll_interval_minutes: u32,
    /// Clients may download from the vendor source.
    pub download_from_vendor: bool,
    /// Whether a person on the endpoint may start a run.
    pub allow_manual_update: bool,
    /// Seconds to connect to a source.
    pub connect_timeout_seconds: u32,
    /// Seconds without a byte before a source counts as failed.
    pub idle_timeout_seconds: u32,
    /// The HTTP proxy by which clients reach URLs and the vendor source, such as `http://proxy.example:3128`. `None` if
    /// there is none. The server and update agents are always reached directly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
    /// Host names (with all names below them), addresses, IPv4 ranges and IPv6 prefixes that are reached without the
    /// proxy, between commas.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub proxy_exceptions: String,
    /// Command that tests a new release before it is kept, run in the release's folder. `None` if there is no
    /// probe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe_command: Option<Vec<String>>,
    /// Command run after a release was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_command: Option<Vec<String>>,
    /// Seconds that a hook or an install command may take.
    pub hook_timeout_seconds: u32,
    /// Mebibytes that an update agent may hold.
    pub update_agent_quota_mib: u64,
    /// Downloads that an update agent serves at once.
    pub update_agent_downloads_max: u32,
    /// Kibibytes a second that an update agent serves in total. 0 means no limit.
    pub update_agent_bandwidth_kib_per_second: u64,
    /// Only the domain's own clients can read its settings, whichever source carries them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub confidential: bool,
}

/// The typed settings that one domain sets explicitly; what is absent comes from above.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct SettingsDocument {
    /// See [`EffectiveSettingsDocument`]; so is every field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub poll_interval_minutes: Option<u32>,
    /// Likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub download_from_vendor: Option<bool>,
    /// Likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_manual_update: Option<bool>,
    /// Likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect_timeout_seconds: Option<u32>,
    /// Likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_timeout_seconds: Option<u32>,
    /// Likewise; an empty one means that there is none, whatever applies above.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
    /// Likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy_exceptions: Option<String>,
    /// Likewise; an empty one means that there is none, whatever applies above.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probe_command: Option<Vec<String>>,
    /// Likewise; an empty one means that there is none, whatever applies above.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_command: Option<Vec<String>>,
    /// Likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hook_timeout_seconds: Option<u32>,
    /// Likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub update_agent_quota_mib: Option<u64>,
    /// Likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub update_agent_downloads_max: Option<u32>,
    /// Likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub update_agent_bandwidth_kib_per_second: Option<u64>,
    /// Likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confidential: Option<bool>,
}
