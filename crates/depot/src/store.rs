//! The content-addressed store: blobs by the digest of their stored bytes, and what was fetched of those that
//! are not whole yet.
//!
//! ```text
//! {dir}/blobs/<aa>/<sha256>   whole, verified, never changed
//! {dir}/partial/<sha256>      what a fetch left behind; goes on at its end
//! {dir}/new/…                 being written; worthless after a crash, cleared at open
//! ```
//!
//! A blob appears in `blobs/` in one step (written elsewhere → fsync → rename → fsync of the folder), so that
//! after any crash it is there whole or not at all. `blobs/` is a class's `blobs/` as it is served.
//! One process opens a store at a time; the caller holds the lock that makes sure of it.
//!
//! Deciding what to keep is the caller's, and so is verifying who signed a digest.

mod disk;
mod error;
mod pack;
mod partial;
mod scrub;
mod unpack;
mod writer;

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use headwater_repo::{Digest, TargetDescription, layout};

use crate::limits::COPY_CHUNK;
use disk::remove_if_present;
pub(crate) use disk::sync_folder;
pub use error::StoreError;
pub(crate) use error::disk;
pub use partial::Partial;
pub use scrub::{Scrubbed, next_in_round};
pub use unpack::{ApplyError, UnpackError};
pub use writer::{BlobWriter, Staged};

/// A store; clones share it.
#[derive(Debug, Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    dir: PathBuf,
    /// Holds `partial/` and `new/`.
    scratch: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    quota: Option<u64>,
    /// How many readers and writers each digest has: none of these is collected.
    held: HashMap<Digest, usize>,
    /// Bytes promised to fetches and writers, not yet on the disk.
    reserved: u64,
    /// Bytes of blobs and partial files on the disk.
    stored: u64,
    /// Blobs being fetched, one fetch at a time each.
    fetching: HashMap<Digest, Arc<tokio::sync::Mutex<()>>>,
    /// Numbers the files in `new/`.
    writers: u64,
}

/// What a store holds, in bytes and blobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Bytes of whole blobs and partial files.
    pub stored: u64,
    /// Bytes promised to running fetches.
    pub reserved: u64,
    /// Bytes allowed in all; `None` means what the disk holds.
    pub quota: Option<u64>,
}

