//! The content of a vendor's new releases, for the fewest bytes (C1).
//!
//! 1. The current release is made whole: files that are here already, then by deltas from files of our releases, then
//!    by full bodies. A file made by a delta is packed here; its body is ours.
//! 2. An earlier release that is not here is taken only as far as the vendor has no deltas from it: to go back to it, it is
//!    fetched then. What the vendor does not serve of it is reported, and stops nothing.
//! 3. The vendor's deltas from files that we do not have are taken, because we cannot make those ourselves. The others
//!    are made here, later.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs::File;
use std::io::{Seek as _, Write as _};

use headwater_delta::limits::{DELTA_MEMORY_MAX, LEVEL_DEFAULT};
use headwater_depot::fetch::Blob;
use headwater_depot::store::Held;
use headwater_depot::{Progress, Store, Walk};
use headwater_policy::Class;
use headwater_repo::{
    Body, BodyFormat, Delta, DeltaFormat, DeltaPath, DeltaPaths, Digest, FileEntry, Manifest,
};

use super::stopped::Stopped;
use crate::publishing::service::Publishing;

const CLASS: Class = Class::Components;

/// What was taken, kept from being collected until it is signed.
#[derive(Default)]
pub(super) struct Taken {
    /// The current release, its bodies here and no deltas named.
    pub current: Option<Manifest>,
    /// Deltas that are here now, by base and by what they make.
    pub deltas: BTreeMap<(Digest, Digest), Delta>,
    /// Of these, the ones that could not be made here.
    pub only_theirs: HashSet<(Digest, Digest)>,
    /// Earlier releases whose content the vendor did not give, the newest first: sentences.
    pub missing: Vec<String>,
    _held: Vec<Held>,
}

/// Makes `current` whole in the store, and of `earlier` what must be.
pub(super) async fn take(
    publishing: &Publishing,
    walk: &Walk,
    current: &Manifest,
    earlier: &[&Manifest],
    mut here: HashMap<Digest, FileEntry>,
    progress: &(dyn Fn(Progress) + Send + Sync),
) -> Result<Taken, Stopped> {
    let store = publishing.store(CLASS);
    let mut taken = Taken::default();
    for manifest in earlier.iter().chain([&current]) {
        walk.name_blobs(manifest.files.iter().map(|file| (file.body.sha256, named(manifest, file))));
    }
    let paths = DeltaPaths::of(current);
    let chosen = choose(store, current, &paths, &here);
    let hops = chosen.iter().flat_map(|(_, path)| &path.hops);
    let wanted: Vec<Blob> = hops.map(|hop| Blob { digest: hop.delta.sha256, size: hop.delta.size }).collect();
    taken._held.extend(wanted.iter().map(|blob| store.hold(blob.digest)));
    let unavailable = walk.deltas(store, &wanted, progress).await?;
    for (file, path) in chosen {
        if path.hops.iter().any(|hop| unavailable.contains(&hop.delta.sha256)) {
            continue;
        }
        let (store, base, entry) = (store.clone(), here[&path.hops[0].delta.base].clone(), file.clone());
        let hops = path.clone();
        let made = tokio::task::spawn_blocking(move || make(&store, &base, &entry, &hops)).await;
        match made.expect("applying deltas does not panic") {
            Ok((body, held)) => {
                taken._held.push(held);
                here.insert(file.sha256, FileEntry { body, ..file.clone() });
                for hop in path.hops {
                    taken.deltas.insert((hop.delta.base, hop.sha256), hop.delta);
                }
            }
            // The full body is there for that.
            Err(Stopped(reason)) => {
                tracing::warn!(path = %file.path, reason, "a delta of the vendor source came to nothing")
            }
        }
    }

    let bases: BTreeSet<Digest> = current.files.iter().flat_map(|file| paths.bases(&file.sha256)).collect();
    let now: HashSet<Digest> = current.files.iter().map(|file| file.sha256).collect();
    let needed = |file: &&FileEntry| !bases.contains(&file.sha256) && !now.contains(&file.sha256);
    let missing: Vec<&FileEntry> =
        current.files.iter().filter(|file| !here.contains_key(&file.sha256)).collect();
    let blobs = bodies(&missing);
    taken._held.extend(blobs.iter().map(|blob| store.hold(blob.digest)));
    walk.blobs(store, &blobs, progress).await?;
    here.extend(missing.into_iter().map(|file| (file.sha256, file.clone())));

    take_earlier(walk, store, earlier, &needed, &mut here, &mut taken, progress).await?;
    take_theirs(walk, store, current, &here, &mut taken, progress).await?;
    let mut whole = current.without_deltas();
    for file in &mut whole.files {
        file.body = here[&file.sha256].body.clone();
        taken._held.push(store.hold(file.body.sha256));
    }
    // The sizes of what lies between are known from here only.
    whole.intermediates.clone_from(&current.intermediates);
    taken.current = Some(whole);
    Ok(taken)
}

