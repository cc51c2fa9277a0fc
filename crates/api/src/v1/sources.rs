//! The source list: saved versions, drafts, preview and explain (S2, S6–S10).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::plan::PlanDocument;
use crate::policy::{ClientDocument, EntryDocument, OptionsDocument, PolicyDocument};

/// A saved version of the policy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SavedPolicy {
    /// The version, from 1.
    pub version: u64,
    /// When it was saved.
    pub saved: Timestamp,
    /// Who saved it, as the audit log names them.
    pub saved_by: String,
    /// Why, in the administrator's words or the server's.
    pub comment: String,
    /// The policy, whole.
    pub policy: PolicyDocument,
}

/// Saved versions, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HistoryAnswer {
    /// This page.
    pub items: Vec<HistoryItem>,
    /// `before` of the next page. `None` on the last page.
    pub next: Option<u64>,
}

/// One line of the history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HistoryItem {
    /// The version.
    pub version: u64,
    /// When it was saved.
    pub saved: Timestamp,
    /// Who saved it, as the audit log names them.
    pub saved_by: String,
    /// Why.
    pub comment: String,
    /// The mode.
    pub mode: String,
    /// Entries in the list.
    pub entries: u32,
}

/// Which two versions to compare.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct DiffQuery {
    /// A saved version.
    pub from: u64,
    /// A saved version. Default, unless `draft` is given: the current one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<u64>,
    /// The draft to compare with instead of `to`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draft: Option<String>,
    /// The owner of the draft. Default: the caller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
}

/// What changed between two versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DiffAnswer {
    /// The changes. Empty if there are none.
    pub changes: Vec<ChangeView>,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ChangeView {
    /// `added`, `removed`, `moved`, `changed` (an entry), or `option` (mode, options, server, vendor, update agents).
    pub kind: String,
    /// The entry's number before, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<u32>,
    /// The entry's number after, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u32>,
    /// The change as a line for people.
    pub text: String,
}

/// Publish an earlier version as a new one: the source list's mode, options and entries, or all settings of a
/// domain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RestoreRequest {
    /// The version to restore.
    pub version: u64,
    /// The current version that the administrator has seen.
    pub expected_version: u64,
    /// The reason. Default: the server writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

/// The drafts that exist.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DraftsAnswer {
    /// Of all administrators, by owner and name.
    pub items: Vec<DraftView>,
}

/// Whose draft is meant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct DraftQuery {
    /// The owner, as `owner` of a draft states it. Default: the caller, so that nobody works on another administrator's
    /// draft without naming its owner. Only a draft that is stored can be named so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
}

/// A draft. One that its owner has not edited equals the saved version, with `revision` 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DraftView {
    /// The administrator whose draft it is, as a [`DraftQuery`] names them.
    pub owner: String,
    /// What people call the owner.
    pub owner_name: String,
    /// Its name; the owner has no other of this name. Default: `default`.
    pub name: String,
    /// The saved version on which it is based.
    pub base_version: u64,
    /// The saved version now.
    pub saved_version: u64,
    /// Number of edits. 0 if no draft is stored.
    pub revision: u64,
    /// When it was last edited.
    pub edited: Option<Timestamp>,
    /// The policy as it would be saved. Server, vendor source and update agents are today's: a draft edits the
    /// mode, the options and the entries.
    pub policy: PolicyDocument,
    /// Parts of an imported document that were not used, each a sentence.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// Replace a draft's mode, options and entries by those of a document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ImportRequest {
    /// The document: `sources export` gives it.
    pub policy: PolicyDocument,
    /// Refuse (`draft_changed`) unless the draft has this revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_revision: Option<u64>,
}

/// Edit a draft: all edits or none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct EditsRequest {
    /// The edits, in order. Entry numbers are those after the preceding edits.
    pub edits: Vec<Edit>,
    /// Refuse (`draft_changed`) unless the draft has this revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_revision: Option<u64>,
}

/// One edit; entries are numbered from 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
pub enum Edit {
    /// Add an entry.
    Add {
        /// The entry.
        entry: EntryDocument,
        /// Its number. Default: last.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<u32>,
    },
    /// Replace an entry.
    Edit {
        /// Which.
        number: u32,
        /// The new entry.
        entry: EntryDocument,
    },
    /// Remove entries, all at once.
    Remove {
        /// Which.
        numbers: Vec<u32>,
    },
    /// Move one entry one step up.
    MoveUp {
        /// Which.
        number: u32,
    },
    /// Move one entry one step down.
    MoveDown {
        /// Which.
        number: u32,
    },
    /// Move one entry to a position.
    MoveTo {
        /// Which.
        number: u32,
        /// Its number afterwards.
        to: u32,
    },
    /// Set the mode.
    SetMode {
        /// `standard` or `customized`.
        mode: String,
    },
    /// Set all options.
    SetOptions {
        /// The options.
        options: OptionsDocument,
    },
}

/// What saving a draft would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PreviewAnswer {
    /// What changes against the saved version.
    pub changes: Vec<ChangeView>,
    /// The errors that block saving.
    pub errors: Vec<Finding>,
    /// Warnings. They never block saving.
    pub warnings: Vec<Finding>,
    /// Clients known to the server.
    pub clients_known: u64,
    /// Clients whose plan changes for at least one class. Absent if there are errors: no plans were computed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plans_changed: Option<u64>,
}

/// One finding of a preview.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Finding {
    /// The entry, from 1, if it concerns one.
    pub entry: Option<u32>,
    /// A stable snake_case word: `shadowed`, `repeated`, `no_client_matches`, `client_matches_none`, …
    pub code: String,
    /// A message for people.
    pub message: String,
}

/// Save a draft.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct SaveRequest {
    /// The reason. Default: empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Save over this version although the draft is based on an older one: the administrator has seen the
    /// difference.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub over_version: Option<u64>,
}

/// A version was saved and signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SavedAnswer {
    /// The new version; the current one if nothing changed.
    pub version: u64,
    /// Nothing changed, so nothing was saved.
    pub unchanged: bool,
    /// What changed.
    pub changes: Vec<ChangeView>,
    /// As in the preview.
    pub warnings: Vec<Finding>,
}

/// Whose plans to explain: `client`, or `addresses`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ExplainQuery {
    /// A known client's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// Addresses, separated by commas. No client with them has to exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub addresses: Option<String>,
    /// The draft to explain with. Default: the saved policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draft: Option<String>,
    /// The owner of the draft. Default: the caller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
}

/// The plans of a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Explained {
    /// The client they were made for.
    pub client: ClientDocument,
    /// The saved version they were made from (a draft's: its base).
    pub policy_version: u64,
    /// The plans, with every entry passed over and why.
    pub plans: PlanDocument,
}
