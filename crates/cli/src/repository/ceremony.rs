//! The ceremonies of a static repository beside publishing: making it, signing anew, replacing keys.

use headwater_repo::{Draft, KeyRing, Role, RootDraft, SignedRoot, Unsigned, layout};
use jiff::Timestamp;
use serde_json::Value;

use super::folder::Folder;
use super::keys::KeyFolder;
use super::publish::{refused, sign};
use crate::failure::{Failure, chain};

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
        .with_way_out("give another folder, or maintain it with publish, refresh and rotate"));
    }
    if root_threshold > root_keys {
        return Err(Failure::bad_input(format!("{root_threshold} of {root_keys} root keys can never sign"))
            .with_way_out("lower --root-threshold"));
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
        .map_err(|error| Failure::failed(format!("1.root.json is not JSON: {}", chain(&error))))
}

/// Signs anew what needs it; says which roles.
pub fn refresh(folder: &Folder, ring: &KeyRing, now: Timestamp) -> Result<Vec<&'static str>, Failure> {
    let present = folder.published()?;
    let expiry = folder.expiry();
    let half_over =
        |role: Role, life: jiff::SignedDuration| present.expires(role).duration_since(now) < life / 2;
    let (unsigned, what) = if half_over(Role::Targets, expiry.targets) {
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

/// Replaces a role's keys by one new key, under a new root.
pub fn rotate(folder: &Folder, keys: &KeyFolder, role: Role, now: Timestamp) -> Result<u64, Failure> {
    let present = folder.published()?;
    let before = keys.ring()?;
    let has_root_key = |root: &SignedRoot| {
        root.key_ids(Role::Root).iter().filter(|id| before.get(id).is_some()).count()
            >= root.threshold(Role::Root)
    };
    if !has_root_key(present.root()) {
        return Err(Failure::failed("only the root key can replace keys, and it is not at hand")
            .with_way_out("bring the root key into the folder of --keys, then run this again"));
    }
    let key = keys.make(role)?;
    let draft = RootDraft::next(present.root()).map_err(refused)?.role(role, 1, [key.public()]);
    let ring = keys.ring()?;
    let root =
        draft.finish(now, folder.expiry()).and_then(|unsigned| unsigned.sign_with(&ring)).map_err(refused)?;
    let version = root.version();
    let mut draft = Draft::next(&present);
    draft.rotate_root(root).map_err(refused)?;
    sign(folder, &ring, draft, now)?;
    Ok(version)
}
