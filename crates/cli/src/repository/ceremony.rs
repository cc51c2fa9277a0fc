//! The ceremonies of a static repository beside publishing: making it, signing anew, replacing keys.

use headwater_repo::{Draft, KeyRing, Role, RootDraft, Unsigned, UnsignedRoot, layout};
use jiff::Timestamp;
use serde_json::Value;

use super::folder::Folder;
use super::keys::KeyFolder;
use super::publish::{refused, sign};
use crate::terminal::failure::Failure;
use headwater_repo::error_chain;

/// Makes a repository with its keys and publishes nothing, signed.
pub fn init(
    folder: &Folder,
    keys: &KeyFolder,
    root_keys: u32,
    root_threshold: u32,
    now: Timestamp,
) -> Result<(), Failure> {
    if folder.exists() {
        return Err(Failure::bad_input(format!(
            "there is a repository at {} already",
            folder.path("").display()
        ))
        .with_hint("give another folder, or maintain it with publish, refresh and rotate"));
    }
    keys.refuse_other_keys()?;
    if root_threshold > root_keys {
        return Err(Failure::bad_input(format!("{root_threshold} of {root_keys} root keys can never sign"))
            .with_hint("lower --root-threshold"));
    }
    let mut ring = KeyRing::new();
    let mut root = RootDraft::first();
    for role in Role::ALL {
        let (count, threshold) = if role == Role::Root { (root_keys, root_threshold) } else { (1, 1) };
        let mut public = Vec::new();
        for _ in 0..count {
            let key = keys.make(role)?;
            public.push(key.public());
            ring.add(key);
        }
        root = root.role(role, threshold as usize, public);
    }
    let root =
        root.finish(now, folder.expiry()).and_then(|unsigned| unsigned.sign_with(&ring)).map_err(refused)?;
    sign(folder, &ring, Draft::first(root), now)
}

/// The root metadata that a new client or server is given.
pub fn first_root(folder: &Folder) -> Result<Value, Failure> {
    let bytes = folder.read(&layout::metadata(Role::Root, 1))?;
    serde_json::from_slice(&bytes)
        .map_err(|error| Failure::failed(format!("1.root.json is not JSON: {}", error_chain(&error))))
}

/// Signs anew what needs it; says which roles.
pub fn refresh(folder: &Folder, ring: &KeyRing, now: Timestamp) -> Result<Vec<&'static str>, Failure> {
    let _lock = folder.lock()?;
    let (present, lost) = match folder.published() {
        Ok(present) => (present, false),
        Err(failure) => (folder.without_timestamp(ring, now)?.ok_or(failure)?, true),
    };
    let expiry = folder.expiry();
    let half_over =
        |role: Role, life: jiff::SignedDuration| present.expires(role).duration_since(now) < life / 2;
    let all = lost || folder.is_between_roots(&present)?;
    let (unsigned, what) = if all || half_over(Role::Targets, expiry.targets) {
        (Draft::next(&present).finish(now, expiry), vec!["targets", "snapshot", "timestamp"])
    } else if half_over(Role::Snapshot, expiry.snapshot) {
        (Unsigned::snapshot_again(&present, now, expiry), vec!["snapshot", "timestamp"])
    } else {
        (Unsigned::timestamp_again(&present, now, expiry), vec!["timestamp"])
    };
    let signed = unsigned.and_then(|unsigned| unsigned.sign(ring)).map_err(refused)?;
    folder.write(&signed)?;
    Ok(what)
}

/// Replaces a role's keys by one new key, under a new root that the root keys in the key folder sign.
pub fn rotate(folder: &Folder, keys: &KeyFolder, role: Role, now: Timestamp) -> Result<u64, Failure> {
    let present = folder.published()?;
    let root = present.root();
    if !keys.ring()?.reaches(root.key_ids(Role::Root), root.threshold(Role::Root)) {
        return Err(Failure::failed("only the root key can replace keys, and it is not at hand").with_hint(
            "bring the root key into the folder of --keys, or use `headwater keys rotate` with --root-keys",
        ));
    }
    take_root(folder, keys, draft_root(folder, keys, |draft| replaced(draft, keys, role), now)?, now)
}

/// The root after the present one, with changes.
pub fn draft_root(
    folder: &Folder,
    keys: &KeyFolder,
    change: impl FnOnce(RootDraft) -> Result<RootDraft, Failure>,
    now: Timestamp,
) -> Result<UnsignedRoot, Failure> {
    let present = folder.published()?;
    // What broke off after its root was written is in force by that root.
    keys.settle(present.root())?;
    change(RootDraft::next(present.root()).map_err(refused)?)?.finish(now, folder.expiry()).map_err(refused)
}

/// A draft in which `role` has one new key, which waits in the key folder.
pub fn replaced(draft: RootDraft, keys: &KeyFolder, role: Role) -> Result<RootDraft, Failure> {
    Ok(draft.role(role, 1, [keys.pending(role)?.public()]))
}

/// Publishes under a new root. Root keys in the key folder sign it here.
pub fn take_root(
    folder: &Folder,
    keys: &KeyFolder,
    root: UnsignedRoot,
    now: Timestamp,
) -> Result<u64, Failure> {
    let _lock = folder.lock()?;
    let present = folder.published()?;
    let ring = keys.ring()?;
    let root = root.sign_with(&ring).map_err(refused)?;
    let mut draft = Draft::next(&present);
    draft.rotate_root(root.clone()).map_err(refused)?;
    sign(folder, &ring, draft, now)?;
    keys.settle(&root)?;
    Ok(root.version())
}
