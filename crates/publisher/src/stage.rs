//! Signed and written, but for the one file that leads to it.

use headwater_depot::objects::ObjectStore;
use headwater_repo::{Published, Role, Unsigned, layout};

use crate::Result;
use crate::signing_keys::SigningKeys;

/// Metadata and targets that are signed and written; nothing leads to them before `timestamp.json` is replaced.
#[derive(Debug)]
#[must_use = "what is staged is published by a commit only"]
pub struct StagedMetadata {
    /// The state once it is committed.
    pub published: Published,
    /// The new `timestamp.json`.
    pub timestamp: Vec<u8>,
}

impl StagedMetadata {
    /// Version of the targets metadata once it is committed.
    #[must_use]
    pub fn targets_version(&self) -> u64 {
        self.published.version(Role::Targets)
    }
}

/// Signs, and writes all of it but `timestamp.json`, what is pointed at before what points. A crash leaves files that the
/// next publication of the same versions overwrites.
///
/// # Errors
/// Keys are missing; the disk refuses.
pub fn stage(objects: &dyn ObjectStore, keys: &SigningKeys, unsigned: Unsigned) -> Result<StagedMetadata> {
    let signed = unsigned.sign_overlapping(&keys.ring, &keys.retired)?;
    let mut timestamp = Vec::new();
    for file in signed.files() {
        if file.path == layout::TIMESTAMP {
            timestamp.clone_from(&file.bytes);
        } else {
            objects.replace(&file.path, &file.bytes)?;
        }
    }
    Ok(StagedMetadata { published: signed.published().clone(), timestamp })
}
