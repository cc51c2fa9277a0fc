//! One file of a release that is about to be packed.

use std::fs;
use std::path::{Path, PathBuf};

/// One file of a release.
#[derive(Debug, Clone)]
pub struct PackedFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its path in the release, with `/`.
    pub name: String,
    /// Its size in bytes, when it was scanned.
    pub size: u64,
    /// Whether it is executable.
    pub executable: bool,
}

impl PackedFile {
    /// The file at `path`, with `name` as its path in the release.
    pub fn new(path: &Path, name: String, metadata: &fs::Metadata) -> Self {
        Self { path: path.to_owned(), name, size: metadata.len(), executable: is_executable(metadata) }
    }
}

#[cfg(unix)]
fn is_executable(metadata: &fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    metadata.permissions().mode() & 0o111 != 0
}

#[cfg(not(unix))]
fn is_executable(_metadata: &fs::Metadata) -> bool {
    false
}
