//! From files to stored bodies: the slow part of publishing, which needs no lock.

use std::collections::HashMap;
use std::io::Read;

use headwater_delta::EncodeError;
use headwater_delta::limits::LEVEL_DEFAULT;
use headwater_depot::store::{Held, StagedBlob, Store, StoreError};
use headwater_repo::limits::FILES_MAX;
use headwater_repo::{Body, BodyFormat, Digest, FileEntry, FilePath};

use crate::{Error, Result};

/// What a release is made of.
pub trait ReleaseContent {
    /// Whether these are other files than its own, as far as that can be seen before anything is stored.
    ///
    /// # Errors
    /// A file cannot be read.
    fn differs_from(&self, files: &[FileEntry]) -> Result<bool> {
        let _ = files;
        Ok(false)
    }

    /// Stores the bodies, and replaces those that the disk changed.
    ///
    /// # Errors
    /// A file cannot be read, or a body not be stored.
    fn store(&self, store: &Store) -> Result<Vec<StoredFile>>;
}

/// One file of a release, its body stored.
#[derive(Debug)]
pub struct StoredFile {
    /// What the manifest is to say of it.
    pub entry: FileEntry,
    /// Keeps the body from being collected until the release is signed.
    pub held: Held,
    /// The body was not stored before.
    pub new: bool,
}

/// What one release may have.
#[derive(Debug, Clone, Copy)]
pub struct ContentLimits {
    /// Files.
    pub files: usize,
    /// Bytes of all files together.
    pub bytes: u64,
}

impl Default for ContentLimits {
    fn default() -> Self {
        Self { files: FILES_MAX, bytes: u64::MAX }
    }
}

/// Packs the files of one release, one after the other.
#[derive(Debug)]
pub struct Packer<'a> {
    store: &'a Store,
    limits: ContentLimits,
    files: Vec<StoredFile>,
    bytes: u64,
    /// Bodies that are not durable yet.
    staged: HashMap<Digest, StagedBlob>,
}

impl<'a> Packer<'a> {
    /// Begins a release.
    pub fn new(store: &'a Store, limits: ContentLimits) -> Self {
        Self { store, limits, files: Vec::new(), bytes: 0, staged: HashMap::new() }
    }

    /// Whether there is no file yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Adds a file of `size` bytes.
    ///
    /// # Errors
    /// Beyond the limits; the file cannot be read or is not as long; the store refuses.
    pub fn add(&mut self, path: FilePath, executable: bool, size: u64, content: impl Read) -> Result<()> {
        if self.files.len() >= self.limits.files {
            let limit = self.limits.files as u64;
            return Err(Error::TooLarge { what: "the number of files", limit, unit: "files" });
        }
        self.bytes = self.bytes.saturating_add(size);
        if self.bytes > self.limits.bytes {
            return Err(Error::TooLarge { what: "the release", limit: self.limits.bytes, unit: "bytes" });
        }
        let mut writer = self.store.write(0)?;
        let (body, decoded) = headwater_delta::encode(content, size, LEVEL_DEFAULT, &mut writer)
            .map_err(|error| pack_failed(&path, error))?;
        let digest = Digest::from(body.sha256);
        let held = self.store.hold(digest);
        // One that the disk changed is replaced by the new one.
        let there = self.store.verify(&digest)?;
        let new = !there && !self.staged.contains_key(&digest);
        let staged = writer.stage(Some(digest))?;
        if new {
            self.staged.insert(digest, staged);
        }
        let entry = FileEntry {
            path,
            mode: if executable { 0o755 } else { 0o644 },
            size,
            sha256: Digest::from(decoded.sha256),
            body: Body { sha256: digest, size: body.size, format: BodyFormat::Zstd, memory: body.memory },
            deltas: Vec::new(),
        };
        self.files.push(StoredFile { entry, held, new });
        Ok(())
    }

    /// Makes the bodies durable, many at a time, and gives the files in order of their paths.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn finish(mut self) -> Result<Vec<StoredFile>> {
        self.store.persist(self.staged.into_values().collect())?;
        self.files.sort_by(|one, other| one.entry.path.cmp(&other.entry.path));
        Ok(self.files)
    }
}

/// The store's failure as its own; else the file's.
fn pack_failed(path: &FilePath, error: EncodeError) -> Error {
    match error {
        EncodeError::Io(source) => match source.downcast::<StoreError>() {
            Ok(error) => error.into(),
            Err(source) => Error::Pack { path: path.clone(), source: EncodeError::Io(source) },
        },
        source => Error::Pack { path: path.clone(), source },
    }
}
