//! Deltas of a static repository (C1): a release is published with its full bodies at once; deltas join its
//! manifest as they are made, as at a server.
//!
//! In rounds: look at what is published → decide (`repo`'s [`DeltaPlan`]) → make what lacks most, and again → join. What there is in
//! inventory stands in the present manifests: nothing else is remembered. So earlier releases keep their deltas until
//! the current one names all it should; whoever is stopped before that goes on where he was.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::time::Instant;

use headwater_delta::limits::DELTA_FILE_MAX;
use headwater_delta::{self as delta, Control, DeltaError, DeltaOptions, encode_delta};
use headwater_repo::{
    ComponentName, Delta, DeltaFormat, DeltaPlan, Digest, Draft, Earlier, FileEntry, Inventory,
    InventoryItem, KeyRing, Manifest, MissingDelta, Published, ReleaseList, STORAGE_PERCENT, Sequence,
    expected_ages, layout, limits,
};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::folder::{Folder, keep};
use super::publish::{must_sign, refused, release_list, sign};
use crate::limits::DELTAS_JOIN_INTERVAL;
use crate::terminal::failure::Failure;
use crate::terminal::progress::Progress;
use crate::terminal::stop::Stop;
use headwater_repo::error_chain;

/// How far the deltas of a component's current release are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// Deltas that it names.
    pub deltas: usize,
    /// Bytes that they take.
    pub delta_bytes: u64,
    /// Deltas that are still to be made, because somebody said stop.
    pub missing: usize,
    /// Bodies that are not there or damaged: nothing is made of them.
    pub left_out: BTreeSet<String>,
}

/// Makes the deltas that the current release of a component lacks, straight from the `from` releases nearest to it;
/// from others clients go over several. Ends when nothing lacks, `stop` is told or one fails; what was made has joined then.
pub fn make(
    folder: &Folder,
    ring: &KeyRing,
    component: &ComponentName,
    from: usize,
    (stop, progress): (&Stop, &Progress),
    began: Timestamp,
) -> Result<Standing, Failure> {
    must_sign(&folder.published()?, ring)?;
    let clock = Instant::now();
    let mut inventory = Inventory::new();
    let mut left_out = BTreeSet::new();
    loop {
        let release_chain = ReleaseChain::of(folder, component)?;
        inventory.extend(release_chain.inventory(folder));
        let mut delta_plan = release_chain.delta_plan(inventory.clone(), from);
        let (round, mut failed) = (Instant::now(), None);
        while round.elapsed() < DELTAS_JOIN_INTERVAL {
            let Some(next) = delta_plan.missing().next() else { break };
            let pair = (next.base, next.result);
            let item = match make_one(folder, &release_chain, &next, stop, progress) {
                Ok(made) => made.map_or(InventoryItem::Useless, InventoryItem::Made),
                Err(Unmade::Stopped) => break,
                Err(Unmade::NoBody(why)) => {
                    left_out.insert(why);
                    InventoryItem::Useless
                }
                Err(Unmade::Failed(failure)) => {
                    failed = Some(failure);
                    break;
                }
            };
            inventory.insert(pair, item.clone());
            delta_plan.put(pair, item);
        }
        let (manifest, missing) = (delta_plan.manifest(), delta_plan.missing().count());
        let elapsed = SignedDuration::try_from(clock.elapsed()).unwrap_or(SignedDuration::ZERO);
        let joined = release_chain.join(folder, ring, &manifest, missing == 0, began + elapsed)?;
        // What was made has joined: the next run goes on behind it.
        if let Some(failure) = failed {
            return Err(failure);
        }
        // Else somebody published meanwhile.
        if joined && (missing == 0 || stop.is_told()) {
            return Ok(Standing {
                deltas: manifest.deltas().count(),
                delta_bytes: manifest.deltas().map(|delta| delta.size).sum(),
                missing,
                left_out,
            });
        }
    }
}

/// A release that is about to be published, with the deltas to it that are there already.
pub fn named(
    folder: &Folder,
    present: &Published,
    list: Option<&ReleaseList>,
    manifest: Manifest,
) -> Result<Manifest, Failure> {
    let Some(list) = list else { return Ok(manifest) };
    let nearest = list.releases().iter().rev().take(limits::RELEASES_MAX - 1);
    let read = |sequence| self::manifest(folder, present, list.component(), sequence);
    let others = nearest.map(|release| read(release.sequence)).collect::<Result<_, _>>()?;
    let release_chain = ReleaseChain { list: list.clone(), current: manifest, others };
    Ok(release_chain.delta_plan(release_chain.inventory(folder), 0).manifest())
}