/// What a garbage collection removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Collected {
    /// Blobs and partial files removed.
    pub removed: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Store {
    /// Opens the store in `dir`, making it if it is not there, and clears what a crash left half-written.
    /// `quota`: bytes that it may hold; `None` means what the disk holds.
    pub fn open(dir: impl Into<PathBuf>, quota: Option<u64>) -> Result<Self, StoreError> {
        let dir = dir.into();
        Self::open_with_scratch(dir.clone(), quota, dir)
    }

    /// As [`Store::open`], with `partial/` and `new/` in a folder of their own on the same file system: where `dir` is
    /// given out as it is.
    pub fn open_with_scratch(
        dir: impl Into<PathBuf>,
        quota: Option<u64>,
        scratch: impl Into<PathBuf>,
    ) -> Result<Self, StoreError> {
        let (dir, scratch) = (dir.into(), scratch.into());
        let new = scratch.join("new");
        if new.exists() {
            fs::remove_dir_all(&new).map_err(disk("clear", &new))?;
        }
        for folder in [&dir.join(layout::BLOBS_FOLDER), &scratch.join("partial"), &new] {
            fs::create_dir_all(folder).map_err(disk("make folder", folder))?;
        }
        sync_folder(&dir)?;
        let state = Mutex::new(State { quota, ..State::default() });
        let store = Self { inner: Arc::new(Inner { dir, scratch, state }) };
        let stored = store.files()?.iter().map(|file| file.size).sum();
        store.state().stored = stored;
        Ok(store)
    }

    /// The folder that holds the store.
    pub fn folder(&self) -> &Path {
        &self.inner.dir
    }

    /// Where the blob is or would be.
    pub fn path(&self, digest: &Digest) -> PathBuf {
        self.inner.dir.join(layout::blob(digest))
    }

    /// Is the blob there, whole?
    pub fn has(&self, digest: &Digest) -> bool {
        self.path(digest).is_file()
    }

    /// Opens a blob for reading; `None` if it is not there. It is not collected while it is open.
    pub fn read(&self, digest: &Digest) -> Result<Option<BlobReader>, StoreError> {
        let held = self.hold(*digest);
        let path = self.path(digest);
        match File::open(&path) {
            Ok(file) => Ok(Some(BlobReader { file, _held: held })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(disk("open", &path)(error)),
        }
    }

    /// A target that was put here, if it is the one described; `None` if it is not there.
    pub fn target(&self, description: &TargetDescription) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(digest) = &description.sha256 else { return Ok(None) };
        let Some(kept) = self.read(digest)? else { return Ok(None) };
        let mut bytes = Vec::new();
        kept.take(description.length + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| disk("read", &self.path(digest))(error))?;
        if description.check(&bytes).is_ok() {
            return Ok(Some(bytes));
        }
        // Goes if the disk spoiled it, so that the one that is fetched takes its place.
        self.verify(digest)?;
        Ok(None)
    }

    /// Reads the blob and removes it if its digest is not its name (the disk changed it) or it cannot be read: `true` if it
    /// is whole. Not there counts as not whole.
    pub fn verify(&self, digest: &Digest) -> Result<bool, StoreError> {
        let Some(mut reader) = self.read(digest)? else { return Ok(false) };
        let path = self.path(digest);
        if digest_of(&mut reader).is_ok_and(|(got, _)| got == *digest) {
            return Ok(true);
        }
        let size = fs::metadata(&path).map_or(0, |found| found.len());
        remove_if_present(&path)?;
        self.forget(size);
        Ok(false)
    }

    /// Would all of these blobs (digest and size) fit, less what is there of them?
    pub fn room_for(&self, blobs: impl IntoIterator<Item = (Digest, u64)>) -> Result<(), StoreError> {
        let missing = blobs.into_iter().filter(|(digest, size)| !self.has_whole(digest, *size)).map(
            |(digest, size)| {
                let there = fs::metadata(self.partial_path(&digest)).map_or(0, |metadata| metadata.len());
                size.saturating_sub(there)
            },
        );
        self.reserve(missing.fold(0, u64::saturating_add)).map(drop)
    }

    /// Waits until nobody else in this process fetches the blob; they are kept waiting until the guard is dropped.
    pub(crate) async fn alone_with(&self, digest: Digest) -> tokio::sync::OwnedMutexGuard<()> {
        let lock = {
            let mut state = self.state();
            state.fetching.retain(|_, lock| Arc::strong_count(lock) > 1);
            Arc::clone(state.fetching.entry(digest).or_default())
        };
        lock.lock_owned().await
    }

    /// Keeps the digest from being collected until the guard is dropped.
    pub fn hold(&self, digest: Digest) -> Held {
        *self.state().held.entry(digest).or_default() += 1;
        Held { store: self.clone(), digest }
    }

    /// Removes every blob and partial file that is neither in `keep` nor held.
    pub fn collect(&self, keep: &HashSet<Digest>) -> Result<Collected, StoreError> {
        let mut collected = Collected::default();
        for file in self.files()? {
            // Looked up for each file, and held until it is gone: a reader that comes later finds no file.
            let mut state = self.state();
            if keep.contains(&file.digest) || state.held.contains_key(&file.digest) {
                continue;
            }
            remove_if_present(&file.path)?;
            state.stored = state.stored.saturating_sub(file.size);
            collected.removed += 1;
            collected.bytes += file.size;
        }
        Ok(collected)
    }

    /// What the store holds.
    pub fn usage(&self) -> Usage {
        let state = self.state();
        Usage { stored: state.stored, reserved: state.reserved, quota: state.quota }
    }

    /// The digests of all whole blobs.
    pub fn blobs(&self) -> Result<Vec<Digest>, StoreError> {
        Ok(self.files()?.into_iter().filter(|file| !file.partial).map(|file| file.digest).collect())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Promises `bytes`, if they fit.
    fn reserve(&self, bytes: u64) -> Result<Reservation, StoreError> {
        let mut state = self.state();
        let used = state.stored.saturating_add(state.reserved);
        if let Some(quota) = state.quota
            && used.saturating_add(bytes) > quota
        {
            return Err(StoreError::Quota { wanted: bytes, used, quota });
        }
        state.reserved += bytes;
        Ok(Reservation { store: self.clone(), left: bytes })
    }

    fn forget(&self, bytes: u64) {
        let mut state = self.state();
        state.stored = state.stored.saturating_sub(bytes);
    }

    fn partial_path(&self, digest: &Digest) -> PathBuf {
        self.inner.scratch.join("partial").join(digest.to_string())
    }

    /// Moves a finished file, already on the disk, to its place as a blob; returns the folder, which the caller must sync.
    fn adopt(&self, from: &Path, digest: &Digest) -> Result<PathBuf, StoreError> {
        let path = self.path(digest);
        let folder = path.parent().expect("a blob lies in a folder of its first two digits");
        if !folder.is_dir() {
            fs::create_dir_all(folder).map_err(disk("make folder", folder))?;
            sync_folder(&self.inner.dir.join(layout::BLOBS_FOLDER))?;
        }
        // One that is damaged is replaced.
        let replaced = fs::metadata(&path).map_or(0, |found| found.len());
        fs::rename(from, &path).map_err(disk("name", &path))?;
        self.forget(replaced);
        Ok(folder.to_owned())
    }

    /// Every blob and partial file. What is not named by a digest is not ours and is left alone.
    fn files(&self) -> Result<Vec<Found>, StoreError> {
        let mut found = Vec::new();
        let blobs = self.inner.dir.join(layout::BLOBS_FOLDER);
        for folder in fs::read_dir(&blobs).map_err(disk("list", &blobs))? {
            let folder = folder.map_err(disk("list", &blobs))?.path();
            if folder.is_dir() {
                list(&folder, false, &mut found)?;
            }
        }
        list(&self.inner.scratch.join("partial"), true, &mut found)?;
        Ok(found)
    }
}

/// An open blob; it is not collected while this lives.
#[derive(Debug)]
pub struct BlobReader {
    file: File,
    _held: Held,
}

impl Read for BlobReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read(buffer)
    }
}

