//! The content of a vendor's new releases, for the fewest bytes (C1).
//!
//! 1. The current release is made whole: files that are here already, then by deltas from files of our releases, then
//!    by full bodies. A file made by a delta is packed here; its body is ours.
//! 2. All of it is decoded (C2a). If a file is not what its manifest states, the release is rejected, and nothing more is taken
//!    of the component.
//! 3. An earlier release that is not here is taken only as far as the vendor has no deltas from it: to go back to it, it is
//!    fetched then. What the vendor does not serve of it is reported, and stops nothing; one with a wrong file is
//!    rejected alone.
//! 4. The vendor's deltas from files that we do not have are taken, because we cannot make those ourselves. Those that can be
//!    tried here are, and one that makes something else is left out. The others are made here, later.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs::File;
use std::io::{Seek as _, Write as _};

use headwater_api::v1::RejectedRelease;
use headwater_delta::limits::{DELTA_MEMORY_MAX, LEVEL_DEFAULT};
use headwater_depot::fetch::Blob;
use headwater_depot::store::Held;
use headwater_depot::{FetchProgress, Store, Walk};
use headwater_policy::Class;
use headwater_repo::{
    Body, BodyFormat, Delta, DeltaFormat, DeltaPath, DeltaPaths, Digest, FileEntry, Hop, Manifest,
};

use super::stopped::Stopped;
use super::verify::{Verifier, too_large};
use crate::publishing::service::PublishingService;

const CLASS: Class = Class::Components;

/// What was taken, kept from being collected until it is signed.
#[derive(Default)]
pub(super) struct Taken {
    /// The current release, its bodies here and no deltas named. `None` if it is rejected.
    pub current: Option<Manifest>,
    /// Deltas that are here now, by base and by what they make.
    pub deltas: BTreeMap<(Digest, Digest), Delta>,
    /// Of these, the ones that could not be made here.
    pub only_theirs: HashSet<(Digest, Digest)>,
    /// Earlier releases whose content the vendor did not give, the newest first, and deltas that are left out: sentences.
    pub missing: Vec<String>,
    /// Releases that are not to be published.
    pub rejected: Vec<RejectedRelease>,
    /// Blobs that were taken for those alone, unless another release needs them.
    pub unwanted: HashSet<Digest>,
    held: HashMap<Digest, Held>,
}

/// Where content comes from and goes to.
struct Transfer<'a> {
    walk: &'a Walk,
    store: &'a Store,
    progress: &'a (dyn Fn(FetchProgress) + Send + Sync),
}

impl Taken {
    fn hold(&mut self, store: &Store, digests: impl IntoIterator<Item = Digest>) {
        for digest in digests {
            self.held.entry(digest).or_insert_with(|| store.hold(digest));
        }
    }
}

/// Makes `current` whole in the store, and of `earlier` what must be.
pub(super) async fn take(
    publishing: &PublishingService,
    walk: &Walk,
    current: &Manifest,
    earlier: &[&Manifest],
    mut here: HashMap<Digest, FileEntry>,
    progress: &(dyn Fn(FetchProgress) + Send + Sync),
) -> Result<Taken, Stopped> {
    let store = publishing.store(CLASS);
    let transfer = Transfer { walk, store, progress };
    let mut taken = Taken::default();
    for manifest in earlier.iter().chain([&current]) {
        walk.name_blobs(manifest.files.iter().map(|file| (file.body.sha256, named(manifest, file))));
    }
    taken.rejected.extend(earlier.iter().chain([&current]).filter_map(|manifest| too_large(manifest)));
    if too_large(current).is_some() {
        return Ok(taken);
    }
    let name = &current.component;
    let content = Digest::of(&current.to_bytes()?);
    let mut verifier = Verifier::new(store, publishing.vendor_sync.is_verified(name, &content));
    verifier.forget_wrong(current, &mut here).await?;
    let paths = DeltaPaths::of(current);
    make_by_deltas(&transfer, current, &paths, &mut here, &mut taken).await?;

    let bases: BTreeSet<Digest> = current.files.iter().flat_map(|file| paths.bases(&file.sha256)).collect();
    let now: HashSet<Digest> = current.files.iter().map(|file| file.sha256).collect();
    let needed = |file: &&FileEntry| !bases.contains(&file.sha256) && !now.contains(&file.sha256);
    let missing: Vec<&FileEntry> =
        current.files.iter().filter(|file| !here.contains_key(&file.sha256)).collect();
    let blobs = bodies(&missing);
    taken.hold(store, blobs.iter().map(|blob| blob.digest));
    walk.blobs(store, &blobs, progress).await?;
    here.extend(missing.into_iter().map(|file| (file.sha256, file.clone())));
    if let Some(rejected) = verifier.whole(current, &here).await? {
        taken.rejected.push(rejected);
        taken.unwanted = taken.held.keys().copied().collect();
        return Ok(taken);
    }

    take_earlier(&transfer, earlier, &needed, &mut here, &mut verifier, &mut taken).await?;
    take_theirs(&transfer, current, &here, &verifier, &mut taken).await?;
    publishing.vendor_sync.note_verified(name.clone(), content);
    let mut whole = current.without_deltas();
    for file in &mut whole.files {
        file.body = here[&file.sha256].body.clone();
        taken.hold(store, [file.body.sha256]);
    }
    // The sizes of what lies between are known from here only.
    whole.intermediates.clone_from(&current.intermediates);
    taken.current = Some(whole);
    Ok(taken)
}