/// A component as it is published now: its current release, and the others, the nearest first. Withdrawn ones count:
/// clients may have them.
#[derive(Debug, PartialEq, Eq)]
struct ReleaseChain {
    list: ReleaseList,
    current: Manifest,
    others: Vec<Manifest>,
}

impl ReleaseChain {
    fn of(folder: &Folder, component: &ComponentName) -> Result<Self, Failure> {
        let present = folder.published()?;
        let Some(list) = release_list(folder, &present, component)? else {
            return Err(Failure::bad_input(format!("nothing named {component} was published"))
                .with_hint("`headwater repo show` lists what was"));
        };
        let read = |sequence| manifest(folder, &present, component, sequence);
        let current = read(list.current().sequence)?;
        let nearest = list.nearest_first();
        let others = nearest.into_iter().map(|release| read(release.sequence)).collect::<Result<_, _>>()?;
        Ok(Self { list, current, others })
    }

    fn manifests(&self) -> impl Iterator<Item = &Manifest> {
        self.others.iter().chain([&self.current])
    }

    fn file(&self, sha256: &Digest) -> Option<&FileEntry> {
        self.manifests().flat_map(|manifest| &manifest.files).find(|file| file.sha256 == *sha256)
    }

    /// The deltas that are named.
    /// The deltas that its manifests name, less what was lost from the disk.
    fn inventory(&self, folder: &Folder) -> Inventory {
        let mut inventory = Inventory::new();
        for manifest in self.manifests() {
            let files = manifest.files.iter().map(|file| (file.sha256, &file.deltas));
            let between = manifest.intermediates.iter().map(|file| (file.sha256, &file.deltas));
            for (result, deltas) in files.chain(between) {
                for delta in deltas.iter().filter(|one| folder.may_have_blob(&one.sha256, one.size)) {
                    inventory.insert((delta.base, result), InventoryItem::Made(delta.clone()));
                }
            }
        }
        inventory
    }

    fn delta_plan(&self, inventory: Inventory, from: usize) -> DeltaPlan {
        let near: BTreeSet<Digest> = self
            .others
            .iter()
            .take(from)
            .flat_map(|manifest| &manifest.files)
            .map(|file| file.sha256)
            .collect();
        let new: BTreeSet<Digest> = self.current.files.iter().map(|file| file.sha256).collect();
        let sizes: BTreeMap<Digest, u64> = self
            .manifests()
            .flat_map(|manifest| &manifest.files)
            .map(|file| (file.sha256, file.size))
            .collect();
        let weights = expected_ages(&vec![0; self.others.len()]);
        let earlier: Vec<Earlier<'_>> =
            self.others.iter().zip(weights).map(|(manifest, weight)| Earlier { manifest, weight }).collect();
        let makeable = |base: &Digest, result: &Digest| {
            let fits = |file: &Digest| sizes.get(file).is_some_and(|size| *size <= DELTA_FILE_MAX);
            near.contains(base) && new.contains(result) && fits(base) && fits(result)
        };
        DeltaPlan::of(&self.current, &earlier, inventory, &makeable, STORAGE_PERCENT)
    }

    /// Signs the current release's manifest with its deltas, if that is anything new. Once it is `whole`, the other
    /// releases' deltas go: nobody needs them any more. False: something else was published meanwhile.
    fn join(
        &self,
        folder: &Folder,
        ring: &KeyRing,
        manifest: &Manifest,
        whole: bool,
        now: Timestamp,
    ) -> Result<bool, Failure> {
        let stale: Vec<&Manifest> = self.others.iter().filter(|other| whole && other.has_deltas()).collect();
        if *manifest == self.current && stale.is_empty() {
            return Ok(true);
        }
        let _lock = folder.lock()?;
        if Self::of(folder, self.list.component())? != *self {
            return Ok(false);
        }
        let mut draft = Draft::next(&folder.published()?);
        for manifest in stale.into_iter().map(Manifest::without_deltas).chain([manifest.clone()]) {
            let bytes = manifest.to_bytes().map_err(|error| refused(error.into()))?;
            draft.add(self.list.manifest(manifest.sequence), bytes).map_err(refused)?;
        }
        sign(folder, ring, draft, now)?;
        Ok(true)
    }
}

