//! Holding one class: everything that a site's clients need of its current releases, whole, before anything of it
//! is served (U4).
//!
//! 1. what is needed is listed from verified metadata: targets, the bodies of the current releases, and their deltas;
//! 2. what the disk changed of what is held already goes ([`scrub`](crate::scrub));
//! 3. the quota and the free space are checked, before anything is fetched; where not all deltas fit, those that most
//!    clients are expected to use come first (C3);
//! 4. what is missing is fetched and verified. What the client fetched for itself is there already, and a body whose file
//!    it has made by a delta is packed from that file, not fetched;
//! 5. all is put on the shelf beside the old, metadata after content, and `timestamp.json` last.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use headwater_depot::{Blob, FetchError, Progress, Store, StoreError, Walk};
use headwater_policy::Class;
use headwater_repo::{Delta, Digest, FileEntry, Manifest, ReleaseList, TargetDescription, Trusted, layout};

use crate::limits::FREE_BYTES_MIN;
use crate::scrub::scrub;
use crate::shelf::Shelf;

/// What to hold, and with what.
#[derive(Debug, Clone, Copy)]
pub struct Hold<'a> {
    /// The class.
    pub class: Class,
    /// Its repository, as verified in this run.
    pub trusted: &'a Trusted,
    /// The walk of this run, to fetch from.
    pub walk: &'a Walk,
    /// Where fetched bytes are kept.
    pub store: &'a Store,
    /// What is served.
    pub shelf: &'a Shelf,
    /// Files of this client's own releases, by digest, as far as it remembers.
    pub files: &'a BTreeMap<Digest, PathBuf>,
    /// Bytes that may be held for all classes.
    pub quota_bytes: u64,
    /// Bytes free on the disk.
    pub free_bytes: u64,
}