/// Makes files of the current release from files that are here, where deltas cost less than bodies.
async fn make_by_deltas(
    transfer: &Transfer<'_>,
    current: &Manifest,
    paths: &DeltaPaths<'_>,
    here: &mut HashMap<Digest, FileEntry>,
    taken: &mut Taken,
) -> Result<(), Stopped> {
    let store = transfer.store;
    let chosen = choose(store, current, paths, here);
    let hops = chosen.iter().flat_map(|(_, path)| &path.hops);
    let wanted: Vec<Blob> = hops.map(|hop| Blob { digest: hop.delta.sha256, size: hop.delta.size }).collect();
    taken.hold(store, wanted.iter().map(|blob| blob.digest));
    let unavailable = transfer.walk.deltas(store, &wanted, transfer.progress).await?;
    for (file, path) in chosen {
        if path.hops.iter().any(|hop| unavailable.contains(&hop.delta.sha256)) {
            continue;
        }
        let (store, base, entry) = (store.clone(), here[&path.hops[0].delta.base].clone(), file.clone());
        let hops = path.clone();
        let made = tokio::task::spawn_blocking(move || make(&store, &base, &entry, &hops)).await;
        match made.expect("applying deltas does not panic") {
            Ok((body, held)) => {
                taken.held.insert(body.sha256, held);
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
    Ok(())
}

/// Takes the files of earlier releases that are `needed`, as far as the vendor gives them and they are right.
async fn take_earlier(
    transfer: &Transfer<'_>,
    earlier: &[&Manifest],
    needed: &(dyn Fn(&&FileEntry) -> bool + Sync),
    here: &mut HashMap<Digest, FileEntry>,
    verifier: &mut Verifier<'_>,
    taken: &mut Taken,
) -> Result<(), Stopped> {
    let store = transfer.store;
    let newest_first = || earlier.iter().rev().filter(|manifest| too_large(manifest).is_none());
    let old = newest_first().flat_map(|manifest| manifest.files.iter().filter(needed));
    let missing: Vec<&FileEntry> = old.filter(|file| !here.contains_key(&file.sha256)).collect();
    let blobs = bodies(&missing);
    taken.hold(store, blobs.iter().map(|blob| blob.digest));
    // An old body, like a delta, is one of several paths for the clients that need it: it may be missing.
    let unavailable = transfer.walk.deltas(store, &blobs, transfer.progress).await?;
    for manifest in newest_first() {
        if let Some(rejected) = verifier.what_is_here(manifest).await? {
            taken.unwanted.extend(manifest.files.iter().map(|file| file.body.sha256));
            taken.rejected.push(rejected);
            continue;
        }
        let there = manifest.files.iter().filter(needed);
        let there = there.filter(|file| !unavailable.contains(&file.body.sha256));
        for file in there {
            here.entry(file.sha256).or_insert_with(|| file.clone());
        }
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
    transfer: &Transfer<'_>,
    current: &Manifest,
    here: &HashMap<Digest, FileEntry>,
    verifier: &Verifier<'_>,
    taken: &mut Taken,
) -> Result<(), Stopped> {
    let store = transfer.store;
    let mut wanted = BTreeMap::new();
    let direct = current.files.iter().map(|file| (file.sha256, file.size, &file.deltas));
    let between = current.intermediates.iter().map(|file| (file.sha256, file.size, &file.deltas));
    for (sha256, size, deltas) in direct.chain(between) {
        for delta in deltas.iter().filter(|delta| usable(delta)) {
            if !(here.contains_key(&delta.base) && here.contains_key(&sha256)) {
                wanted.insert((delta.base, sha256), Hop { delta: delta.clone(), sha256, size });
            }
        }
    }
    let blobs: Vec<Blob> =
        wanted.values().map(|hop| Blob { digest: hop.delta.sha256, size: hop.delta.size }).collect();
    taken.hold(store, blobs.iter().map(|blob| blob.digest));
    let unavailable = transfer.walk.deltas(store, &blobs, transfer.progress).await?;
    wanted.retain(|_, hop| !unavailable.contains(&hop.delta.sha256));
    for (pair, hop) in wanted {
        if let Some(base) = here.get(&hop.delta.base)
            && let Some(reason) = verifier.delta(base, hop.clone()).await?
        {
            let Manifest { component, sequence, version, .. } = current;
            taken.unwanted.insert(hop.delta.sha256);
            taken.missing.push(format!(
                "{component} {version} (release {sequence}): the delta {} was left out: {reason}",
                hop.delta.sha256
            ));
            continue;
        }
        taken.only_theirs.insert(pair);
        taken.deltas.insert(pair, hop.delta);
    }
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
