//! Replacing keys: a root is drafted, signed by the root keys wherever they are, and published.

use headwater_repo::{
    Expiry, KeyReplacement, PublicKey, Role, RootDraft, SignedRoot, TargetsDraft, UnsignedRoot,
};
use jiff::Timestamp;

use crate::Result;
use crate::destination::{ChangeLock, Destination, Purpose, StagedChange};
use crate::stage::stage;

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

/// Publishes what is published now under a new root. Root keys at hand sign it here; the caller moves the key files
/// afterwards.
///
/// # Errors
/// A root that is not the next one or is not signed; keys that are not at hand.
pub fn replace_root(
    destination: &dyn Destination,
    lock: &ChangeLock,
    root: UnsignedRoot,
    now: Timestamp,
) -> Result<SignedRoot> {
    let keys = destination.keys()?;
    let published = destination.published()?;
    let root = root.sign_with(&keys.ring)?;
    let mut draft = TargetsDraft::next(&published);
    draft.rotate_root(root.clone())?;
    let staged = stage(destination.objects(), &keys, draft.finish(now, destination.expiry())?)?;
    let purpose = Purpose::ReplaceRoot { version: root.version() };
    destination.commit(lock, StagedChange { staged, now, purpose })?;
    Ok(root)
}
