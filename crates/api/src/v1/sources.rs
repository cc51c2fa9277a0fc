//! The source list: saved versions, drafts, preview and explain (S2, S6–S10).

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::plan::PlanDocument;
use crate::policy::{ClientDocument, EntryDocument, OptionsDocument, PolicyDocument};

/// A saved version of the policy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SavedPolicy {
    /// The version, from 1.
    pub version: u64,
    /// When it was saved.
    pub saved: Timestamp,
    /// Why, in the administrator's words or the server's.
    pub comment: String,
    /// The policy, whole.
    pub policy: PolicyDocument,
}

/// Saved versions, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HistoryAnswer {
    /// This page.
    pub items: Vec<HistoryItem>,
    /// `before` of the next page; none: this was the last.
    pub next: Option<u64>,
}

/// One line of the history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HistoryItem {
    /// The version.
    pub version: u64,
    /// When it was saved.
    pub saved: Timestamp,
    /// Why.
    pub comment: String,
    /// The mode (S1).
    pub mode: String,
    /// Entries in the list.
    pub entries: u32,
}

/// Which two versions to compare.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DiffQuery {
    /// A saved version.
    pub from: u64,
    /// A saved version; absent with `draft` absent: the current one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<u64>,
    /// The draft to compare with instead of `to`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draft: Option<String>,
}

/// What changed between two versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DiffAnswer {
    /// The changes; empty: none.
    pub changes: Vec<Change>,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
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

/// Publish what an earlier version says as a new version: the source list's mode, options and entries, or all that was
/// set at a domain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RestoreRequest {
    /// The version to restore.
    pub version: u64,
    /// The current version as the administrator saw it.
    pub expected_version: u64,
    /// Why; absent: the server writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

/// The drafts that exist.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DraftsAnswer {
    /// By name.
    pub items: Vec<Draft>,
}

/// A draft. One that nobody has edited equals the saved version, with `revision` 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Draft {
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
    /// The policy as it would be saved. Server, vendor source and update agents are today's: a draft edits the
    /// mode, the options and the entries.
    pub policy: PolicyDocument,
    /// What stands in an imported document and was not taken, each a sentence.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// Replace a draft's mode, options and entries by those of a document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportRequest {
    /// The document: `sources export` gives it.
    pub policy: PolicyDocument,
    /// Refuse (`draft_changed`) unless the draft has this revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_revision: Option<u64>,
}

/// Edit a draft: all edits or none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EditsRequest {
    /// The edits, in order; entry numbers are those after the edits before.
    pub edits: Vec<Edit>,
    /// Refuse (`draft_changed`) unless the draft has this revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_revision: Option<u64>,
}

/// One edit; entries are numbered from 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
pub enum Edit {
    /// Add an entry.
    Add {
        /// The entry.
        entry: EntryDocument,
        /// Its number; absent: last.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<u32>,
    },
    /// Replace an entry.
    Edit {
        /// Which.
        number: u32,
        /// By what.
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
    /// Set the mode (S1).
    SetMode {
        /// `standard` or `customized`.
        mode: String,
    },
    /// Set all options (S9).
    SetOptions {
        /// The options.
        options: OptionsDocument,
    },
}

/// What saving a draft would do (S8).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Preview {
    /// What changes against the saved version.
    pub changes: Vec<Change>,
    /// What keeps it from being saved.
    pub errors: Vec<Finding>,
    /// What the administrator should know; never blocks.
    pub warnings: Vec<Finding>,
    /// Clients known to the server.
    pub clients_known: u64,
    /// Clients whose plan changes for at least one class.
    pub plans_changed: u64,
}

/// One finding of a preview.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// The entry, from 1, if it is of one.
    pub entry: Option<u32>,
    /// A stable snake_case word: `shadowed`, `repeated`, `no_client_matches`, `client_matches_none`, …
    pub code: String,
    /// A sentence for people.
    pub message: String,
}

/// Save a draft.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SaveRequest {
    /// Why; absent: empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Save over this version though the draft began from an older one: the administrator has seen what changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub over_version: Option<u64>,
}

/// A version was saved and signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Saved {
    /// The new version; the current one if nothing changed.
    pub version: u64,
    /// Nothing differed, so nothing was saved.
    pub unchanged: bool,
    /// What changed.
    pub changes: Vec<Change>,
    /// As in the preview.
    pub warnings: Vec<Finding>,
}

/// Whose plans to explain (S10): `client`, or `addresses`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExplainQuery {
    /// A known client's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// Addresses, separated by commas, of a client that need not exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub addresses: Option<String>,
    /// The draft to explain with; absent: the saved policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draft: Option<String>,
}

/// The plans of a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Explained {
    /// The client they were made for.
    pub client: ClientDocument,
    /// The saved version they were made from (a draft's: its base).
    pub policy_version: u64,
    /// The plans, with every entry passed over and why.
    pub plans: PlanDocument,
}
