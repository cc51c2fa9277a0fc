//! Objects of a repository at rest: bodies, targets and metadata by their path, wherever the bytes lie.
//!
//! [`ObjectStore`] is the seam: publishing, serving, garbage collection and scrubbing use these calls only, so that a
//! repository can lie elsewhere than in a folder. [`FolderStore`] is the folder. A path is relative, with `/`, as
//! [`layout`](headwater_repo::layout) gives it. Calls block.
//!
//! What it leaves to others: keeping two writers of one repository apart, and verifying what is read. A
//! [`Store`](crate::Store) keeps its whole blobs here.

mod folder;

use std::fmt::Debug;
use std::io::{Read, Seek};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

pub use folder::FolderStore;

use crate::store_error::StoreError;

/// Objects by path.
pub trait ObjectStore: Debug + Send + Sync {
    /// Stores an object under a path that is new, durably. `false` if there is an object: that one stays, and so does a file
    /// that was to become it.
    ///
    /// # Errors
    /// The storage refuses; nothing is stored then.
    fn put_new(&self, path: &str, content: ObjectContent<'_>) -> Result<bool, StoreError>;

    /// Stores files under paths that are new, durably; each as with [`Self::put_new`]. Many together take hardly longer
    /// than one.
    ///
    /// # Errors
    /// The storage refuses; some of them may be stored then.
    fn put_new_files(&self, files: &[(String, PathBuf)]) -> Result<(), StoreError> {
        files.iter().try_for_each(|(path, file)| self.put_new(path, ObjectContent::File(file)).map(drop))
    }

    /// Stores an object in place of any other, durably. Readers see the old one or the new one, whole.
    ///
    /// # Errors
    /// The storage refuses; the old object stays.
    fn replace(&self, path: &str, bytes: &[u8]) -> Result<(), StoreError>;

    /// Reads an object, or as much of `range` as it has. `None` if there is no such object.
    ///
    /// # Errors
    /// The storage refuses.
    fn get(&self, path: &str, range: Option<Range<u64>>) -> Result<Option<Vec<u8>>, StoreError>;

    /// Opens an object to be read in pieces. `None` if there is no such object. One that is deleted or replaced meanwhile is
    /// read as it was, or reading fails.
    ///
    /// # Errors
    /// The storage refuses.
    fn open(&self, path: &str) -> Result<Option<OpenObject>, StoreError>;

    /// What is different once an object was replaced. `None` if there is no such object.
    ///
    /// # Errors
    /// The storage refuses.
    fn stamp(&self, path: &str) -> Result<Option<Stamp>, StoreError>;

    /// The bytes that an object has. `None` if there is no such object.
    ///
    /// # Errors
    /// The storage refuses.
    fn size(&self, path: &str) -> Result<Option<u64>, StoreError>;

    /// All objects whose path begins with `prefix`, which ends in `/` or is empty; by path.
    ///
    /// # Errors
    /// The storage refuses.
    fn list(&self, prefix: &str) -> Result<Vec<ObjectInfo>, StoreError>;

    /// Removes an object. `false` if there is no such object.
    ///
    /// # Errors
    /// The storage refuses.
    fn delete(&self, path: &str) -> Result<bool, StoreError>;

    /// Where an object is or would be, in messages for people.
    fn location(&self, path: &str) -> String;

    /// The file that an object is or would be; `None` if objects are no files here.
    fn file(&self, path: &str) -> Option<PathBuf> {
        let _ = path;
        None
    }
}

/// An object that is being read.
#[derive(Debug)]
pub struct OpenObject {
    /// Its bytes.
    pub size: u64,
    /// Reads them, from any place on.
    pub reader: Box<dyn ObjectReader>,
}

/// Reads an object.
pub trait ObjectReader: Read + Seek + Debug + Send {}

impl<R: Read + Seek + Debug + Send> ObjectReader for R {}

/// What is different once an object was replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// The bytes of the object.
    pub size: u64,
    /// Another one with each replacement, such as the entity tag of an object store.
    pub tag: String,
}

/// What becomes an object.
#[derive(Debug, Clone, Copy)]
pub enum ObjectContent<'a> {
    /// These bytes.
    Bytes(&'a [u8]),
    /// A file, complete and synced to the disk, which is used up if it becomes the object.
    File(&'a Path),
}

/// An object that there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectInfo {
    /// Its path.
    pub path: String,
    /// Its bytes.
    pub size: u64,
    /// When it was stored.
    pub modified: SystemTime,
}
