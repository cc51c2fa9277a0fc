//! The file that holders pass on: the roots to sign, each with the root that it follows.

use std::collections::BTreeSet;
use std::path::Path;

use headwater_api::v1::RootDraftAnswer;
use headwater_policy::Repository;
use headwater_repo::{KeyId, Role, SecretKey, SignedRoot, UnsignedRoot, WriteError, error_chain};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::terminal::failure::Failure;
use crate::terminal::input::read_json;
use crate::terminal::output::time;
use crate::terminal::private::write_private;

const FORMAT: u32 = 1;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: u32,
    roots: Vec<RootDraftAnswer>,
}

/// A root that collects signatures.
#[derive(Debug)]
pub struct Carried {
    /// Its repository.
    pub repository: Repository,
    /// The root that it follows.
    pub previous: SignedRoot,
    /// The root, with the signatures so far.
    pub root: UnsignedRoot,
}

impl Carried {
    /// Reads the draft of a server or repository.
    pub fn read(draft: &RootDraftAnswer) -> Result<Self, Failure> {
        let repository: Repository = draft
            .repository
            .parse()
            .map_err(|error: headwater_policy::ParseError| Failure::bad_input(error.to_string()))?;
        let wrong = |error: &dyn std::error::Error| {
            Failure::bad_input(format!("the root of {repository} cannot be read: {}", error_chain(error)))
        };
        let bytes = |value: &Value| serde_json::to_vec(value).expect("JSON is JSON");
        let previous = SignedRoot::from_bytes(&bytes(&draft.previous)).map_err(|error| wrong(&error))?;
        let root =
            UnsignedRoot::from_bytes(&bytes(&draft.root), Some(&previous)).map_err(|error| wrong(&error))?;
        Ok(Self { repository, previous, root })
    }

    /// The draft, for the wire.
    pub fn draft(&self) -> RootDraftAnswer {
        let value = |bytes: &[u8]| serde_json::from_slice(bytes).expect("our own documents are JSON");
        RootDraftAnswer {
            repository: self.repository.to_string(),
            previous: value(self.previous.bytes()),
            root: value(&self.root.to_bytes()),
        }
    }

    /// Adds a signature; false if the root does not accept the key.
    pub fn sign(&mut self, key: &SecretKey) -> Result<bool, Failure> {
        match self.root.sign(key) {
            Ok(()) => Ok(true),
            Err(WriteError::ForeignKey { .. }) => Ok(false),
            Err(error) => Err(Failure::failed(error_chain(&error))),
        }
    }

    /// The signatures so far; `None` if the root is complete.
    pub fn missing(&self) -> Result<Option<String>, Failure> {
        match self.root.complete() {
            Ok(_) => Ok(None),
            Err(WriteError::KeysMissing { threshold, found, .. }) => {
                Ok(Some(format!("{found} of {threshold} signatures")))
            }
            Err(error) => {
                Err(Failure::failed(format!("the root of {}: {}", self.repository, error_chain(&error)))
                    .with_hint("the file was changed: write it again with `headwater keys export-root`"))
            }
        }
    }

    /// What the root changes, in lines for the person who signs it.
    pub fn description(&self) -> Vec<String> {
        let mut lines = vec![format!(
            "{}: root {} → {}, valid until {}",
            self.repository,
            self.previous.version(),
            self.root.version(),
            time(self.root.expires())
        )];
        if let Some(why) = self.root.key_replacement() {
            lines.push(format!("  replaces keys: {why}"));
        }
        for role in Role::ALL {
            let before: BTreeSet<&KeyId> = self.previous.key_ids(role).iter().collect();
            let after: BTreeSet<&KeyId> = self.root.key_ids(role).iter().collect();
            let thresholds = (self.previous.threshold(role), self.root.threshold(role));
            if before == after && thresholds.0 == thresholds.1 {
                continue;
            }
            let names = |ids: Vec<&&KeyId>| {
                ids.iter().map(|id| id.to_string()[..12].to_owned()).collect::<Vec<_>>().join(" ")
            };
            lines.push(format!(
                "  {role}: new [{}], removed [{}], {} of {} must sign",
                names(after.difference(&before).collect()),
                names(before.difference(&after).collect()),
                thresholds.1,
                after.len()
            ));
        }
        lines
    }

    /// Refuses an expired root.
    pub fn check_life(&self, now: Timestamp) -> Result<(), Failure> {
        if self.root.expires() <= now {
            return Err(Failure::bad_input(format!("the root of {} has expired already", self.repository))
                .with_hint("draft it again with `headwater keys export-root`"));
        }
        Ok(())
    }
}

/// Reads such a file.
pub fn read(path: &Path) -> Result<Vec<Carried>, Failure> {
    let file: File = read_json(path)?;
    if file.format != FORMAT {
        return Err(Failure::bad_input(format!(
            "{} has a newer format than this program reads",
            path.display()
        ))
        .with_hint("update this program"));
    }
    file.roots.iter().map(Carried::read).collect()
}

/// Writes it.
pub fn write(path: &Path, roots: &[Carried]) -> Result<(), Failure> {
    let file = File { format: FORMAT, roots: roots.iter().map(Carried::draft).collect() };
    let text = serde_json::to_string_pretty(&file).expect("our own documents are JSON") + "\n";
    write_private(path, text.as_bytes())
}
