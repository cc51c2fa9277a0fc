//! What stays in the signed list of a component that was removed. Target `NAME/removed.json`.
//!
//! A client that finds neither a release list nor this of something that it has installed knows that nobody with the
//! current keys ever published it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::error::ContentError;
use crate::limits::RELEASES_MAX;
use crate::manifest::{check_format, unparsable};
use crate::names::{ComponentName, Sequence};
use crate::release_list::ReleaseList;

/// The format that this program writes and the newest that it reads.
pub const FORMAT: u64 = 1;
const WHAT: &str = "tombstone";

/// A component that was removed, with the releases that clients may keep of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tombstone {
    format: u64,
    component: ComponentName,
    /// When it was removed.
    removed: Timestamp,
    /// Its releases that were not withdrawn, newest last.
    releases: Vec<Buried>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Buried {
    sequence: Sequence,
    identity: Digest,
}

impl Tombstone {
    /// The tombstone of a component whose last list this is.
    pub fn of(list: &ReleaseList, removed: Timestamp) -> Self {
        let kept = list.releases().iter().filter(|release| !list.withdrawn().contains(&release.sequence));
        let releases = kept.map(|release| Buried { sequence: release.sequence, identity: release.identity });
        let component = list.component().clone();
        Self { format: FORMAT, component, removed, releases: releases.collect() }
    }

    /// Reads a verified target.
    ///
    /// # Errors
    ///
    /// Anything that breaks a rule of these types or a limit; a later format.
    pub fn parse(bytes: &[u8]) -> Result<Self, ContentError> {
        check_format(WHAT, bytes, FORMAT)?;
        let tombstone: Self = serde_json::from_slice(bytes).map_err(|error| unparsable(WHAT, &error))?;
        if tombstone.releases.len() > RELEASES_MAX {
            let reason = format!("it has {} releases; {RELEASES_MAX} are allowed", tombstone.releases.len());
            return Err(ContentError::Invalid { what: WHAT, reason });
        }
        Ok(tombstone)
    }

    /// The target's content.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("tombstones are plain JSON")
    }

    /// Whose it is.
    pub fn component(&self) -> &ComponentName {
        &self.component
    }

    /// When the component was removed.
    pub fn removed(&self) -> Timestamp {
        self.removed
    }

    /// Whether it names this content under this number.
    pub fn confirms(&self, sequence: Sequence, identity: &Digest) -> bool {
        self.releases.iter().any(|buried| buried.sequence == sequence && buried.identity == *identity)
    }
}
