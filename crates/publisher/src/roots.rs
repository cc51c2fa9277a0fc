//! Replacing keys: a root is drafted, signed by the root keys wherever they are, and published.

use headwater_repo::{
    Expiry, KeyReplacement, PublicKey, Role, RootDraft, SignedRoot, TargetName, TargetsDraft, UnsignedRoot,
};
use jiff::Timestamp;

use crate::Result;
use crate::commit::stage_and_commit;
use crate::destination::{ChangeLock, Destination, Purpose};

/// What a new root changes.
#[derive(Debug, Clone, Default)]
pub struct RootChange {
    /// Roles that each get one new key.
    pub replace: Vec<(Role, PublicKey)>,
    /// Other root keys.
    pub root_keys: Option<Vec<PublicKey>>,
    /// How many of the root keys must sign. `None` if it stays.
    pub root_threshold: Option<usize>,
    /// Why keys are replaced. `None` if none are.
    pub because: Option<KeyReplacement>,
}

/// Roots that were signed, and what is published with them.
#[derive(Debug, Clone, Default)]
pub struct NewRoots {
    /// The roots, each following from the one before.
    pub roots: Vec<SignedRoot>,
    /// By how much all versions go beyond the next ones.
    pub version_bump: u64,
    /// Targets that are new or replaced.
    pub targets: Vec<(TargetName, Vec<u8>)>,
}

/// The root after `present`, to be signed.
///
/// # Errors
/// What makes no root.
pub fn draft_root(
    present: &SignedRoot,
    change: &RootChange,
    expiry: &Expiry,
    now: Timestamp,
) -> Result<UnsignedRoot> {
    let mut draft = RootDraft::next(present)?;
    for (role, key) in &change.replace {
        draft = draft.role(*role, 1, [*key]);
    }
    if change.root_keys.is_some() || change.root_threshold.is_some() {
        let keys = change.root_keys.clone();
        let keys = keys.unwrap_or_else(|| present.keys(Role::Root).unwrap_or_default());
        let threshold = change.root_threshold.unwrap_or_else(|| present.threshold(Role::Root));
        draft = draft.role(Role::Root, threshold, keys);
    }
    if let Some(why) = change.because {
        draft = draft.because(why);
    }
    Ok(draft.finish(now, expiry)?)
}

/// Publishes what is published now under a new root. Root keys that the destination holds sign it here; the caller moves
/// the key files afterwards.
///
/// # Errors
/// As [`publish_under`].
pub fn replace_root(
    destination: &dyn Destination,
    lock: &ChangeLock,
    root: UnsignedRoot,
    now: Timestamp,
) -> Result<SignedRoot> {
    let root = root.sign_with(&destination.keys()?.ring)?;
    publish_under(destination, lock, NewRoots { roots: vec![root.clone()], ..NewRoots::default() }, now)?;
    Ok(root)
}

/// Publishes under the last of the new roots: all of them, and everything that is signed online again. The caller moves
/// the key files afterwards.
///
/// # Errors
/// A root that is not the next one or is not signed; keys that it names and the destination does not hold.
pub fn publish_under(
    destination: &dyn Destination,
    lock: &ChangeLock,
    new: NewRoots,
    now: Timestamp,
) -> Result<()> {
    let published = destination.published()?;
    let version = new.roots.last().unwrap_or(published.root()).version();
    let mut draft = TargetsDraft::next(&published);
    draft.bump_version(new.version_bump);
    for (name, content) in new.targets {
        draft.add(name, content)?;
    }
    for root in new.roots {
        draft.rotate_root(root)?;
    }
    stage_and_commit(destination, lock, draft, Purpose::ReplaceRoot { version }, now)?;
    Ok(())
}
