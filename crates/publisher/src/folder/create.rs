//! Making a static repository with its keys.

use headwater_repo::{Expiry, KeyRing, Role, RootDraft};
use jiff::Timestamp;

use super::key_folder::KeyFolder;
use super::read::StaticFolder;
use super::repository::StaticRepository;
use crate::{Error, Result};

/// Makes keys and publishes nothing, signed. `root_keys`: how many root keys there are, and how many of them must sign.
///
/// # Errors
/// There is a repository already, or keys in the key folder; root keys that can never sign; the disk refuses.
pub fn create(
    folder: StaticFolder,
    keys: &KeyFolder,
    (root_keys, root_threshold): (u32, u32),
    expiry: Expiry,
    now: Timestamp,
) -> Result<()> {
    if folder.exists() {
        return Err(Error::RepositoryExists(folder.root().to_owned()));
    }
    keys.refuse_other_keys()?;
    let lock = folder.lock_new()?;
    if folder.exists() {
        // Somebody else made it since.
        return Err(Error::RepositoryExists(folder.root().to_owned()));
    }
    let mut ring = KeyRing::new();
    let mut root = RootDraft::first();
    for role in Role::ALL {
        let (count, threshold) = if role == Role::Root { (root_keys, root_threshold) } else { (1, 1) };
        let made = (0..count).map(|_| keys.make(role)).collect::<Result<Vec<_>>>()?;
        root = root.role(role, threshold as usize, made.iter().map(|key| key.public()));
        made.into_iter().for_each(|key| ring.add(key));
    }
    let root = root.finish(now, &expiry)?.sign_with(&ring)?;
    StaticRepository::in_locked_folder(&lock, folder, ring, expiry)?.begin(root, now)
}
