//! From a blob in the store to the file that a manifest describes.

use std::io::Write;

use headwater_delta::{Body, DecodeError, Decoded};
use headwater_repo::{BodyFormat, FileEntry};

use crate::store::{Store, StoreError};

/// A file could not be made from what is stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnpackError {
    /// The blob is not there, or was not what its name says and has been removed: fetch it (again).
    #[error("the body of {path} is not in the store; fetch it again")]
    Absent {
        /// The file's path in the release.
        path: String,
    },
    /// The body is as signed and does not give the file, or needs more than is allowed: the publisher's fault.
    #[error("{path} cannot be unpacked")]
    Body {
        /// The file's path in the release.
        path: String,
        /// Why.
        #[source]
        source: DecodeError,
    },
    /// Our own disk.
    #[error("{path} cannot be unpacked here")]
    Disk {
        /// The file's path in the release.
        path: String,
        /// Why.
        #[source]
        source: StoreError,
    },
}

/// Writes the file that `entry` describes to `out`, from its blob in `store`, in at most `memory_max` bytes of memory.
///
/// The blob is verified before a byte of it is decoded, and the file while it is written: on an error, what was written
/// is worthless. Making it durable is the caller's. Blocks; not for an async task.
pub fn unpack(store: &Store, entry: &FileEntry, memory_max: u64, out: impl Write) -> Result<(), UnpackError> {
    let path = || entry.path.to_string();
    let absent = || UnpackError::Absent { path: path() };
    let on_disk = |source| UnpackError::Disk { path: path(), source };
    let mut reader = store.read(&entry.body.sha256).map_err(on_disk)?.ok_or_else(absent)?;
    let body =
        Body { sha256: *entry.body.sha256.as_bytes(), size: entry.body.size, memory: entry.body.memory };
    let file = Decoded { sha256: *entry.sha256.as_bytes(), size: entry.size };
    let outcome = match entry.body.format {
        BodyFormat::Zstd => headwater_delta::decode(&mut reader, &body, &file, memory_max, out),
        _ => Err(DecodeError::WrongFile("its format is not known to this program; update the program first")),
    };
    match outcome {
        Ok(()) => Ok(()),
        Err(DecodeError::WrongBody) => {
            // Removes it if it is the disk's fault; if the manifest states a wrong size, it stays and this repeats.
            store.verify(&entry.body.sha256).map_err(on_disk)?;
            Err(absent())
        }
        Err(DecodeError::Read(source)) => {
            let blob = store.path(&entry.body.sha256);
            Err(on_disk(StoreError::Disk { action: "read", path: blob, source }))
        }
        Err(DecodeError::Write(source)) => {
            Err(on_disk(StoreError::Disk { action: "write", path: entry.path.to_string().into(), source }))
        }
        Err(source) => Err(UnpackError::Body { path: path(), source }),
    }
}
