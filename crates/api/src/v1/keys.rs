//! Signing keys: what there is, what has to be done by when, and how a new root comes about (I2).

use jiff::Timestamp;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The keys of all repositories.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct KeysView {
    /// By repository.
    pub repositories: Vec<RepositoryKeysView>,
    /// What an administrator has to do, most urgent first. Empty if nothing.
    pub to_do: Vec<String>,
}

/// The keys of one repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RepositoryKeysView {
    /// The repository: `policy` or a class.
    pub repository: String,
    /// Version of its root.
    pub root_version: u64,
    /// When its root expires.
    pub root_expires: Timestamp,
    /// When its root must be renewed at the latest: half of its life before that.
    pub renew_by: Timestamp,
    /// Whether enough root keys are in the server's data folder, so that the server renews its root automatically.
    pub root_keys_here: bool,
    /// The four roles.
    pub roles: Vec<RoleKeysView>,
    /// Replaced keys that sign beside their successors for a while.
    #[serde(default)]
    pub retired: Vec<RetiredKey>,
}

/// The keys of one role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RoleKeysView {
    /// `root`, `targets`, `snapshot`, `timestamp`.
    pub role: String,
    /// Number of its keys that must sign.
    pub threshold: u32,
    /// Their ids.
    pub keys: Vec<String>,
    /// Number of them that the server holds.
    pub here: u32,
    /// When what it signed expires.
    pub expires: Timestamp,
}

/// A replaced key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RetiredKey {
    /// Its former role.
    pub role: String,
    /// Its id.
    pub key: String,
    /// When it stops signing beside its successor.
    pub until: Timestamp,
}

/// Why a root replaces keys. Clients obey it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ReplacementReason {
    /// Somebody else may have them: endpoints replace what they alone signed.
    Compromised,
    /// Routine or loss: endpoints keep what they signed until something newer is published.
    Planned,
}

/// Asks for a root to be signed: the present one with a new expiry and with these changes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RootDraftRequest {
    /// Online roles that get a new key, made by the server: `targets`, `snapshot`, `timestamp`.
    #[serde(default)]
    pub replace: Vec<String>,
    /// Public keys of the new root, 64 hexadecimal digits each. Default: unchanged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_keys: Option<Vec<String>>,
    /// Number of root keys that must sign. Default: unchanged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_threshold: Option<u32>,
    /// Why keys are replaced. Default: `planned`, if any are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<ReplacementReason>,
}

/// A root to be signed, and the one that it follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RootDraftAnswer {
    /// The repository: `policy` or a class.
    pub repository: String,
    /// The current root. Its keys must sign too.
    pub previous: Value,
    /// The new root, with the signatures so far.
    pub root: Value,
}

/// A root with all its signatures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RootRequest {
    /// The root.
    pub root: Value,
}

/// What a backup contains beside the database and all signed metadata.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct BackupRequest {
    /// The passphrase that encrypts the keys. Without it they are left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(serialize_with = "crate::secret::serialize_option")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub passphrase: Option<SecretString>,
    /// The bodies of releases too.
    #[serde(default)]
    pub bodies: bool,
}

/// How the fleet CA is to be replaced.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RotateCaQuery {
    /// The former CAs are revoked because one was stolen. Every client gets another certificate by proving its
    /// key.
    #[serde(default)]
    pub at_once: bool,
}

/// A replaced key of the server: for signing answers, or for encrypting enrolments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct KeyRotated {
    /// The new public key (base64).
    pub key: String,
}

/// A fleet CA that was replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CaRotated {
    /// The number of the new one, from 1.
    pub number: u64,
    /// The former CAs were revoked.
    #[serde(default)]
    pub at_once: bool,
}
