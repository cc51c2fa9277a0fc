//! Repositories that are not what they should be, made from an honest copy.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use headwater_repo::{
    Expiry, KeyRing, Published, Role, RootDraft, SecretKey, Signed, TargetsDraft, Unsigned, layout,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

/// Signs the timestamp of a class repository with the right key, so that it expired an hour ago.
///
/// # Errors
/// The repository or its keys cannot be read.
pub fn expire(class_folder: &Path, class_keys: &Path) -> Result<()> {
    let published = read(class_folder)?;
    let expiry = Expiry { timestamp: SignedDuration::from_hours(1), ..Expiry::default() };
    let then = now() - SignedDuration::from_hours(2);
    let signed = Unsigned::timestamp_again(&published, then, &expiry)?.sign(&ring(class_keys)?)?;
    write(class_folder, &signed)
}

/// Replaces the metadata of a class repository by metadata that another key has signed.
///
/// # Errors
/// The files cannot be written.
pub fn sign_with_another_key(class_folder: &Path) -> Result<()> {
    let (mut root, mut ring) = (RootDraft::first(), KeyRing::new());
    for role in [Role::Root, Role::Targets, Role::Snapshot, Role::Timestamp] {
        let key = SecretKey::generate()?;
        root = root.role(role, 1, [key.public()]);
        ring.add(key);
    }
    let root = root.finish(now(), &Expiry::default())?.sign_with(&ring)?;
    let signed = TargetsDraft::first(root).finish(now(), &Expiry::default())?.sign(&ring)?;
    write(class_folder, &signed)
}

fn write(class_folder: &Path, signed: &Signed) -> Result<()> {
    for file in signed.files() {
        let path = class_folder.join(&file.path);
        fs::create_dir_all(path.parent().context("a file lies in a folder")?)?;
        fs::write(path, &file.bytes)?;
    }
    Ok(())
}

fn read(class_folder: &Path) -> Result<Published> {
    let file = |path: &str| {
        fs::read(class_folder.join(path)).with_context(|| format!("{path} of {}", class_folder.display()))
    };
    let timestamp = file(layout::TIMESTAMP)?;
    let snapshot = file(&layout::metadata(Role::Snapshot, pinned_version(&timestamp, Role::Snapshot)?))?;
    let targets = file(&layout::metadata(Role::Targets, pinned_version(&snapshot, Role::Targets)?))?;
    let root = file(&layout::metadata(Role::Root, 1))?;
    Ok(Published::read(&root, &timestamp, &snapshot, &targets)?)
}

fn pinned_version(bytes: &[u8], role: Role) -> Result<u64> {
    let document: Value = serde_json::from_slice(bytes)?;
    let version = &document["signed"]["meta"][format!("{role}.json")]["version"];
    version.as_u64().with_context(|| format!("{role} is not pinned"))
}

fn ring(class_keys: &Path) -> Result<KeyRing> {
    let mut ring = KeyRing::new();
    for entry in fs::read_dir(class_keys).with_context(|| format!("cannot list {}", class_keys.display()))? {
        ring.add(SecretKey::from_pem(&fs::read_to_string(entry?.path())?)?);
    }
    Ok(ring)
}

#[expect(
    clippy::disallowed_methods,
    reason = "forged metadata is dated as seen from the real programs' clock"
)]
fn now() -> Timestamp {
    Timestamp::now()
}
