//! What is fetched: a blob.

use headwater_repo::Digest;

/// A blob to fetch, as a manifest pins it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Blob {
    /// Digest of the stored bytes.
    pub digest: Digest,
    /// How many there are.
    pub size: u64,
}
