//! The ways back: an earlier release is the current one again, or a component goes with all of its releases.

use headwater_depot::Store;
use headwater_depot::objects::ObjectStore;
use headwater_repo::{ComponentName, FileEntry, Published, ReleaseList, Sequence, TargetsDraft};
use jiff::Timestamp;

use crate::destination::{Destination, Operation, Purpose, StagedChange};
use crate::read::{manifest, release_list};
use crate::stage::stage;
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
    let published = destination.published()?;
    let before = release_list(destination.objects(), &published, component)?
        .ok_or_else(|| Error::UnknownComponent(component.clone()))?;
    if before.release(to).is_some()
        && !missing_content(destination.objects(), destination.store(), &published, &before, to)?.is_empty()
    {
        return Err(Error::ContentMissing { component: component.clone(), sequence: to });
    }
    let mut draft = TargetsDraft::next(&published);
    let list = headwater_repo::roll_back(&mut draft, &before, to)?;
    let staged =
        stage(destination.objects(), &*destination.keys()?, draft.finish(now, destination.expiry())?)?;
    let purpose = Purpose::RollBack { before: &before, list: &list };
    destination.commit(&lock, StagedChange { staged, now, purpose })?;
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
    let published = destination.published()?;
    let before = release_list(destination.objects(), &published, component)?
        .ok_or_else(|| Error::UnknownComponent(component.clone()))?;
    destination.admit(component, Operation::Remove)?;
    let mut draft = TargetsDraft::next(&published);
    headwater_repo::remove_releases(&mut draft, &before, now)?;
    let staged =
        stage(destination.objects(), &*destination.keys()?, draft.finish(now, destination.expiry())?)?;
    destination.commit(&lock, StagedChange { staged, now, purpose: Purpose::Remove { before: &before } })?;
    Ok(before)
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
