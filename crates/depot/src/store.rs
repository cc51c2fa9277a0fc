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
//! after any crash it is there whole or not at all. `blobs/` is a class's `blobs/` as it is served, and is reached as
//! [`objects`](crate::objects) alone: it need not be a folder. The rest is always a folder of this computer.
//! One process opens a store at a time; the caller holds the lock that makes sure of it.
//!
//! Deciding what to keep is the caller's, and so is verifying who signed a digest.

mod disk;
mod pack;
mod partial;
mod scrub;
mod unpack;
mod writer;

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use headwater_repo::{Digest, TargetDescription, layout};

use crate::files::{self, FileAccess};
use crate::limits::COPY_CHUNK;
use crate::objects::{FolderStore, ObjectReader, ObjectStore};
pub use crate::store_error::StoreError;
use crate::store_error::disk;
use disk::remove_if_present;
pub(crate) use disk::sync_folder;
pub use partial::Partial;
pub use scrub::{Scrubbed, next_in_round};
pub use unpack::{ApplyError, UnpackError};
pub use writer::{BlobWriter, StagedBlob};

/// A store; clones share it.
#[derive(Debug, Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// Has the whole blobs.
    objects: Arc<dyn ObjectStore>,
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
    /// served as it is.
    pub fn open_with_scratch(
        dir: impl Into<PathBuf>,
        quota: Option<u64>,
        scratch: impl Into<PathBuf>,
    ) -> Result<Self, StoreError> {
        let dir = dir.into();
        let blobs = dir.join(layout::BLOBS_FOLDER);
        fs::create_dir_all(&blobs).map_err(disk("make folder", &blobs))?;
        sync_folder(&dir)?;
        Self::open_over(Arc::new(FolderStore::new(dir, FileAccess::Umask)), quota, scratch)
    }

    /// As [`Store::open`], with the whole blobs below `blobs/` of `objects`, and `partial/` and `new/` in a folder of this
    /// computer. If the objects are files, that is on the same file system.
    pub fn open_over(
        objects: Arc<dyn ObjectStore>,
        quota: Option<u64>,
        scratch: impl Into<PathBuf>,
    ) -> Result<Self, StoreError> {
        let scratch = scratch.into();
        let new = scratch.join("new");
        files::remove_tree(&new).map_err(disk("clear", &new))?;
        for folder in [&scratch.join("partial"), &new] {
            fs::create_dir_all(folder).map_err(disk("make folder", folder))?;
        }
        sync_folder(&scratch)?;
        let state = Mutex::new(State { quota, ..State::default() });
        let store = Self { inner: Arc::new(Inner { objects, scratch, state }) };
        let stored = store.files()?.iter().map(|file| file.size).sum();
        store.state().stored = stored;
        Ok(store)
    }

    /// The folder of this computer for files that are being made.
    pub fn scratch_folder(&self) -> PathBuf {
        self.inner.scratch.join("new")
    }

    /// Where the blob is or would be, in messages for people.
    pub fn location(&self, digest: &Digest) -> String {
        self.inner.objects.location(&layout::blob(digest))
    }

    /// The file that the blob is or would be; `None` if blobs are no files in this store.
    pub fn file(&self, digest: &Digest) -> Option<PathBuf> {
        self.inner.objects.file(&layout::blob(digest))
    }

    /// Is the blob there, whole?
    pub fn has(&self, digest: &Digest) -> bool {
        self.size(digest).is_some()
    }

    /// Opens a blob for reading; `None` if it is not there. It is not collected while it is open.
    pub fn read(&self, digest: &Digest) -> Result<Option<BlobReader>, StoreError> {
        let held = self.hold(*digest);
        let opened = self.inner.objects.open(&layout::blob(digest))?;
        Ok(opened.map(|object| BlobReader { reader: object.reader, _held: held }))
    }

    /// The bytes of the blob as it lies there; `None` if it is not there or the storage does not tell.
    fn size(&self, digest: &Digest) -> Option<u64> {
        self.inner.objects.size(&layout::blob(digest)).ok().flatten()
    }

    /// A read that failed.
    fn unreadable(&self, digest: &Digest) -> impl FnOnce(io::Error) -> StoreError + use<> {
        disk("read", Path::new(&self.location(digest)))
    }

    /// A target that was put here, if it is the one described; `None` if it is not there.
    pub fn target(&self, description: &TargetDescription) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(digest) = &description.sha256 else { return Ok(None) };
        let Some(kept) = self.read(digest)? else { return Ok(None) };
        let mut bytes = Vec::new();
        kept.take(description.length + 1).read_to_end(&mut bytes).map_err(self.unreadable(digest))?;
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
        if digest_of(&mut reader).is_ok_and(|(got, _)| got == *digest) {
            return Ok(true);
        }
        self.remove(digest)?;
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
        self.remove_unless_held(|digest| !keep.contains(digest))
    }

    /// Removes those of `unwanted`, whole or partial, that are not held.
    pub fn discard(&self, unwanted: &HashSet<Digest>) -> Result<Collected, StoreError> {
        self.remove_unless_held(|digest| unwanted.contains(digest))
    }

    fn remove_unless_held(&self, unwanted: impl Fn(&Digest) -> bool) -> Result<Collected, StoreError> {
        let mut collected = Collected::default();
        for file in self.files()? {
            // Looked up for each file, and held until it is gone: a reader that comes later finds no file.
            let mut state = self.state();
            if !unwanted(&file.digest) || state.held.contains_key(&file.digest) {
                continue;
            }
            match &file.kept {
                Kept::Whole(path) => drop(self.inner.objects.delete(path)?),
                Kept::Partial(path) => remove_if_present(path)?,
            }
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
        Ok(self.files()?.into_iter().filter(Found::is_whole).map(|file| file.digest).collect())
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

    /// Removes a whole blob, if it is there.
    fn remove(&self, digest: &Digest) -> Result<(), StoreError> {
        let size = self.size(digest).unwrap_or(0);
        if self.inner.objects.delete(&layout::blob(digest))? {
            self.forget(size);
        }
        Ok(())
    }

    /// Makes blobs of finished files that are already on the disk, durably. One that is there and damaged is replaced.
    fn adopt(&self, files: Vec<(Digest, PathBuf)>) -> Result<(), StoreError> {
        files.iter().try_for_each(|(digest, _)| self.remove(digest))?;
        let files: Vec<_> = files.into_iter().map(|(digest, path)| (layout::blob(&digest), path)).collect();
        self.inner.objects.put_new_files(&files)
    }

    /// Every blob and partial file. What is not named by a digest is not ours and is left alone.
    fn files(&self) -> Result<Vec<Found>, StoreError> {
        let mut found = partial_files(&self.inner.scratch.join("partial"))?;
        for object in self.inner.objects.list(&format!("{}/", layout::BLOBS_FOLDER))? {
            let name = object.path.rsplit('/').next().and_then(|name| name.parse().ok());
            if let Some(digest) = name {
                found.push(Found { digest, kept: Kept::Whole(object.path), size: object.size });
            }
        }
        Ok(found)
    }
}

/// An open blob; it is not collected while this lives.
#[derive(Debug)]
pub struct BlobReader {
    reader: Box<dyn ObjectReader>,
    _held: Held,
}

impl Read for BlobReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reader.read(buffer)
    }
}

impl io::Seek for BlobReader {
    fn seek(&mut self, to: io::SeekFrom) -> io::Result<u64> {
        self.reader.seek(to)
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
    kept: Kept,
    size: u64,
}

/// Where something is kept.
enum Kept {
    /// An object, by its path.
    Whole(String),
    /// A file of this computer.
    Partial(PathBuf),
}

impl Found {
    fn is_whole(&self) -> bool {
        matches!(self.kept, Kept::Whole(_))
    }
}

fn partial_files(folder: &Path) -> Result<Vec<Found>, StoreError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(disk("list", folder))? {
        let entry = entry.map_err(disk("list", folder))?;
        let path = entry.path();
        let Some(digest) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        match entry.metadata() {
            Ok(metadata) if metadata.is_file() => {
                found.push(Found { digest, kept: Kept::Partial(path), size: metadata.len() });
            }
            Ok(_) => {}
            // Removed while we looked.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(disk("look at", &path)(error)),
        }
    }
    Ok(found)
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
