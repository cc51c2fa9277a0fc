//! Holds one repository: everything that a site's clients need of it now, whole, before anything of it is served (U4). An
//! update agent holds the policy whatever it shares (P5a).
//!
//! 1. Verified metadata names what is needed: targets, the bodies of the current releases, and their deltas.
//! 2. Damaged blobs in the served tree are removed ([`scrub`](crate::scrub)).
//! 3. Quota and free space are checked before anything is fetched. If not all deltas fit, those that most clients are
//!    expected to use come first (C3).
//! 4. What is missing is fetched and verified. The store already has what the client fetched for itself. A body whose file
//!    the client made by a delta is packed from that file instead of fetched.
//! 5. Everything is written to the served tree beside the old content, metadata after blobs, and `timestamp.json` last.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use headwater_depot::{Blob, FetchProgress, Store, Walk};
use headwater_policy::{Class, Repository};
use headwater_repo::{Delta, Digest, FileEntry, Manifest, ReleaseList, TargetDescription, Trusted, layout};

use crate::hold_error::HoldError;
use crate::room::Room;
use crate::scrub::scrub;
use crate::served_tree::ServedTree;

/// What to hold, from where and up to which size.
#[derive(Debug, Clone, Copy)]
pub struct HoldRequest<'a> {
    /// The repository.
    pub repository: Repository,
    /// Its repository as verified in this run.
    pub trusted: &'a Trusted,
    /// The walk of this run, from which to fetch.
    pub walk: &'a Walk,
    /// The store of fetched bytes.
    pub store: &'a Store,
    /// What is served.
    pub tree: &'a ServedTree,
    /// Files of this client's own releases, by digest.
    pub files: &'a BTreeMap<Digest, PathBuf>,
    /// Bytes that may be held for all repositories.
    pub quota_bytes: u64,
    /// Bytes free on the disk.
    pub free_bytes: u64,
    /// Files that can still be made on the disk; `None` if it has no such limit.
    pub free_files: Option<u64>,
}

/// What a repository needs.
#[derive(Default)]
struct Needed {
    /// Targets: path in the served tree, and bytes.
    targets: BTreeMap<String, Vec<u8>>,
    /// Bodies, with the file in each.
    bodies: BTreeMap<Digest, FileEntry>,
    /// Deltas: rank in the order of expected use, digest, size.
    deltas: BTreeSet<(usize, Digest, u64)>,
}

/// The result for a repository that was brought up to date.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HoldOutcome {
    /// Deltas for which quota or disk had no room, or that no source has: clients fetch them elsewhere.
    pub deltas_left_out: usize,
    /// Blobs that were found damaged in this run.
    pub damaged: usize,
}

/// Brings one repository in the served tree up to date. `progress` is called often during downloads.
///
/// # Errors
///
/// See [`HoldError`]; the former content is still served.
pub async fn hold(
    request: &HoldRequest<'_>,
    progress: &(dyn Fn(FetchProgress) + Send + Sync),
) -> Result<HoldOutcome, HoldError> {
    let needed = needed(request).await?;
    let damaged = scrubbed(request, &needed).await?;
    let in_tree = |digest: &Digest| request.tree.has(request.repository, &layout::blob(digest));
    let missing: Vec<Blob> = needed
        .bodies
        .iter()
        .filter(|(digest, _)| !in_tree(digest))
        .map(|(digest, file)| Blob { digest: *digest, size: file.body.size })
        .collect();
    let room = room(request, &needed, &missing);
    room.check()?;
    pack(request, &needed, &missing).await?;
    request.walk.blobs(request.store, &missing, progress).await?;

    let deltas = needed.deltas.iter().map(|(_, digest, size)| Blob { digest: *digest, size: *size });
    let (there, absent): (Vec<Blob>, Vec<Blob>) = deltas.partition(|blob| in_tree(&blob.digest));
    let fitting = room.fitting(&absent, &|digest| request.store.has(digest));
    let unavailable = request.walk.deltas(request.store, &fitting, progress).await?;
    let fetched: Vec<Blob> = fitting.into_iter().filter(|blob| !unavailable.contains(&blob.digest)).collect();
    let outcome = HoldOutcome { deltas_left_out: absent.len() - fetched.len(), damaged };

    let new: Vec<Digest> = missing.iter().chain(&fetched).map(|blob| blob.digest).collect();
    let blobs = needed.bodies.keys().copied().chain(there.iter().chain(&fetched).map(|blob| blob.digest));
    let tree = |source| HoldError::Tree { repository: request.repository, source };
    write(request, &needed, &new, blobs.collect()).map_err(tree)?;
    Ok(outcome)
}

/// Removes damaged blobs from the served tree; returns their number.
async fn scrubbed(request: &HoldRequest<'_>, needed: &Needed) -> Result<usize, HoldError> {
    let bodies = needed.bodies.iter().map(|(digest, file)| (*digest, file.body.size));
    let blobs = bodies.chain(needed.deltas.iter().map(|(_, digest, size)| (*digest, *size))).collect();
    let (tree, store, repository) = (request.tree.clone(), request.store.clone(), request.repository);
    let scrubbed = tokio::task::spawn_blocking(move || scrub(&tree, &store, repository, &blobs)).await;
    scrubbed.expect("scrubbing does not panic").map_err(|source| HoldError::Tree { repository, source })
}

