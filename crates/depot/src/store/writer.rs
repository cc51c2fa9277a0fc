//! A blob whose digest is known only at its end: what a publisher writes.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use headwater_repo::{Digest, Hasher};

use super::{Reservation, Store};
use crate::at_once::at_once;
use crate::store_error::{StoreError, disk};

/// Takes bytes and makes a blob of them. Dropped before [`BlobWriter::finish`], it leaves nothing.
#[derive(Debug)]
pub struct BlobWriter {
    written: Written,
    file: File,
    hasher: Hasher,
    reservation: Reservation,
}

/// A blob that is written and not yet durable; [`Store::persist`] makes it so. Dropped before, it leaves nothing.
#[derive(Debug)]
pub struct StagedBlob {
    written: Written,
    digest: Digest,
}

/// The file in `new/`; it goes unless it was kept.
#[derive(Debug)]
struct Written {
    store: Store,
    path: PathBuf,
    size: u64,
    kept: bool,
}

impl BlobWriter {
    fn start(store: Store, size_max: u64) -> Result<Self, StoreError> {
        let reservation = store.reserve(size_max)?;
        let number = {
            let mut state = store.state();
            state.writers += 1;
            state.writers
        };
        let path = store.inner.scratch.join("new").join(number.to_string());
        let file = File::create_new(&path).map_err(disk("make", &path))?;
        let written = Written { store, path, size: 0, kept: false };
        Ok(Self { written, file, hasher: Hasher::new(), reservation })
    }

    /// Appends bytes. More than announced at the start are taken only as far as the quota has room.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let count = bytes.len() as u64;
        let beyond = count.saturating_sub(self.reservation.left);
        if beyond > 0 {
            let mut more = self.written.store.reserve(beyond)?;
            self.reservation.left += more.left;
            more.left = 0;
        }
        self.file.write_all(bytes).map_err(disk("write", &self.written.path))?;
        self.hasher.update(bytes);
        self.written.size += count;
        self.reservation.spend(count);
        Ok(())
    }

    /// Makes the blob durable and returns its digest and size. With `wanted`, any other digest is refused.
    pub fn finish(self, wanted: Option<Digest>) -> Result<(Digest, u64), StoreError> {
        let staged = self.stage(wanted)?;
        let described = (staged.digest, staged.written.size);
        let store = staged.written.store.clone();
        store.persist(vec![staged])?;
        Ok(described)
    }

    /// Ends the writing of one of many blobs, which [`Store::persist`] then makes durable together. With `wanted`, any
    /// other digest is refused.
    pub fn stage(mut self, wanted: Option<Digest>) -> Result<StagedBlob, StoreError> {
        let got = std::mem::take(&mut self.hasher).finish();
        if let Some(wanted) = wanted
            && wanted != got
        {
            return Err(StoreError::WrongDigest { wanted, got });
        }
        Ok(StagedBlob { written: self.written, digest: got })
    }
}

impl Store {
    /// Starts a blob whose digest is not known yet, of at most `size_max` bytes, which must fit in the quota.
    pub fn write(&self, size_max: u64) -> Result<BlobWriter, StoreError> {
        BlobWriter::start(self.clone(), size_max)
    }

    /// Stores `bytes` as a blob and returns its digest.
    pub fn put(&self, bytes: &[u8]) -> Result<Digest, StoreError> {
        let mut writer = self.write(bytes.len() as u64)?;
        writer.append(bytes)?;
        writer.finish(None).map(|(digest, _)| digest)
    }

    /// Makes blobs durable and whole in their places. Many at a time: a disk takes one flush after the other slowly,
    /// and many together in hardly more time than one.
    pub fn persist(&self, staged: Vec<StagedBlob>) -> Result<(), StoreError> {
        let _held: Vec<_> = staged.iter().map(|blob| self.hold(blob.digest)).collect();
        let mut new: BTreeMap<Digest, Written> = BTreeMap::new();
        for blob in staged {
            if !self.has_whole(&blob.digest, blob.written.size) {
                new.entry(blob.digest).or_insert(blob.written);
            }
        }
        let paths: Vec<&Path> = new.values().map(|written| written.path.as_path()).collect();
        at_once(&paths, |path| {
            File::options()
                .write(true)
                .open(path)
                .and_then(|file| file.sync_all())
                .map_err(disk("sync", path))
        })?;
        let stored =
            self.adopt(new.iter().map(|(digest, written)| (*digest, written.path.clone())).collect());
        for written in new.values_mut() {
            // Also where some of them were stored before the storage refused.
            written.kept = !written.path.exists();
        }
        stored
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        if !self.kept {
            // Best effort: what is left is cleared at the next open.
            let _ = fs::remove_file(&self.path);
            self.store.forget(self.size);
        }
    }
}

impl Write for BlobWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.append(bytes).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
