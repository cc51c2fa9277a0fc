//! From a stored body to the file it holds: the only way in which content becomes files (I1).

use std::io::{self, Write};

use headwater_delta::{DecodeError, Decoded, decode};
use headwater_repo::{FileEntry, limits::DECODER_MEMORY_MAX};

use super::{Store, StoreError, disk};

/// A body could not become its file.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// The body is not in the store, or was not what its name says and has been removed: fetch it (again).
    #[error("the body of {0} is not in the store; fetch it again")]
    NotThere(String),
    /// The disk refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file could not be written.
    #[error("the unpacked file could not be written")]
    Write(#[source] io::Error),
    /// The body is as signed and is not what was signed of it: the publisher's fault, wherever it came from.
    #[error("the body of {path} does not unpack to the signed file: {reason}")]
    Wrong {
        /// The file.
        path: String,
        /// What is wrong.
        reason: String,
    },
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
            Err(DecodeError::Read(error)) => Err(disk("read", &self.path(&body.sha256))(error).into()),
            Err(DecodeError::Write(error)) => Err(UnpackError::Write(error)),
            Err(other) => Err(UnpackError::Wrong { path: path(), reason: other.to_string() }),
        }
    }
}