/// A manifest, as published.
pub fn manifest(
    folder: &Folder,
    present: &Published,
    component: &ComponentName,
    sequence: Sequence,
) -> Result<Manifest, Failure> {
    let name = layout::manifest(component, sequence);
    let bytes = folder.target(present, &name)?;
    let bytes = bytes.ok_or_else(|| Failure::failed(format!("{name} is listed and not published")))?;
    Manifest::parse(&bytes)
        .map_err(|error| Failure::failed(format!("{name} cannot be read: {}", error_chain(&error))))
}

/// An encoding that is shown, and hears the word to stop.
struct Watched<'a> {
    stop: &'a Stop,
    progress: &'a Progress,
    result: &'a FileEntry,
}

impl Control for Watched<'_> {
    fn cancelled(&self) -> bool {
        self.stop.is_told()
    }

    fn progress(&self, done: u32) {
        let what = format!("delta to {}", self.result.path);
        self.progress.show(&what, self.result.size.saturating_mul(done.into()) / 1000, self.result.size);
    }
}

/// Why there is no delta.
enum Unmade {
    Stopped,
    /// A body is not there, or not what was signed.
    NoBody(String),
    Failed(Failure),
}

impl From<Failure> for Unmade {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

fn make_one(
    folder: &Folder,
    release_chain: &ReleaseChain,
    next: &MissingDelta,
    stop: &Stop,
    progress: &Progress,
) -> Result<Option<Delta>, Unmade> {
    if stop.is_told() {
        return Err(Unmade::Stopped);
    }
    let file =
        |sha256| release_chain.file(sha256).expect("what can be made is between files of its releases");
    let (base, result) = (file(&next.base), file(&next.result));
    let (old, new) = (content(folder, base)?, content(folder, result)?);
    let watched = Watched { stop, progress, result };
    let made = match encode_delta(&old, &new, &DeltaOptions::beside(next.body), &watched) {
        Ok(made) => made,
        Err(DeltaError::Cancelled) => return Err(Unmade::Stopped),
        Err(error) => return Err(Failure::failed(format!("{}: {}", result.path, error_chain(&error))).into()),
    };
    let Some(made) = made else { return Ok(None) };
    let sha256 = Digest::from(made.body.sha256);
    let _lock = folder.lock()?;
    let place = folder.path(&layout::blob(&sha256));
    if !folder.has_blob(&sha256) {
        let write = || -> io::Result<()> {
            let blobs = folder.path(layout::BLOBS_FOLDER);
            fs::create_dir_all(place.parent().unwrap_or(&blobs))?;
            let mut stored = tempfile::NamedTempFile::new_in(&blobs)?;
            stored.write_all(&made.bytes)?;
            keep(stored, &place)
        };
        write().map_err(|error| Failure::file("write", &place, &error))?;
    }
    Ok(Some(Delta {
        base: base.sha256,
        sha256,
        size: made.body.size,
        format: DeltaFormat::Headwater1,
        memory: made.body.memory,
    }))
}

fn content(folder: &Folder, file: &FileEntry) -> Result<Vec<u8>, Unmade> {
    let path = folder.path(&layout::blob(&file.body.sha256));
    let mut stored = fs::File::open(&path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => no_body(&path, file, "is not there"),
        _ => Failure::file("read", &path, &error).into(),
    })?;
    let body =
        delta::Body { sha256: *file.body.sha256.as_bytes(), size: file.body.size, memory: file.body.memory };
    let decoded = delta::Decoded { sha256: *file.sha256.as_bytes(), size: file.size };
    let mut bytes = Vec::new();
    delta::decode(&mut stored, &body, &decoded, limits::DECODER_MEMORY_MAX, &mut bytes).map_err(|error| {
        match error {
            delta::DecodeError::WrongBody => no_body(&path, file, "is not what was signed"),
            delta::DecodeError::Read(error) => Failure::file("read", &path, &error).into(),
            error => Failure::failed(format!("{}: {}", path.display(), error_chain(&error))).into(),
        }
    })?;
    Ok(bytes)
}

fn no_body(path: &Path, file: &FileEntry, why: &str) -> Unmade {
    Unmade::NoBody(format!("{}, a body of {}, {why}", path.display(), file.path))
}
