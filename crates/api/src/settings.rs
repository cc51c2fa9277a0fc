//! The signed documents of class `settings`: the policy and each domain's effective settings.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::policy::PolicyDocument;

/// The current format of [`SignedPolicy`] and [`DomainDocument`].
pub const FORMAT: u32 = 1;

/// The target `policy.json`: what every client decides from.
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
    #[serde(default)]
    pub response_signing_keys: Vec<String>,
    /// Revoked clients, which nobody answers; each until its certificate has expired.
    #[serde(default)]
    pub revoked: Vec<RevokedDocument>,
    /// The version of each class's root: under an older one nothing new is installed.
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

/// The target `domains/PATH.json`: the effective settings of one domain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DomainDocument {
    /// [`FORMAT`].
    pub format: u32,
    /// The domain, `root` or `root/…`.
    pub domain: String,
    /// The domain's own release number, from 1.
    pub version: u64,
    /// The typed settings, which Headwater itself obeys.
    pub settings: EffectiveSettingsDocument,
    /// Values for the software on the endpoint.
    #[serde(default)]
    pub values: BTreeMap<String, serde_json::Value>,
    /// Files for the software on the endpoint: relative path to text.
    #[serde(default)]
    pub files: BTreeMap<String, String>,
}

/// The target `domains/PATH.json` of a confidential domain: a [`DomainDocument`], sealed with the domain's key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SealedDomainDocument {
    /// [`FORMAT`].
    pub format: u32,
    /// The domain, `root` or `root/…`.
    pub domain: String,
    /// The domain's own release number, from 1.
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

/// What stands in a domain's target: open, or for those with the key alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum SignedDomain {
    /// For those who have the domain's key.
    Sealed(SealedDomainDocument),
    /// For everybody.
    Open(Box<DomainDocument>),
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
