//! The domain tree and its settings (D1, D2).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::settings::DomainDocument;

/// All domains.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DomainsAnswer {
    /// In order of path, the root first.
    pub items: Vec<DomainView>,
}

/// One domain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DomainView {
    /// `root` or `root/…`.
    pub path: String,
    /// Clients in it, those of its sub-domains not counted.
    pub clients: u64,
    /// What is set here, by key of [`EffectiveSettingsDocument`](crate::settings::EffectiveSettingsDocument).
    pub settings: BTreeMap<String, serde_json::Value>,
    /// Free values set here.
    pub values: BTreeMap<String, serde_json::Value>,
    /// Free files set here.
    pub files: BTreeMap<String, String>,
    /// What its clients get: the nearest explicit value of everything, as signed.
    pub effective: DomainDocument,
}

/// Add a domain; its parent must exist.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DomainRequest {
    /// `root/…`.
    pub path: String,
}

/// Change what is set at a domain: all or nothing. `null` clears a key, so that the nearest value above counts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SettingsEdit {
    /// Typed settings, by key of [`EffectiveSettingsDocument`](crate::settings::EffectiveSettingsDocument).
    pub settings: BTreeMap<String, serde_json::Value>,
    /// Free values.
    pub values: BTreeMap<String, serde_json::Value>,
    /// Free files: relative path to text.
    pub files: BTreeMap<String, Option<String>>,
}