/// Why a class cannot be held now; what was served before still is.
#[derive(Debug, thiserror::Error)]
pub enum HoldError {
    /// It would be more than the quota allows (U4).
    #[error(
        "holding it takes {wanted} more bytes; {held} of the quota of {quota} bytes are in use; raise update_agent_quota_mib or share fewer classes"
    )]
    Quota {
        /// Bytes more.
        wanted: u64,
        /// Bytes held for all classes.
        held: u64,
        /// Bytes that may be held.
        quota: u64,
    },
    /// The disk has no room for it.
    #[error(
        "holding it takes {wanted} more bytes; {free} are free on the disk, of which {reserve} stay free for this computer's own work; \
         free some disk space or share fewer classes"
    )]
    NoRoom {
        /// Bytes more.
        wanted: u64,
        /// Bytes free.
        free: u64,
        /// Of these, bytes that must stay free.
        reserve: u64,
    },
    /// No source gives what is missing.
    #[error("what is missing could not be fetched")]
    Fetch(#[from] FetchError),
    /// The disk refused.
    #[error("the disk refused")]
    Store(#[from] StoreError),
    /// The shelf could not be written.
    #[error("the folder of class {class} could not be written")]
    Shelf {
        /// The class.
        class: Class,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Signed content that this program does not understand.
    #[error("what was signed is not understood: {0}")]
    Content(String),
}

/// What a class needs.
#[derive(Default)]
struct Needed {
    /// Path on the shelf to bytes, for targets.
    targets: BTreeMap<String, Vec<u8>>,
    /// Bodies, with the file that each holds.
    bodies: BTreeMap<Digest, FileEntry>,
    /// Deltas: place in the order of expected use, digest, size.
    deltas: BTreeSet<(usize, Digest, u64)>,
}

/// A class was brought up to date.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Holding {
    /// Deltas that the quota or the disk had no room for, or no source gave: clients get them elsewhere.
    pub deltas_left_out: usize,
    /// Blobs that the disk had damaged, as found in this run.
    pub damaged: usize,
}

/// Brings one class on the shelf up to date; `progress` is called often while what is missing is fetched.
///
/// # Errors
///
/// See [`HoldError`]; what was served before is served still.
pub async fn hold(
    request: &Hold<'_>,
    progress: &(dyn Fn(Progress) + Send + Sync),
) -> Result<Holding, HoldError> {
    let needed = needed(request).await?;
    let damaged = scrubbed(request, &needed).await?;
    let on_shelf = |digest: &Digest| request.shelf.has(request.class, &layout::blob(digest));
    let missing: Vec<Blob> = needed
        .bodies
        .iter()
        .filter(|(digest, _)| !on_shelf(digest))
        .map(|(digest, file)| Blob { digest: *digest, size: file.body.size })
        .collect();
    let room = Room::of(request, &needed, &missing);
    room.check()?;
    pack(request, &needed, &missing).await?;
    request.walk.blobs(request.store, &missing, progress).await?;

    let deltas = needed.deltas.iter().map(|(_, digest, size)| Blob { digest: *digest, size: *size });
    let (there, absent): (Vec<Blob>, Vec<Blob>) = deltas.partition(|blob| on_shelf(&blob.digest));
    let fitting = room.fitting(&absent, &|digest| request.store.has(digest));
    let unavailable = request.walk.deltas(request.store, &fitting, progress).await?;
    let fetched: Vec<Blob> = fitting.into_iter().filter(|blob| !unavailable.contains(&blob.digest)).collect();
    let holding = Holding { deltas_left_out: absent.len() - fetched.len(), damaged };

    let new: Vec<Digest> = missing.iter().chain(&fetched).map(|blob| blob.digest).collect();
    let blobs = needed.bodies.keys().copied().chain(there.iter().chain(&fetched).map(|blob| blob.digest));
    let shelf = |source| HoldError::Shelf { class: request.class, source };
    put(request, &needed, &new, blobs.collect()).map_err(shelf)?;
    Ok(holding)
}

/// Takes what is damaged off the shelf; says how many blobs.
async fn scrubbed(request: &Hold<'_>, needed: &Needed) -> Result<usize, HoldError> {
    let bodies = needed.bodies.iter().map(|(digest, file)| (*digest, file.body.size));
    let blobs = bodies.chain(needed.deltas.iter().map(|(_, digest, size)| (*digest, *size))).collect();
    let (shelf, store, class) = (request.shelf.clone(), request.store.clone(), request.class);
    let scrubbed = tokio::task::spawn_blocking(move || scrub(&shelf, &store, class, &blobs)).await;
    scrubbed.expect("scrubbing does not panic").map_err(|source| HoldError::Shelf { class, source })
}

/// Packs what the client has as a file and not as a body.
async fn pack(request: &Hold<'_>, needed: &Needed, missing: &[Blob]) -> Result<(), HoldError> {
    for blob in missing.iter().filter(|blob| !request.store.has(&blob.digest)) {
        let entry = needed.bodies[&blob.digest].clone();
        let Some(path) = request.files.get(&entry.sha256).cloned() else { continue };
        let store = request.store.clone();
        let packed = tokio::task::spawn_blocking(move || store.pack(&path, &entry)).await;
        packed.expect("packing does not panic")?;
    }
    Ok(())
}

async fn needed(request: &Hold<'_>) -> Result<Needed, HoldError> {
    let mut needed = Needed::default();
    let put = |needed: &mut Needed, description: &TargetDescription, bytes: Vec<u8>| {
        needed.targets.insert(format!("{}/{}", layout::TARGETS_FOLDER, description.path), bytes);
    };
    for (name, description) in request.trusted.targets() {
        if request.class == Class::Settings {
            let bytes = target(request, &description).await?;
            put(&mut needed, &description, bytes);
            continue;
        }
        if layout::component_of_release_list(&name).is_none() {
            continue;
        }
        let bytes = target(request, &description).await?;
        let list = ReleaseList::parse(&bytes).map_err(|error| HoldError::Content(error.to_string()))?;
        put(&mut needed, &description, bytes);
        let current = list.manifest(list.current().sequence);
        let Some(description) = request.trusted.target(&current) else {
            return Err(HoldError::Content(format!("{current} is not in the signed metadata")));
        };
        let bytes = target(request, &description).await?;
        let manifest = Manifest::parse(&bytes).map_err(|error| HoldError::Content(error.to_string()))?;
        put(&mut needed, &description, bytes);
        let deltas = manifest.files.iter().map(|file| &file.deltas);
        let between = manifest.intermediates.iter().map(|file| &file.deltas);
        for deltas in deltas.chain(between) {
            let by_use = |(place, delta): (usize, &Delta)| (place, delta.sha256, delta.size);
            needed.deltas.extend(deltas.iter().enumerate().map(by_use));
        }
        needed.bodies.extend(manifest.files.into_iter().map(|file| (file.body.sha256, file)));
    }
    Ok(needed)
}

/// A target's bytes: those in the store, or fetched and put there.
async fn target(request: &Hold<'_>, description: &TargetDescription) -> Result<Vec<u8>, HoldError> {
    if let Some(kept) = request.store.target(description)? {
        return Ok(kept);
    }
    let bytes = request.walk.target(description).await?;
    request.store.put(&bytes)?;
    Ok(bytes)
}

/// What counts against the quota beside a class. Settings come first: what the others hold is not in their way, for
/// a site without new settings cannot even be told to hold less.
fn held_beside(shelf: &Shelf, class: Class) -> u64 {
    match class {
        Class::Settings => shelf.bytes_held_of(class),
        Class::Components | Class::Programs => shelf.bytes_held(),
    }
}

/// What holding takes and what there is, in bytes.
#[derive(Debug, Clone, Copy)]
struct Room {
    /// To come onto the shelf.
    wanted: u64,
    /// Of these, to come onto the disk: what the client fetched for itself is linked, not stored twice.
    to_store: u64,
    /// On the shelf already, of what counts beside it.
    held: u64,
    quota: u64,
    free: u64,
}

impl Room {
    fn of(request: &Hold<'_>, needed: &Needed, missing: &[Blob]) -> Self {
        let new_targets = needed.targets.iter().filter(|(path, _)| !request.shelf.has(request.class, path));
        let targets: u64 = new_targets.map(|(_, bytes)| bytes.len() as u64).sum();
        let bodies: u64 = missing.iter().map(|blob| blob.size).sum();
        let to_fetch = missing.iter().filter(|blob| !request.store.has(&blob.digest));
        Self {
            wanted: bodies + targets,
            to_store: to_fetch.map(|blob| blob.size).sum(),
            held: held_beside(request.shelf, request.class),
            quota: request.quota_bytes,
            free: request.free_bytes,
        }
    }

    /// Asked before a byte of the bodies is fetched (U4).
    fn check(self) -> Result<(), HoldError> {
        let Self { wanted, to_store, held, quota, free } = self;
        if wanted > 0 && held.saturating_add(wanted) > quota {
            return Err(HoldError::Quota { wanted, held, quota });
        }
        if to_store > free.saturating_sub(FREE_BYTES_MIN) {
            return Err(HoldError::NoRoom { wanted: to_store, free, reserve: FREE_BYTES_MIN });
        }
        Ok(())
    }

    /// Those that fit beside what must be held, in their order.
    fn fitting(self, blobs: &[Blob], stored: &dyn Fn(&Digest) -> bool) -> Vec<Blob> {
        let mut quota = self.quota.saturating_sub(self.held.saturating_add(self.wanted));
        let mut free = self.free.saturating_sub(FREE_BYTES_MIN).saturating_sub(self.to_store);
        let mut fits = |blob: &&Blob| {
            let to_store = if stored(&blob.digest) { 0 } else { blob.size };
            if blob.size > quota || to_store > free {
                return false;
            }
            (quota, free) = (quota - blob.size, free - to_store);
            true
        };
        blobs.iter().filter(|blob| fits(blob)).copied().collect()
    }
}

fn put(request: &Hold<'_>, needed: &Needed, new: &[Digest], blobs: BTreeSet<Digest>) -> io::Result<()> {
    let Hold { class, shelf, store, .. } = *request;
    for digest in new {
        shelf.put_file(class, &layout::blob(digest), &store.path(digest))?;
    }
    let mut files: BTreeSet<String> = blobs.iter().map(layout::blob).collect();
    for (path, bytes) in &needed.targets {
        put_once(shelf, class, path, bytes)?;
        files.insert(path.clone());
    }
    let received = request.trusted.received();
    for (number, bytes) in &received.roots {
        let path = format!("{}/{number}.root.json", layout::METADATA_FOLDER);
        put_once(shelf, class, &path, bytes)?;
        files.insert(path);
    }
    for (role, bytes) in [("targets", &received.targets), ("snapshot", &received.snapshot)] {
        let Some(bytes) = bytes else { continue };
        let path = format!("{}/{}.{role}.json", layout::METADATA_FOLDER, version_of(bytes)?);
        put_once(shelf, class, &path, bytes)?;
        files.insert(path);
    }
    let timestamp = received.timestamp.as_deref().ok_or_else(|| io::Error::other("there is no timestamp"))?;
    let version = request.trusted.targets_version().unwrap_or(0);
    let current = shelf.folder(class).join(layout::TIMESTAMP);
    if shelf.version(class) == Some(version) && same(&current, timestamp) {
        return Ok(());
    }
    shelf.switch(class, version, files, timestamp)
}

fn put_once(shelf: &Shelf, class: Class, path: &str, bytes: &[u8]) -> io::Result<()> {
    if same(&shelf.folder(class).join(path), bytes) {
        return Ok(());
    }
    shelf.put_bytes(class, path, bytes)
}

fn same(path: &Path, bytes: &[u8]) -> bool {
    std::fs::read(path).is_ok_and(|found| found == bytes)
}

/// The version that signed metadata gives itself.
fn version_of(bytes: &[u8]) -> io::Result<u64> {
    let parsed: serde_json::Value = serde_json::from_slice(bytes).map_err(io::Error::other)?;
    parsed["signed"]["version"].as_u64().ok_or_else(|| io::Error::other("metadata without a version"))
}

#[cfg(test)]
mod tests {
    use headwater_depot::Blob;
    use headwater_repo::Digest;

    use super::{HoldError, Room};
    use crate::limits::FREE_BYTES_MIN;

    #[test]
    fn deltas_take_the_room_that_is_left_in_their_order() {
        let blob = |size: u64| Blob { digest: Digest::of(&size.to_le_bytes()), size };
        let blobs = [blob(5), blob(20), blob(4), blob(2)];
        let room = Room { wanted: 10, to_store: 4, held: 80, quota: 100, free: FREE_BYTES_MIN + 4 + 100 };
        let sizes = |room: Room, stored: bool| {
            room.fitting(&blobs, &|_| stored).iter().map(|blob| blob.size).collect::<Vec<_>>()
        };
        assert_eq!(sizes(room, false), [5, 4]);
        assert_eq!(sizes(Room { quota: 1000, ..room }, false), [5, 20, 4, 2]);
        let full = Room { quota: 1000, free: FREE_BYTES_MIN + 4 + 6, ..room };
        assert_eq!(sizes(full, false), [5]);
        assert_eq!(sizes(full, true), [5, 20, 4, 2], "what is stored is linked");
        assert_eq!(sizes(Room { quota: 80, ..room }, false), [0; 0]);
    }

    #[test]
    fn quota_and_free_space_are_kept_to_the_byte() {
        let room = Room { wanted: 10, to_store: 4, held: 90, quota: 100, free: FREE_BYTES_MIN + 4 };
        assert!(room.check().is_ok());
        assert!(matches!(Room { quota: 99, ..room }.check(), Err(HoldError::Quota { .. })));
        let full = Room { free: room.free - 1, ..room };
        let said = full.check().unwrap_err().to_string();
        assert!(
            said.contains("takes 4 more")
                && said.contains("67108867 are free on the disk, of which 67108864 stay")
        );
        // A quota that was lowered takes nothing away that is served.
        assert!(Room { wanted: 0, to_store: 0, quota: 1, ..room }.check().is_ok());
    }
}
