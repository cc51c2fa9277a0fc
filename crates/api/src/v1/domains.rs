//! The domain tree (D1). What is set at a domain: `domain_settings`.

use serde::{Deserialize, Serialize};

use super::DomainSettings;
use crate::settings::DomainDocument;

/// All domains.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DomainsAnswer {
    /// In order of path, the root first.
    pub items: Vec<DomainView>,
}

/// A draft, by whose it is and its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DraftLine {
    /// The administrator whose draft it is, as a [`DraftQuery`](super::DraftQuery) names them.
    pub owner: String,
    /// What people call the owner.
    pub owner_name: String,
    /// Its name.
    pub name: String,
}

/// One domain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DomainView {
    /// `root` or `root/…`.
    pub path: String,
    /// Clients in it, those of its sub-domains not counted.
    pub clients: u64,
    /// The saved version of the settings of this domain. The version of the signed document is
    /// `effective.version`.
    pub saved_version: u64,
    /// Drafts of what is set here that are not saved yet, by owner and name.
    pub drafts: Vec<DraftLine>,
    /// What is set here.
    #[serde(flatten)]
    pub set: DomainSettings,
    /// What its clients get: the nearest explicit value of each setting, as signed.
    pub effective: DomainDocument,
}

/// Add a domain; its parent must exist.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct DomainRequest {
    /// `root/…`.
    pub path: String,
}