impl io::Seek for BlobReader {
    fn seek(&mut self, to: io::SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

/// Keeps one digest from being collected.
#[derive(Debug)]
pub struct Held {
    store: Store,
    digest: Digest,
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut state = self.store.state();
        if let Some(count) = state.held.get_mut(&self.digest) {
            *count -= 1;
            if *count == 0 {
                state.held.remove(&self.digest);
            }
        }
    }
}

/// Bytes promised and not yet written.
#[derive(Debug)]
struct Reservation {
    store: Store,
    left: u64,
}

impl Reservation {
    /// `bytes` of the promise are now on the disk.
    fn spend(&mut self, bytes: u64) {
        let mut state = self.store.state();
        let promised = bytes.min(self.left);
        self.left -= promised;
        state.reserved -= promised;
        state.stored += bytes;
    }

    /// `bytes` on the disk were removed, and are wanted again.
    fn unspend(&mut self, bytes: u64) {
        let mut state = self.store.state();
        self.left += bytes;
        state.reserved += bytes;
        state.stored = state.stored.saturating_sub(bytes);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.store.state().reserved -= self.left;
    }
}

struct Found {
    digest: Digest,
    path: PathBuf,
    size: u64,
    partial: bool,
}

fn list(folder: &Path, partial: bool, found: &mut Vec<Found>) -> Result<(), StoreError> {
    for entry in fs::read_dir(folder).map_err(disk("list", folder))? {
        let entry = entry.map_err(disk("list", folder))?;
        let path = entry.path();
        let Some(digest) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        match entry.metadata() {
            Ok(metadata) if metadata.is_file() => {
                found.push(Found { digest, path, size: metadata.len(), partial })
            }
            Ok(_) => {}
            // Removed while we looked.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(disk("look at", &path)(error)),
        }
    }
    Ok(())
}

/// Digest and length of all that `reader` gives.
///
/// # Errors
///
/// The reader's own.
pub fn digest_of(reader: &mut impl Read) -> io::Result<(Digest, u64)> {
    let mut hasher = headwater_repo::Hasher::new();
    let mut size = 0;
    let mut chunk = vec![0; COPY_CHUNK];
    loop {
        match reader.read(&mut chunk) {
            Ok(0) => return Ok((hasher.finish(), size)),
            Ok(n) => {
                hasher.update(&chunk[..n]);
                size += n as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
