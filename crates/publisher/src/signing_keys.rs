//! The keys that sign a publication.

use headwater_repo::{KeyId, KeyRing, Published, Role, WriteError};

use crate::Result;

/// The keys that a destination holds.
#[derive(Debug, Default)]
pub struct SigningKeys {
    /// All of them.
    pub ring: KeyRing,
    /// Keys that had a role until lately, and sign beside their successors: see
    /// [`headwater_repo::Unsigned::sign_overlapping`].
    pub retired: Vec<(Role, KeyId)>,
}

impl SigningKeys {
    /// Refuses keys that cannot sign the next publication, before anything is done for it.
    ///
    /// # Errors
    /// [`WriteError::KeysMissing`].
    pub fn check(&self, published: &Published) -> Result<()> {
        let root = published.root();
        for role in [Role::Targets, Role::Snapshot, Role::Timestamp] {
            let (ids, threshold) = (root.key_ids(role), root.threshold(role));
            if !self.ring.reaches(ids, threshold) {
                let found = ids.iter().filter(|id| self.ring.get(id).is_some()).count();
                return Err(WriteError::KeysMissing { role, threshold, found }.into());
            }
        }
        Ok(())
    }
}
