//! Making a static repository, signing again and replacing keys.

use headwater_publisher::folder::{KeyFolder, StaticFolder, StaticRepository, create};
use headwater_publisher::roots::{RootChange, draft_root};
use headwater_repo::{Expiry, KeyReplacement, Role, UnsignedRoot};
use jiff::Timestamp;

use super::failure::refused;
use crate::terminal::failure::Failure;

/// Makes a repository with its keys. `root_keys`: how many there are, and how many of them must sign.
pub fn init(
    folder: StaticFolder,
    keys: &KeyFolder,
    (root_keys, root_threshold): (u32, u32),
    expiry: Expiry,
    now: Timestamp,
) -> Result<(), Failure> {
    if root_threshold > root_keys {
        return Err(Failure::bad_input(format!("{root_threshold} of {root_keys} root keys can never sign"))
            .with_hint("lower --root-threshold"));
    }
    Ok(create(folder, keys, (root_keys, root_threshold), expiry, now)?)
}

/// The roles that are signed if signing begins at `role`.
pub fn signed_from(role: Role) -> Vec<&'static str> {
    let all = [Role::Root, Role::Targets, Role::Snapshot, Role::Timestamp];
    all.into_iter().skip_while(|one| *one != role).map(Role::name).collect()
}

/// Replaces a role's keys by one new key, under a new root that the root keys in the key folder sign and that states why.
pub fn rotate(
    folder: StaticFolder,
    keys: &KeyFolder,
    (role, why): (Role, KeyReplacement),
    expiry: Expiry,
    now: Timestamp,
) -> Result<u64, Failure> {
    let present = folder.published()?;
    let root = present.root();
    if !keys.ring()?.reaches(root.key_ids(Role::Root), root.threshold(Role::Root)) {
        return Err(Failure::failed("only the root key can replace keys, and it is not in the key folder").with_hint(
            "copy the root key into the folder of --keys, or use `headwater keys rotate` with --root-keys",
        ));
    }
    let replace = vec![(role, replacement(keys, role)?)];
    let change = RootChange { replace, because: Some(why), ..RootChange::default() };
    let root = next_root(&folder, keys, &change, &expiry, now)?;
    replace_root(folder, keys, root, expiry, now)
}

/// The key that will replace a role's; it waits in the key folder.
pub fn replacement(keys: &KeyFolder, role: Role) -> Result<headwater_repo::PublicKey, Failure> {
    Ok(keys.pending(role)?.public())
}

/// Drafts the root after the present one, with changes; it still needs signatures.
pub fn next_root(
    folder: &StaticFolder,
    keys: &KeyFolder,
    change: &RootChange,
    expiry: &Expiry,
    now: Timestamp,
) -> Result<UnsignedRoot, Failure> {
    let present = folder.published()?;
    // A change that was interrupted after its root was written is effective by that root.
    keys.activate(present.root())?;
    Ok(draft_root(present.root(), change, expiry, now)?)
}

/// Publishes under a new root. Root keys in the key folder sign it here. Returns its version.
pub fn replace_root(
    folder: StaticFolder,
    keys: &KeyFolder,
    root: UnsignedRoot,
    expiry: Expiry,
    now: Timestamp,
) -> Result<u64, Failure> {
    let repository = StaticRepository::open(folder, keys.ring()?, expiry)?;
    Ok(repository.replace_root(keys, root, now)?.version())
}

/// Reads a root that somebody signed, as the one after the present.
pub fn read_root(folder: &StaticFolder, bytes: &[u8]) -> Result<UnsignedRoot, Failure> {
    let present = folder.published()?;
    UnsignedRoot::from_bytes(bytes, Some(present.root())).map_err(refused)
}