/// Packs the bodies that the client has only as files.
async fn pack(request: &HoldRequest<'_>, needed: &Needed, missing: &[Blob]) -> Result<(), HoldError> {
    for blob in missing.iter().filter(|blob| !request.store.has(&blob.digest)) {
        let entry = needed.bodies[&blob.digest].clone();
        let Some(path) = request.files.get(&entry.sha256).cloned() else { continue };
        let store = request.store.clone();
        let packed = tokio::task::spawn_blocking(move || store.pack(&path, &entry)).await;
        packed.expect("packing does not panic")?;
    }
    Ok(())
}

async fn needed(request: &HoldRequest<'_>) -> Result<Needed, HoldError> {
    let mut needed = Needed::default();
    let put = |needed: &mut Needed, description: &TargetDescription, bytes: Vec<u8>| {
        needed.targets.insert(format!("{}/{}", layout::TARGETS_FOLDER, description.path), bytes);
    };
    for (name, description) in request.trusted.targets() {
        if has_documents_only(request.repository) {
            let bytes = target(request, &description).await?;
            put(&mut needed, &description, bytes);
            continue;
        }
        if layout::is_tombstone(&name) {
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
        let intermediates = manifest.intermediates.iter().map(|file| &file.deltas);
        for deltas in deltas.chain(intermediates) {
            let ranked = |(rank, delta): (usize, &Delta)| (rank, delta.sha256, delta.size);
            needed.deltas.extend(deltas.iter().enumerate().map(ranked));
        }
        needed.bodies.extend(manifest.files.into_iter().map(|file| (file.body.sha256, file)));
    }
    Ok(needed)
}

/// The bytes of a target: from the store, or fetched and stored.
async fn target(request: &HoldRequest<'_>, description: &TargetDescription) -> Result<Vec<u8>, HoldError> {
    Ok(request.walk.stored_target(request.store, description).await?)
}

/// Whether every target of a repository is held: signed documents, and no releases.
fn has_documents_only(repository: Repository) -> bool {
    matches!(repository, Repository::Policy | Repository::Class(Class::Settings))
}

/// What holding takes, and what quota and disk allow. Policy and settings come first: other repositories do not count
/// against them, because a site without new settings cannot be configured to hold less.
fn room(request: &HoldRequest<'_>, needed: &Needed, missing: &[Blob]) -> Room {
    let HoldRequest { repository, tree, store, .. } = *request;
    let new_targets = needed.targets.iter().filter(|(path, _)| !tree.has(repository, path));
    let (targets, new_files) =
        new_targets.fold((0, 0), |(bytes, files), (_, target)| (bytes + target.len() as u64, files + 1));
    let bodies: u64 = missing.iter().map(|blob| blob.size).sum();
    let to_fetch: Vec<&Blob> = missing.iter().filter(|blob| !store.has(&blob.digest)).collect();
    Room {
        wanted: bodies + targets,
        to_store: to_fetch.iter().map(|blob| blob.size).sum(),
        held: if has_documents_only(repository) { tree.bytes_held_of(repository) } else { tree.bytes_held() },
        quota: request.quota_bytes,
        free: request.free_bytes,
        files: new_files + to_fetch.len() as u64,
        free_files: request.free_files,
    }
}

fn write(
    request: &HoldRequest<'_>,
    needed: &Needed,
    new: &[Digest],
    blobs: BTreeSet<Digest>,
) -> io::Result<()> {
    let HoldRequest { repository, tree, store, .. } = *request;
    for digest in new {
        let file = store.file(digest).expect("the store of an update agent is a folder");
        tree.put_file(repository, &layout::blob(digest), &file)?;
    }
    let mut files: BTreeSet<String> = blobs.iter().map(layout::blob).collect();
    for (path, bytes) in &needed.targets {
        put_once(tree, repository, path, bytes)?;
        files.insert(path.clone());
    }
    let received = request.trusted.received();
    for (number, bytes) in &received.roots {
        let path = format!("{}/{number}.root.json", layout::METADATA_FOLDER);
        put_once(tree, repository, &path, bytes)?;
        files.insert(path);
    }
    for (role, bytes) in [("targets", &received.targets), ("snapshot", &received.snapshot)] {
        let Some(bytes) = bytes else { continue };
        let path = format!("{}/{}.{role}.json", layout::METADATA_FOLDER, version_of(bytes)?);
        put_once(tree, repository, &path, bytes)?;
        files.insert(path);
    }
    let timestamp =
        received.timestamp.as_deref().ok_or_else(|| io::Error::other("the metadata has no timestamp"))?;
    let version = request.trusted.targets_version().unwrap_or(0);
    let current = tree.folder(repository).join(layout::TIMESTAMP);
    if tree.version(repository) == Some(version) && same(&current, timestamp) {
        return Ok(());
    }
    tree.switch(repository, version, files, timestamp)
}

fn put_once(tree: &ServedTree, repository: Repository, path: &str, bytes: &[u8]) -> io::Result<()> {
    if same(&tree.folder(repository).join(path), bytes) {
        return Ok(());
    }
    tree.put_bytes(repository, path, bytes)
}

fn same(path: &Path, bytes: &[u8]) -> bool {
    std::fs::read(path).is_ok_and(|found| found == bytes)
}

/// The version in signed metadata.
fn version_of(bytes: &[u8]) -> io::Result<u64> {
    let parsed: serde_json::Value = serde_json::from_slice(bytes).map_err(io::Error::other)?;
    parsed["signed"]["version"].as_u64().ok_or_else(|| io::Error::other("the metadata has no version"))
}
