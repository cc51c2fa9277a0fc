//! From a draft to what is published: signed, written and committed.

use headwater_repo::TargetsDraft;
use jiff::Timestamp;

use crate::Result;
use crate::destination::{ChangeLock, Destination, Purpose, StagedChange};
use crate::stage::stage;

/// Signs a draft and publishes it: how every operation that changes targets ends. Gives the version of the targets
/// metadata.
pub fn stage_and_commit(
    destination: &dyn Destination,
    lock: &ChangeLock,
    draft: TargetsDraft,
    purpose: Purpose<'_>,
    now: Timestamp,
) -> Result<u64> {
    let unsigned = draft.finish(now, destination.expiry())?;
    let staged = stage(destination.objects(), &*destination.keys()?, unsigned)?;
    let version = staged.targets_version();
    destination.commit(lock, StagedChange { staged, now, purpose })?;
    Ok(version)
}
