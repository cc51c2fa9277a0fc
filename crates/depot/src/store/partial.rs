//! A blob whose digest is known and whose bytes come in pieces, from several sources, over several runs.

use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::PathBuf;

use headwater_repo::{Digest, Hasher};

use super::disk::remove_if_present;
use super::{Held, Reservation, Store};
use crate::store_error::{StoreError, disk};

/// What was fetched of a blob. Dropped, it stays on the disk to be gone on with.
#[derive(Debug)]
pub struct Partial {
    store: Store,
    digest: Digest,
    size: u64,
    path: PathBuf,
    file: File,
    hasher: Hasher,
    length: u64,
    reservation: Reservation,
    _held: Held,
}

impl Store {
    /// Opens what was fetched of a blob of `size` bytes, to go on at its end. Fails with
    /// [`StoreError::Quota`] before a byte is fetched if the rest does not fit.
    pub fn partial(&self, digest: Digest, size: u64) -> Result<Partial, StoreError> {
        Partial::open(self.clone(), digest, size)
    }
}

impl Partial {
    fn open(store: Store, digest: Digest, size: u64) -> Result<Self, StoreError> {
        let held = store.hold(digest);
        let path = store.partial_path(&digest);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(disk("open", &path))?;
        let found = file.metadata().map_err(disk("look at", &path))?.len();
        if found > size {
            // Longer than the blob: not ours, or a disk's invention.
            file.set_len(0).map_err(disk("empty", &path))?;
            store.forget(found);
        }
        let length = if found > size { 0 } else { found };
        let reservation = store.reserve(size - length)?;
        let mut hasher = Hasher::new();
        if length > 0 {
            hasher = hash_again(&mut file, length).map_err(disk("read", &path))?;
        }
        Ok(Self { store, digest, size, path, file, hasher, length, reservation, _held: held })
    }

    /// Bytes that are there: where to go on.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The blob's digest.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// Bytes that the whole blob has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends the next bytes; the caller never brings more than [`Partial::size`] in all.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        debug_assert!(self.length + bytes.len() as u64 <= self.size, "more bytes than the blob has");
        if let Err(error) = self.file.write_all(bytes) {
            // A full disk may have taken a part: go back to what is counted and hashed.
            let _ = self.file.set_len(self.length);
            let _ = self.file.seek(SeekFrom::Start(self.length));
            return Err(disk("write", &self.path)(error));
        }
        self.hasher.update(bytes);
        self.length += bytes.len() as u64;
        self.reservation.spend(bytes.len() as u64);
        Ok(())
    }

    /// Forgets what is there: it was wrong.
    pub fn restart(&mut self) -> Result<(), StoreError> {
        self.file.set_len(0).map_err(disk("empty", &self.path))?;
        self.file.seek(SeekFrom::Start(0)).map_err(disk("empty", &self.path))?;
        self.reservation.unspend(self.length);
        self.length = 0;
        self.hasher = Hasher::new();
        Ok(())
    }

    /// Are all bytes there, and are they the right ones?
    pub fn is_right(&self) -> bool {
        self.length == self.size && self.hasher.clone().finish() == self.digest
    }

    /// Makes the blob of it, durably.
    ///
    /// # Errors
    /// [`StoreError::WrongDigest`] where the bytes are not right; [`Partial::restart`] was not called then.
    pub fn finish(self) -> Result<(), StoreError> {
        let got = self.hasher.clone().finish();
        if self.length != self.size || got != self.digest {
            return Err(StoreError::WrongDigest { wanted: self.digest, got });
        }
        self.file.sync_all().map_err(disk("sync", &self.path))?;
        if self.store.has_whole(&self.digest, self.size) {
            // Another way brought it meanwhile.
            remove_if_present(&self.path)?;
            self.store.forget(self.length);
            return Ok(());
        }
        self.store.adopt(vec![(self.digest, self.path)])
    }
}

/// Takes the digest of what an earlier run left; the file is then at its end.
fn hash_again(file: &mut File, length: u64) -> std::io::Result<Hasher> {
    use std::io::Read;
    let mut hasher = Hasher::new();
    let mut chunk = vec![0; crate::limits::COPY_CHUNK];
    let mut left = length;
    while left > 0 {
        let want = chunk.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        file.read_exact(&mut chunk[..want])?;
        hasher.update(&chunk[..want]);
        left -= want as u64;
    }
    Ok(hasher)
}
