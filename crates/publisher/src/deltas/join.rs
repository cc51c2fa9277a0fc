//! Deltas join the release that they lead to: its manifest is signed again.

use headwater_repo::{Manifest, TargetsDraft, WriteError};
use jiff::Timestamp;

use super::chain::ReleaseChain;
use super::current::is_current;
use crate::Result;
use crate::commit::stage_and_commit;
use crate::destination::{Destination, Purpose};

/// Signs the current release's manifest with its deltas, if that is anything new. The other releases' deltas go, which
/// nobody needs once the current one has its own: at once where an inventory is kept, else when all were made (`done`).
/// `false` if something else was published meanwhile.
pub(super) fn join(
    destination: &dyn Destination,
    chain: &ReleaseChain,
    manifest: &Manifest,
    done: bool,
    now: Timestamp,
) -> Result<bool> {
    let others_go = done || destination.keeps_inventory();
    let stale: Vec<&Manifest> = chain.others.iter().filter(|other| others_go && other.has_deltas()).collect();
    if *manifest == chain.current && stale.is_empty() {
        return is_current(destination, chain);
    }
    let lock = destination.lock()?;
    if !is_current(destination, chain)? {
        return Ok(false);
    }
    let mut draft = TargetsDraft::next(&destination.published()?);
    for manifest in stale.into_iter().map(Manifest::without_deltas).chain([manifest.clone()]) {
        let bytes = manifest.to_bytes().map_err(WriteError::from)?;
        draft.add(chain.list.manifest(manifest.sequence), bytes)?;
    }
    stage_and_commit(destination, &lock, draft, Purpose::JoinDeltas { list: &chain.list }, now)?;
    Ok(true)
}
