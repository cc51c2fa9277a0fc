//! The present state of a repository of ours, read back in order to publish the next.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::digest::Digest;
use crate::document::{Envelope, PinsDocument, TargetDocument, TargetsDocument};
use crate::error::WriteError;
use crate::names::{Role, TargetName};
use crate::root::SignedRoot;
use crate::trusted::Trusted;

/// A published state: the root and the three online roles' metadata that belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    pub(crate) root: SignedRoot,
    pub(crate) targets: TargetsDocument,
    pub(crate) targets_bytes: Vec<u8>,
    pub(crate) snapshot: PinsDocument,
    pub(crate) snapshot_bytes: Vec<u8>,
    pub(crate) timestamp: PinsDocument,
}

impl Published {
    /// Reads the four present files. Expired ones are good to build upon; unsigned or mixed ones are not.
    ///
    /// # Errors
    ///
    /// [`WriteError::Present`] naming the role whose file does not follow from the one before it.
    pub fn read(root: &[u8], timestamp: &[u8], snapshot: &[u8], targets: &[u8]) -> Result<Self, WriteError> {
        let present = |role: Role| move |source| WriteError::Present { role, source };
        let mut trusted = Trusted::from_root(root).map_err(present(Role::Root))?;
        let whenever = Timestamp::MIN;
        trusted.update_timestamp(timestamp, whenever).map_err(present(Role::Timestamp))?;
        trusted.update_snapshot(snapshot, whenever).map_err(present(Role::Snapshot))?;
        trusted.update_targets(targets, whenever).map_err(present(Role::Targets))?;
        Ok(Self {
            root: SignedRoot::from_bytes(root).map_err(present(Role::Root))?,
            targets: Envelope::parse(Role::Targets, targets).map_err(present(Role::Targets))?.signed,
            targets_bytes: targets.to_vec(),
            snapshot: Envelope::parse(Role::Snapshot, snapshot).map_err(present(Role::Snapshot))?.signed,
            snapshot_bytes: snapshot.to_vec(),
            timestamp: Envelope::parse(Role::Timestamp, timestamp).map_err(present(Role::Timestamp))?.signed,
        })
    }

    /// Reads a state in the middle of a change of keys: `next` is there already, and the three others are still signed
    /// under `root`. What is published after it is signed under `next`, whole.
    ///
    /// # Errors
    ///
    /// As [`Self::read`], and where `next` does not follow `root`.
    pub fn read_between(
        root: &[u8],
        next: &[u8],
        timestamp: &[u8],
        snapshot: &[u8],
        targets: &[u8],
    ) -> Result<Self, WriteError> {
        let published = Self::read(root, timestamp, snapshot, targets)?;
        let present = |source| WriteError::Present { role: Role::Root, source };
        Trusted::from_root(root).and_then(|mut trusted| trusted.update_root(next)).map_err(present)?;
        Ok(Self { root: SignedRoot::from_bytes(next).map_err(present)?, ..published })
    }

    /// The root that it was signed under.
    pub fn root(&self) -> &SignedRoot {
        &self.root
    }

    /// The version of a role's metadata.
    pub fn version(&self, role: Role) -> u64 {
        match role {
            Role::Root => self.root.version(),
            Role::Timestamp => self.timestamp.version,
            Role::Snapshot => self.snapshot.version,
            Role::Targets => self.targets.version,
        }
    }

    /// When a role's metadata expires: the job that signs again plans by it.
    pub fn expires(&self, role: Role) -> Timestamp {
        match role {
            Role::Root => self.root.expires(),
            Role::Timestamp => self.timestamp.expires,
            Role::Snapshot => self.snapshot.expires,
            Role::Targets => self.targets.expires,
        }
    }

    /// The length and digest of a published target.
    pub fn target(&self, name: &TargetName) -> Option<(u64, Digest)> {
        self.targets.targets.get(name.as_str()).map(|target| (target.length, target.hashes.sha256))
    }

    /// All published targets, in order of name.
    pub fn targets(&self) -> impl Iterator<Item = (TargetName, u64, Digest)> {
        let described = |(name, target): (&String, &TargetDocument)| {
            TargetName::new(name.as_str()).ok().map(|name| (name, target.length, target.hashes.sha256))
        };
        self.targets.targets.iter().filter_map(described)
    }

    pub(crate) fn target_documents(&self) -> &BTreeMap<String, TargetDocument> {
        &self.targets.targets
    }
}
