//! What is set at a domain: drafts, saved versions, restore (S7, D2).

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What is set at one domain, explicitly; what is absent comes from above.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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

/// Change a domain's settings: all or nothing. `null` clears a key, so that the nearest value above applies.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SettingsEditRequest {
    /// The edit.
    pub edit: SettingsEdit,
    /// Refuse (`draft_changed`) unless the draft has this revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_revision: Option<u64>,
}

/// Edit and save in one step, beside all drafts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SettingsSetRequest {
    /// The edit.
    pub edit: SettingsEdit,
    /// The saved version that the administrator has seen. Refused (`draft_outdated`) if another was saved since.
    pub base_version: u64,
    /// The reason. Default: empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

/// The drafts of a domain's settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SettingsDraftsAnswer {
    /// Of all administrators, by owner and name.
    pub items: Vec<SettingsDraft>,
}

/// A draft of a domain's settings. One that its owner has not edited equals the saved version, with `revision` 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SettingsDraft {
    /// The domain.
    pub domain: String,
    /// The administrator whose draft it is, as a [`DraftQuery`](super::DraftQuery) names them.
    pub owner: String,
    /// What people call the owner.
    pub owner_name: String,
    /// Its name; the owner has no other of this name for the domain. Default: `default`.
    pub name: String,
    /// The saved version on which it is based.
    pub base_version: u64,
    /// The saved version now.
    pub saved_version: u64,
    /// Number of edits. 0 if no draft is stored.
    pub revision: u64,
    /// When it was last edited.
    pub edited: Option<Timestamp>,
    /// What would be set.
    #[serde(flatten)]
    pub set: DomainSettings,
    /// The difference that saving it would make to the present saved version.
    pub changes: Vec<SettingChangeView>,
}

/// One key that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SettingChangeView {
    /// `setting`, `value` or `file`.
    pub part: String,
    /// The setting, the name of the value, the path of the file.
    pub key: String,
    /// What was set. Absent if nothing was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// What is set. Absent if nothing is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
    /// The change as a line for people.
    pub text: String,
}

/// A saved version of a domain's settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SavedSettings {
    /// The domain.
    pub domain: String,
    /// The version, from 1. Never used twice for a path, even if the domain is removed and added again.
    pub version: u64,
    /// When it was saved.
    pub saved: Timestamp,
    /// Who saved it, as the audit log names them.
    pub saved_by: String,
    /// Why, in the administrator's words or the server's.
    pub comment: String,
    /// What was set.
    #[serde(flatten)]
    pub set: DomainSettings,
}

/// Saved versions, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SettingsHistoryAnswer {
    /// This page.
    pub items: Vec<SettingsHistoryItem>,
    /// `before` of the next page. `None` on the last page.
    pub next: Option<u64>,
}

/// One line of the history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SettingsHistoryItem {
    /// The version.
    pub version: u64,
    /// When it was saved.
    pub saved: Timestamp,
    /// Who saved it, as the audit log names them.
    pub saved_by: String,
    /// Why.
    pub comment: String,
    /// Settings, values and files that were set.
    pub items: u64,
}

/// What changed between two versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SettingsDiffAnswer {
    /// The changes. Empty if there are none.
    pub changes: Vec<SettingChangeView>,
}

/// A version was saved and, where clients get something new, signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SettingsSaved {
    /// The domain.
    pub domain: String,
    /// The new version; the current one if nothing changed.
    pub version: u64,
    /// Nothing changed, so nothing was saved.
    pub unchanged: bool,
    /// What changed.
    pub changes: Vec<SettingChangeView>,
    /// The domains whose clients get new values: this one or some below it. Empty if every changed value is
    /// overridden below, or equals the one from above.
    pub domains: Vec<String>,
}
