//! The ways back: an earlier release is the current one again, or a component goes with all of its releases.

use headwater_depot::Store;
use headwater_depot::objects::ObjectStore;
use headwater_repo::{ComponentName, FileEntry, Published, ReleaseList, Sequence, TargetsDraft};
use jiff::Timestamp;

use crate::commit::stage_and_commit;
use crate::destination::{Destination, Operation, Purpose};
use crate::read::{manifest, release_list};
use crate::{Error, Result};

/// Makes an earlier release current again and withdraws all later ones (C5).
///
/// # Errors
/// No such component or earlier release; one whose bodies are not all here.
pub fn roll_back(
    destination: &dyn Destination,
    component: &ComponentName,
    to: Sequence,
    now: Timestamp,
) -> Result<ReleaseList> {
    let lock = destination.lock()?;
    let (published, before) = present(destination, component)?;
    if before.release(to).is_some()
        && !missing_content(destination.objects(), destination.store(), &published, &before, to)?.is_empty()
    {
        return Err(Error::ContentMissing { component: component.clone(), sequence: to });
    }
    let mut draft = TargetsDraft::next(&published);
    let list = headwater_repo::roll_back(&mut draft, &before, to)?;
    let purpose = Purpose::RollBack { before: &before, list: &list };
    stage_and_commit(destination, &lock, draft, purpose, now)?;
    Ok(list)
}

/// Takes a component out of what is published, with every release; its tombstone stays. Clients keep what they have. Its
/// versions and sequences stay used.
///
/// # Errors
/// No such component; one that the destination does not let go.
pub fn remove(
    destination: &dyn Destination,
    component: &ComponentName,
    now: Timestamp,
) -> Result<ReleaseList> {
    let lock = destination.lock()?;
    let (published, before) = present(destination, component)?;
    destination.admit(component, Operation::Remove)?;
    let mut draft = TargetsDraft::next(&published);
    headwater_repo::remove_releases(&mut draft, &before, now)?;
    stage_and_commit(destination, &lock, draft, Purpose::Remove { before: &before }, now)?;
    Ok(before)
}

/// What is published now, and the release list of a component in it.
fn present(destination: &dyn Destination, component: &ComponentName) -> Result<(Published, ReleaseList)> {
    let published = destination.published()?;
    let list = release_list(destination.objects(), &published, component)?;
    Ok((published, list.ok_or_else(|| Error::UnknownComponent(component.clone()))?))
}

/// The files of a listed release whose bodies are not in the store, by their size.
///
/// # Errors
/// The manifest cannot be read.
pub fn missing_content(
    objects: &dyn ObjectStore,
    store: &Store,
    published: &Published,
    list: &ReleaseList,
    sequence: Sequence,
) -> Result<Vec<FileEntry>> {
    let manifest = manifest(objects, published, list.component(), sequence)?;
    let is_missing = |file: &FileEntry| !store.has_whole(&file.body.sha256, file.body.size);
    Ok(manifest.files.into_iter().filter(is_missing).collect())
}
