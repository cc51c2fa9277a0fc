//! A blob whose digest is known only at its end: what a publisher writes.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::PathBuf;

use headwater_repo::{Digest, Hasher};

use super::{Reservation, Store, StoreError, disk};

/// Takes bytes and makes a blob of them. Dropped before [`BlobWriter::finish`], it leaves nothing.
#[derive(Debug)]
pub struct BlobWriter {
    store: Store,
    path: PathBuf,
    file: File,
    hasher: Hasher,
    size: u64,
    reservation: Reservation,
    kept: bool,
}

impl BlobWriter {
    pub(super) fn start(store: Store, size_max: u64) -> Result<Self, StoreError> {
        let reservation = store.reserve(size_max)?;
        let number = {
            let mut state = store.state();
            state.writers += 1;
            state.writers
        };
        let path = store.inner.dir.join("new").join(number.to_string());
        let file = File::create_new(&path).map_err(disk("make", &path))?;
        Ok(Self { store, path, file, hasher: Hasher::new(), size: 0, reservation, kept: false })
    }

    /// Appends bytes. More than announced at the start are taken only as far as the quota has room.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let count = bytes.len() as u64;
        let beyond = count.saturating_sub(self.reservation.left);
        if beyond > 0 {
            let mut more = self.store.reserve(beyond)?;
            self.reservation.left += more.left;
            more.left = 0;
        }
        self.file.write_all(bytes).map_err(disk("write", &self.path))?;
        self.hasher.update(bytes);
        self.size += count;
        self.reservation.spend(count);
        Ok(())
    }

    /// Makes the blob durable and says its digest and size. With `wanted`, any other digest is refused.
    pub fn finish(mut self, wanted: Option<Digest>) -> Result<(Digest, u64), StoreError> {
        let got = std::mem::take(&mut self.hasher).finish();
        if let Some(wanted) = wanted
            && wanted != got
        {
            return Err(StoreError::WrongDigest { wanted, got });
        }
        let _held = self.store.hold(got);
        if self.store.has(&got) {
            return Ok((got, self.size));
        }
        self.file.sync_all().map_err(disk("sync", &self.path))?;
        self.store.adopt(&self.path, &got)?;
        self.kept = true;
        Ok((got, self.size))
    }
}

impl Drop for BlobWriter {
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
