//! Signing again before signatures expire.

use headwater_repo::{Expiry, Published, Role, RootDraft, TargetsDraft, Unsigned};
use jiff::{SignedDuration, Timestamp};

use crate::Result;
use crate::destination::{Destination, Purpose, StagedChange};
use crate::limits::RESIGN_LIFE_LEFT_DIVISOR;
use crate::signing_keys::SigningKeys;
use crate::stage::stage;

/// From which role on something is signed again, at the least.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refresh {
    /// What is due alone.
    Due,
    /// The timestamp in any case.
    Timestamp,
    /// All that is signed online: the repository is in the middle of a change of keys, or lost its timestamp.
    Everything,
}

/// Signs again what has half of its life behind it, and everything that points at it. Gives the role that it began at;
/// `None` if nothing was due. A root is renewed where its keys are present. `published` is what the destination has, read
/// under the lock.
///
/// # Errors
/// Keys are missing; the destination's own.
pub fn sign_again(
    destination: &dyn Destination,
    lock: &crate::ChangeLock,
    published: &Published,
    least: Refresh,
    now: Timestamp,
) -> Result<Option<Role>> {
    let keys = destination.keys()?;
    let Some(role) = due(published, &keys, destination.expiry(), least, now) else { return Ok(None) };
    let unsigned = unsigned(published, &keys, destination.expiry(), role, now)?;
    let staged = stage(destination.objects(), &keys, unsigned)?;
    destination.commit(lock, StagedChange { staged, now, purpose: Purpose::SignAgain(role) })?;
    Ok(Some(role))
}

/// The role that signing begins at.
fn due(
    published: &Published,
    keys: &SigningKeys,
    expiry: &Expiry,
    least: Refresh,
    now: Timestamp,
) -> Option<Role> {
    let is_due = |role: Role, life: SignedDuration| {
        published.expires(role).duration_since(now) * RESIGN_LIFE_LEFT_DIVISOR < life
    };
    let root = published.root();
    let can_renew = keys.ring.reaches(root.key_ids(Role::Root), root.threshold(Role::Root));
    if is_due(Role::Root, expiry.root) && can_renew {
        Some(Role::Root)
    } else if least == Refresh::Everything || is_due(Role::Targets, expiry.targets) {
        Some(Role::Targets)
    } else if is_due(Role::Snapshot, expiry.snapshot) {
        Some(Role::Snapshot)
    } else if least == Refresh::Timestamp || is_due(Role::Timestamp, expiry.timestamp) {
        Some(Role::Timestamp)
    } else {
        None
    }
}

fn unsigned(
    published: &Published,
    keys: &SigningKeys,
    expiry: &Expiry,
    role: Role,
    now: Timestamp,
) -> Result<Unsigned> {
    Ok(match role {
        Role::Root => {
            let root = RootDraft::next(published.root())?.finish(now, expiry)?.sign_with(&keys.ring)?;
            let mut draft = TargetsDraft::next(published);
            draft.rotate_root(root)?;
            draft.finish(now, expiry)?
        }
        Role::Targets => TargetsDraft::next(published).finish(now, expiry)?,
        Role::Snapshot => Unsigned::snapshot_again(published, now, expiry)?,
        Role::Timestamp => Unsigned::timestamp_again(published, now, expiry)?,
    })
}
