//! The domain tree as values: what the clients of each domain get, and how a domain is stored and recorded.

use std::collections::BTreeMap;

use headwater_api::settings::DomainDocument;
use headwater_api::v1::DomainSettings;
use headwater_policy::{Class, DomainPath, DomainTree, Repository};
use headwater_repo::{Digest, TargetName};
use serde_json::{Value, json};

use super::domain_settings::document;
use crate::audit::Record;
use crate::db::domain_settings::StoredVersion;
use crate::db::domains::DomainRow;
use crate::db::to_json;
use crate::error::{Error, Refusal, Result};

/// What is set at a domain as a version of its history.
pub(super) fn saved_now(row: &DomainRow, comment: &str, audit_entry: &Record) -> StoredVersion {
    StoredVersion {
        version: row.saved_version,
        saved: audit_entry.time,
        saved_by: audit_entry.who.clone(),
        comment: comment.to_owned(),
        set: row.set.clone(),
    }
}

/// What is set at a domain, as the audit log records it. Free values and files may hold secrets of the software on
/// the endpoint: their digests are recorded.
pub(super) fn audit_value(version: u64, set: &DomainSettings) -> Value {
    let digest = |text: &str| Digest::of(text.as_bytes()).to_string();
    let values = set.values.iter().map(|(name, value)| (name, digest(&value.to_string())));
    let files = set.files.iter().map(|(path, text)| (path, digest(text)));
    json!({
        "version": version,
        "settings": set.settings,
        "values": values.collect::<BTreeMap<_, _>>(),
        "files": files.collect::<BTreeMap<_, _>>(),
    })
}

/// A domain at which nothing is set.
pub(super) fn empty_domain(path: &DomainPath) -> DomainRow {
    let (path, set) = (path.to_string(), DomainSettings::default());
    DomainRow { path, version: 0, typed_version: 0, saved_version: 1, set }
}

/// What the clients of each domain get: the nearest explicit value of everything, in the order of the rows.
pub(super) fn documents(rows: &[DomainRow]) -> Result<Vec<DomainDocument>> {
    let tree = tree(rows)?;
    rows.iter()
        .map(|row| {
            let path: DomainPath = row.path.parse().map_err(corrupt)?;
            let mut free = DomainSettings::default();
            let above: Vec<_> = path.ancestry().collect();
            for domain in above.iter().rev() {
                if let Some(row) = rows.iter().find(|row| row.path == domain.as_str()) {
                    free.values.extend(row.set.values.clone());
                    free.files.extend(row.set.files.clone());
                }
            }
            let settings = tree.effective(&path).ok_or_else(|| no_domain(path.as_str()))?;
            Ok(DomainDocument {
                domain: row.path.clone(),
                version: row.version,
                typed_version: row.typed_version,
                settings: settings.into(),
                values: free.values,
                files: free.files,
            })
        })
        .collect()
}

/// The two signed documents of a domain, each in a repository of its own (D2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// What Headwater itself obeys: it travels with the policy.
    Typed,
    /// What is for the software on the endpoint.
    Free,
}

impl Part {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Typed, Self::Free];

    /// Where it is signed.
    pub fn repository(self) -> Repository {
        match self {
            Self::Typed => Repository::Policy,
            Self::Free => Class::Settings.into(),
        }
    }

    /// The name of its target.
    pub fn target(self, domain: &str) -> TargetName {
        let folder = match self {
            Self::Typed => "settings",
            Self::Free => "domains",
        };
        TargetName::new(format!("{folder}/{domain}.json")).expect("domain paths are target name parts")
    }

    /// Its version.
    pub fn version(self, document: &DomainDocument) -> u64 {
        match self {
            Self::Typed => document.typed_version,
            Self::Free => document.version,
        }
    }

    /// The document as JSON.
    pub fn to_json(self, document: &DomainDocument) -> String {
        match self {
            Self::Typed => to_json(&document.typed()),
            Self::Free => to_json(&document.free()),
        }
    }

    /// Whether it is the same in both, and as open to read.
    pub fn is_same(self, one: &DomainDocument, other: &DomainDocument) -> bool {
        let same = match self {
            Self::Typed => one.settings == other.settings,
            Self::Free => one.values == other.values && one.files == other.files,
        };
        same && one.domain == other.domain && one.settings.confidential == other.settings.confidential
    }
}

pub(super) fn tree(rows: &[DomainRow]) -> Result<DomainTree> {
    let mut domains = Vec::new();
    for row in rows {
        let settings = document(&row.set.settings)
            .ok()
            .and_then(|document| document.read().ok())
            .ok_or_else(|| Error::Corrupt { what: "domain settings", reason: row.path.clone() })?;
        domains.push((row.path.parse().map_err(corrupt)?, settings));
    }
    DomainTree::new(domains)
        .map_err(|error| Error::Corrupt { what: "domain tree", reason: error.to_string() })
}

fn corrupt(error: headwater_policy::ParseError) -> Error {
    Error::Corrupt { what: "domain path", reason: error.to_string() }
}

/// A path as it was given.
pub(super) fn parse_domain(path: &str) -> Result<DomainPath> {
    Ok(path.parse().map_err(|error: headwater_policy::ParseError| Refusal::invalid(error.to_string()))?)
}

/// There is no such domain.
pub(super) fn no_domain(path: &str) -> Error {
    Refusal::NotFound {
        what: "domain",
        name: path.to_owned(),
        hint: "look at the list of domains, or add it first",
    }
    .into()
}
