//! What is set at a domain: drafts, saved versions, restore (S7, D2).

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What is set at one domain, explicitly; what is absent comes from above (D1).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DomainSettings {
    /// Typed settings, by key of [`EffectiveSettingsDocument`](crate::settings::EffectiveSettingsDocument).
    #[serde(default)]
    pub settings: BTreeMap<String, Value>,
    /// Free values.
    #[serde(default)]
    pub values: BTreeMap<String, Value>,
    /// Free files: relative path to text.
    #[serde(default)]
    pub files: BTreeMap<String, String>,
}

/// Change what is set at a domain: all or nothing. `null` clears a key, so that the nearest value above counts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SettingsEdit {
    /// Typed settings, by key of [`EffectiveSettingsDocument`](crate::settings::EffectiveSettingsDocument).
    pub settings: BTreeMap<String, Value>,
    /// Free values.
    pub values: BTreeMap<String, Value>,
    /// Free files: relative path to text.
    pub files: BTreeMap<String, Option<String>>,
}

/// Edit a draft of a domain's settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SettingsEditRequest {
    /// The edit.
    pub edit: SettingsEdit,
    /// Refuse (`draft_changed`) unless the draft has this revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_revision: Option<u64>,
}

/// Edit and save in one step, beside all drafts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SettingsSetRequest {
    /// The edit.
    pub edit: SettingsEdit,
    /// The saved version that the administrator has seen: refused (`draft_outdated`) if another was saved since.
    pub base_version: u64,
    /// Why; absent: empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

/// The drafts of a domain's settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SettingsDraftsAnswer {
    /// By name.
    pub items: Vec<SettingsDraft>,
}

/// A draft of what is set at a domain. One that nobody has edited equals the saved version, with `revision` 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SettingsDraft {
    /// The domain.
    pub domain: String,
    /// Its name; `default` where nobody chose another.
    pub name: String,
    /// The saved version it began from.
    pub base_version: u64,
    /// The saved version now.
    pub saved_version: u64,
    /// Counts the edits; 0: no draft is stored.
    pub revision: u64,
    /// When it was last edited.
    pub edited: Option<Timestamp>,
    /// What would be set.
    #[serde(flatten)]
    pub set: DomainSettings,
    /// What saving it would change against the saved version now.
    pub changes: Vec<SettingChange>,
}

/// One key that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SettingChange {
    /// `setting`, `value` or `file`.
    pub part: String,
    /// The setting, the name of the value, the path of the file.
    pub key: String,
    /// What was set; absent: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// What is set; absent: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
    /// The change as a line for people.
    pub text: String,
}

/// A saved version of what is set at a domain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SavedSettings {
    /// The domain.
    pub domain: String,
    /// The version, from 1; never used twice for a path, though the domain be removed and added again.
    pub version: u64,
    /// When it was saved.
    pub saved: Timestamp,
    /// Why, in the administrator's words or the server's.
    pub comment: String,
    /// What was set.
    #[serde(flatten)]
    pub set: DomainSettings,
}

/// Saved versions, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SettingsHistoryAnswer {
    /// This page.
    pub items: Vec<SettingsHistoryItem>,
    /// `before` of the next page; none: this was the last.
    pub next: Option<u64>,
}

/// One line of the history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SettingsHistoryItem {
    /// The version.
    pub version: u64,
    /// When it was saved.
    pub saved: Timestamp,
    /// Why.
    pub comment: String,
    /// Settings, values and files that were set.
    pub items: u64,
}

/// What changed between two versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SettingsDiffAnswer {
    /// The changes; empty: none.
    pub changes: Vec<SettingChange>,
}

/// A version was saved and, where clients get something new, signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SettingsSaved {
    /// The domain.
    pub domain: String,
    /// The new version; the current one if nothing changed.
    pub version: u64,
    /// Nothing differed, so nothing was saved.
    pub unchanged: bool,
    /// What changed.
    pub changes: Vec<SettingChange>,
    /// The domains whose clients get something new: this one or some below it; none where every changed value is
    /// overruled below, or is what came from above.
    pub domains: Vec<String>,
}