/// Takes the files of earlier releases that are `needed`, as far as the vendor gives them.
async fn take_earlier(
    walk: &Walk,
    store: &Store,
    earlier: &[&Manifest],
    needed: &(dyn Fn(&&FileEntry) -> bool + Sync),
    here: &mut HashMap<Digest, FileEntry>,
    taken: &mut Taken,
    progress: &(dyn Fn(Progress) + Send + Sync),
) -> Result<(), Stopped> {
    let newest_first = || earlier.iter().rev();
    let old = newest_first().flat_map(|manifest| manifest.files.iter().filter(needed));
    let missing: Vec<&FileEntry> = old.filter(|file| !here.contains_key(&file.sha256)).collect();
    let blobs = bodies(&missing);
    taken._held.extend(blobs.iter().map(|blob| store.hold(blob.digest)));
    // An old body, like a delta, is one of several paths for the clients that need it: it may be missing.
    let unavailable = walk.deltas(store, &blobs, progress).await?;
    let there = missing.into_iter().filter(|file| !unavailable.contains(&file.body.sha256));
    here.extend(there.map(|file| (file.sha256, file.clone())));
    for manifest in newest_first() {
        let mut files = manifest.files.iter().filter(|file| unavailable.contains(&file.body.sha256));
        taken.missing.extend(files.next().map(|file| {
            let named = named(manifest, file);
            format!("{named} could not be fetched, so no deltas from that release can be made")
        }));
    }
    Ok(())
}

fn bodies(files: &[&FileEntry]) -> Vec<Blob> {
    files.iter().map(|file| Blob { digest: file.body.sha256, size: file.body.size }).collect()
}

/// What an operator calls a file of a release.
fn named(manifest: &Manifest, file: &FileEntry) -> String {
    let Manifest { component, sequence, version, .. } = manifest;
    format!("{component} {version} (release {sequence}): {}", file.path)
}

/// Takes the deltas that cannot be made here.
async fn take_theirs(
    walk: &Walk,
    store: &Store,
    current: &Manifest,
    here: &HashMap<Digest, FileEntry>,
    taken: &mut Taken,
    progress: &(dyn Fn(Progress) + Send + Sync),
) -> Result<(), Stopped> {
    let mut wanted = BTreeMap::new();
    let direct = current.files.iter().map(|file| (file.sha256, &file.deltas));
    let between = current.intermediates.iter().map(|file| (file.sha256, &file.deltas));
    for (result, deltas) in direct.chain(between) {
        for delta in deltas.iter().filter(|delta| usable(delta)) {
            if !(here.contains_key(&delta.base) && here.contains_key(&result)) {
                wanted.insert((delta.base, result), delta.clone());
            }
        }
    }
    let blobs: Vec<Blob> =
        wanted.values().map(|delta| Blob { digest: delta.sha256, size: delta.size }).collect();
    taken._held.extend(blobs.iter().map(|blob| store.hold(blob.digest)));
    let unavailable = walk.deltas(store, &blobs, progress).await?;
    wanted.retain(|_, delta| !unavailable.contains(&delta.sha256));
    taken.only_theirs.extend(wanted.keys());
    taken.deltas.extend(wanted);
    Ok(())
}

/// The files of the current release that deltas make for less than their bodies.
fn choose<'a>(
    store: &Store,
    current: &'a Manifest,
    paths: &DeltaPaths<'_>,
    here: &HashMap<Digest, FileEntry>,
) -> Vec<(&'a FileEntry, DeltaPath)> {
    let price = |delta: &Delta| usable(delta).then(|| if store.has(&delta.sha256) { 0 } else { delta.size });
    let mut seen = HashSet::new();
    current
        .files
        .iter()
        .filter(|file| !here.contains_key(&file.sha256) && seen.insert(file.sha256))
        .filter_map(|file| {
            let full = if store.has(&file.body.sha256) { 0 } else { file.body.size };
            let path = paths.cheapest(&file.sha256, full, &|base| here.contains_key(base), &price)?;
            Some((file, path))
        })
        .collect()
}

fn usable(delta: &Delta) -> bool {
    delta.format == DeltaFormat::Headwater1 && delta.memory <= DELTA_MEMORY_MAX
}

/// Makes a file of one that is here, and packs it.
fn make(
    store: &Store,
    base: &FileEntry,
    file: &FileEntry,
    path: &DeltaPath,
) -> Result<(Body, Held), Stopped> {
    let folder = store.scratch_folder();
    let mut from = tempfile::tempfile_in(&folder)?;
    store.unpack(base, &mut from)?;
    let mut made = tempfile::tempfile_in(&folder)?;
    store.apply_path(&path.hops, &from, DELTA_MEMORY_MAX, &mut made)?;
    made.flush()?;
    let (sha256, body) = pack(store, &mut made, file.size)?;
    let held = store.hold(sha256);
    let body = Body { sha256, size: body.size, format: BodyFormat::Zstd, memory: body.memory };
    Ok((body, held))
}

fn pack(store: &Store, file: &mut File, size: u64) -> Result<(Digest, headwater_delta::Body), Stopped> {
    file.rewind()?;
    let mut writer = store.write(0)?;
    let (body, _) = headwater_delta::encode(file, size, LEVEL_DEFAULT, &mut writer)?;
    let sha256 = Digest::from(body.sha256);
    let _held = store.hold(sha256);
    writer.finish(Some(sha256))?;
    Ok((sha256, body))
}
