//! Releases as changes of a draft: publish one, go back to one, take all out. Each keeps the release list, its manifests and the
//! draft's targets in step.

use jiff::Timestamp;

use crate::digest::Digest;
use crate::draft::TargetsDraft;
use crate::error::{ContentError, WriteError};
use crate::layout;
use crate::manifest::Manifest;
use crate::names::{ComponentName, Sequence};
use crate::release_list::{Release, ReleaseList};
use crate::tombstone::Tombstone;

/// Adds a release to `draft` as its component's current one: its manifest and the new release list become targets, and
/// manifests of releases that fell off the list (see [`RELEASES_MAX`](crate::limits::RELEASES_MAX)) are taken out.
///
/// `list` is the component's list as published; `None` for the first release.
///
/// # Errors
///
/// `list` is another component's or not the one in the draft; the release's sequence is not the highest; the manifest
/// breaks a limit. The draft is unchanged then.
pub fn stage_release(
    draft: &mut TargetsDraft,
    list: Option<&ReleaseList>,
    manifest: &Manifest,
    published: Timestamp,
) -> Result<ReleaseList, WriteError> {
    let component = &manifest.component;
    check_present(draft, component, list)?;
    let release = Release {
        sequence: manifest.sequence,
        version: manifest.version.clone(),
        published,
        identity: manifest.identity(),
        size: manifest.size(),
        files: manifest.files.len() as u64,
    };
    let bytes = manifest.to_bytes()?;
    let (next, dropped) = match list {
        Some(list) => list.with(release)?,
        None => (ReleaseList::first(component.clone(), release)?, Vec::new()),
    };
    draft.add(layout::manifest(component, manifest.sequence), bytes)?;
    draft.add(layout::release_list(component), next.to_bytes())?;
    draft.remove(&layout::tombstone(component));
    for release in dropped {
        draft.remove(&layout::manifest(component, release.sequence));
    }
    Ok(next)
}

/// Makes an earlier release current again and withdraws all later ones: clients that have one of those roll back (C5, P11).
///
/// # Errors
///
/// `list` is not the one in the draft, or has no such earlier release. The draft is unchanged then.
pub fn roll_back(
    draft: &mut TargetsDraft,
    list: &ReleaseList,
    to: Sequence,
) -> Result<ReleaseList, WriteError> {
    check_present(draft, list.component(), Some(list))?;
    let next = list.rolled_back(to)?;
    draft.add(layout::release_list(next.component()), next.to_bytes())?;
    Ok(next)
}

/// Takes a component out of what is published, with every release: clients keep what they have. Its tombstone stays. Its
/// sequences are used up: the next release of that name must have a higher one.
///
/// # Errors
///
/// `list` is not the one in the draft. The draft is unchanged then.
pub fn remove_releases(
    draft: &mut TargetsDraft,
    list: &ReleaseList,
    now: Timestamp,
) -> Result<(), WriteError> {
    check_present(draft, list.component(), Some(list))?;
    for release in list.releases() {
        draft.remove(&list.manifest(release.sequence));
    }
    draft.remove(&layout::release_list(list.component()));
    draft.add(layout::tombstone(list.component()), Tombstone::of(list, now).to_bytes())
}

/// Two publishers who start from the same list must not overwrite each other silently.
fn check_present(
    draft: &TargetsDraft,
    component: &ComponentName,
    list: Option<&ReleaseList>,
) -> Result<(), WriteError> {
    let published = draft.target(&layout::release_list(component)).map(|(_, digest)| digest);
    let given = list.map(|list| Digest::of(&list.to_bytes()));
    if published == given && list.is_none_or(|list| list.component() == component) {
        return Ok(());
    }
    let reason =
        format!("it is not the one that is published for {component}: read it again, then repeat the change");
    Err(ContentError::Invalid { what: "release list", reason }.into())
}
