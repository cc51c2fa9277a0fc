//! Reading what is signed: targets, and the release lists and manifests among them. Each is checked against the metadata that
//! pins it.

use headwater_depot::objects::ObjectStore;
use headwater_repo::{ComponentName, Digest, Manifest, Published, ReleaseList, Sequence, TargetName, layout};

use crate::{Error, Result};

/// Reads and checks a target that the present metadata pins. `None` if it pins no such target.
///
/// # Errors
/// The file is missing or not what was signed.
pub fn target(
    objects: &dyn ObjectStore,
    published: &Published,
    name: &TargetName,
) -> Result<Option<Vec<u8>>> {
    let Some((length, digest)) = published.target(name) else { return Ok(None) };
    let path = layout::target(name, &digest);
    let Some(bytes) = objects.get(&path, None)? else { return Err(Error::Missing(path.into())) };
    if bytes.len() as u64 != length || Digest::of(&bytes) != digest {
        return Err(Error::Damaged(path.into()));
    }
    Ok(Some(bytes))
}

/// The release list of a component, as signed. `None` if the component is not published.
///
/// # Errors
/// As [`target`].
pub fn release_list(
    objects: &dyn ObjectStore,
    published: &Published,
    component: &ComponentName,
) -> Result<Option<ReleaseList>> {
    let name = layout::release_list(component);
    let Some(bytes) = target(objects, published, &name)? else { return Ok(None) };
    ReleaseList::parse(&bytes).map(Some).map_err(|source| Error::Unreadable { name, source })
}

/// The manifest of a listed release.
///
/// # Errors
/// As [`target`]; [`Error::NotPublished`].
pub fn manifest(
    objects: &dyn ObjectStore,
    published: &Published,
    component: &ComponentName,
    sequence: Sequence,
) -> Result<Manifest> {
    let name = layout::manifest(component, sequence);
    let bytes = target(objects, published, &name)?.ok_or_else(|| Error::NotPublished(name.clone()))?;
    Manifest::parse(&bytes).map_err(|source| Error::Unreadable { name, source })
}
