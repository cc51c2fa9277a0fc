//! From a stored body or delta to the file it makes: the only ways in which content becomes files (I1).

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufWriter, Read as _, Seek as _, Write};

use headwater_delta::{DecodeError, Decoded, ReadAt, decode, decode_delta};
use headwater_repo::{Digest, FileEntry, Hop, limits::DECODER_MEMORY_MAX};

use super::Store;
use crate::files::{FileAccess, NewFile};
use crate::store_error::StoreError;

/// A body could not become its file.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// The body is not in the store, or its digest was not its name and it has been removed: fetch it (again).
    #[error("the body of {0} is not in the store; fetch it again")]
    NotThere(String),
    /// The disk refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file that a delta is applied to cannot be read: the fault of this computer's disk, and not of the delta.
    #[error("the file that the delta is applied to could not be read")]
    Base(#[source] io::Error),
    /// The file could not be written.
    #[error("the unpacked file could not be written")]
    Write(#[source] io::Error),
    /// The blob is as signed and is not what was signed of it: the publisher's fault, wherever it came from.
    #[error("what was stored for {path} does not make the signed file: {reason}")]
    Wrong {
        /// The file, by its path or its digest.
        path: String,
        /// What is wrong.
        reason: String,
    },
}

/// A delta did not make its file.
#[derive(Debug, thiserror::Error)]
#[error("delta {delta} was not applied")]
pub struct ApplyError {
    /// The delta's digest.
    pub delta: Digest,
    /// Why.
    pub source: UnpackError,
}

impl Store {
    /// Writes the file that `entry` describes to `out`, verifying body and file. On an error what was written is
    /// worthless.
    pub fn unpack(&self, entry: &FileEntry, out: impl Write) -> Result<(), UnpackError> {
        let path = || entry.path.to_string();
        let body = &entry.body;
        let mut stored = self.read(&body.sha256)?.ok_or_else(|| UnpackError::NotThere(path()))?;
        let pinned =
            headwater_delta::Body { sha256: *body.sha256.as_bytes(), size: body.size, memory: body.memory };
        let file = Decoded { sha256: *entry.sha256.as_bytes(), size: entry.size };
        match decode(&mut stored, &pinned, &file, DECODER_MEMORY_MAX, out) {
            Ok(()) => Ok(()),
            Err(DecodeError::WrongBody) => {
                // Goes if the disk spoiled it. If the manifest lies of its size it stays, and this repeats.
                self.verify(&body.sha256)?;
                Err(UnpackError::NotThere(path()))
            }
            Err(DecodeError::Read(error)) => Err(self.unreadable(&body.sha256)(error).into()),
            Err(DecodeError::Write(error)) => Err(UnpackError::Write(error)),
            Err(other) => Err(UnpackError::Wrong { path: path(), reason: other.to_string() }),
        }
    }

    /// Follows the deltas `hops`, the first of which is for `base`, and writes the file at their end to `out`. Every file
    /// on the way is verified, and those between are temporary. On an error what was written is worthless, and a delta
    /// that the disk spoiled is removed, so that it is fetched again.
    ///
    /// # Errors
    /// The first delta that fails, and why.
    pub fn apply_path(
        &self,
        hops: &[Hop],
        base: &File,
        memory_max: u64,
        out: &mut impl Write,
    ) -> Result<(), ApplyError> {
        let mut from: Option<NewFile> = None;
        for (number, hop) in hops.iter().enumerate() {
            let base = from.as_ref().map_or(base, NewFile::file);
            let applied = if number + 1 == hops.len() {
                self.apply(hop, base, memory_max, &mut *out).map(|()| None)
            } else {
                self.apply_between(hop, base, memory_max).map(Some)
            };
            from = applied.map_err(|source| self.failed_delta(hop, source))?;
        }
        Ok(())
    }

    fn apply_between(&self, hop: &Hop, base: &File, memory_max: u64) -> Result<NewFile, UnpackError> {
        let path = self.inner.scratch.join("new").join("between");
        let mut made = NewFile::create(&path, FileAccess::Umask).map_err(UnpackError::Write)?;
        let mut buffered = BufWriter::new(&mut made);
        self.apply(hop, base, memory_max, &mut buffered)?;
        buffered.flush().map_err(UnpackError::Write)?;
        drop(buffered);
        Ok(made)
    }

    fn failed_delta(&self, hop: &Hop, source: UnpackError) -> ApplyError {
        let delta = hop.delta.sha256;
        if matches!(source, UnpackError::Wrong { .. } | UnpackError::NotThere(_)) {
            // The error that counts is the first; whether the blob is good is found again at the next use.
            let _ = self.verify(&delta);
        }
        ApplyError { delta, source }
    }

    /// Writes the file that `hop` makes of `base` to `out`, verifying delta and file. On an error what was written is
    /// worthless. A base that is not the one it was made for gives [`UnpackError::Wrong`].
    pub fn apply(&self, hop: &Hop, base: &File, memory_max: u64, out: impl Write) -> Result<(), UnpackError> {
        let name = || hop.sha256.to_string();
        let delta = &hop.delta;
        let mut stored = self.read(&delta.sha256)?.ok_or_else(|| UnpackError::NotThere(name()))?;
        let pinned = headwater_delta::Body {
            sha256: *delta.sha256.as_bytes(),
            size: delta.size,
            memory: delta.memory,
        };
        let file = Decoded { sha256: *hop.sha256.as_bytes(), size: hop.size };
        let base = OpenFile { file: base, failed: Cell::new(false) };
        match decode_delta(&mut stored, &pinned, &base, &file, memory_max, out) {
            Ok(()) => Ok(()),
            Err(DecodeError::WrongBody) => {
                self.verify(&delta.sha256)?;
                Err(UnpackError::NotThere(name()))
            }
            // The base is shorter than the delta assumes: it is another.
            Err(DecodeError::Read(error)) if base.failed.get() => Err(UnpackError::Base(error)),
            Err(DecodeError::Read(error)) if error.kind() != io::ErrorKind::UnexpectedEof => {
                Err(self.unreadable(&delta.sha256)(error).into())
            }
            Err(DecodeError::Write(error)) => Err(UnpackError::Write(error)),
            Err(other) => Err(UnpackError::Wrong { path: name(), reason: other.to_string() }),
        }
    }
}

/// A file as a delta's base. One decoder reads it at a time.
struct OpenFile<'a> {
    file: &'a File,
    /// Whether the system refused a read. A file that is shorter than the delta assumes is another one and no failure.
    failed: Cell<bool>,
}

impl OpenFile<'_> {
    fn noting_failure<T>(&self, read: io::Result<T>) -> io::Result<T> {
        read.inspect_err(|error| self.failed.set(error.kind() != io::ErrorKind::UnexpectedEof))
    }
}

impl ReadAt for OpenFile<'_> {
    fn size(&self) -> io::Result<u64> {
        self.noting_failure(self.file.metadata().map(|metadata| metadata.len()))
    }

    fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        let mut file = self.file;
        let read = file.seek(io::SeekFrom::Start(offset)).and_then(|_| file.read_exact(bytes));
        self.noting_failure(read)
    }
}
