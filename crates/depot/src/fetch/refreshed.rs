//! What a refresh of metadata comes to.

use headwater_repo::Trusted;

use super::fault::Fault;

/// A refresh that succeeded.
#[derive(Debug, Clone)]
pub struct Refreshed {
    /// What is trusted now; its received bytes are what [`crate::MetadataStore::save`] keeps.
    pub trusted: Trusted,
    /// The source taken, as an index into the walk's sources.
    pub source: usize,
    /// Version of the class's signed content there.
    pub version: u64,
    /// It is older than what was announced, and nobody had anything fresher (P9).
    pub stale: bool,
}

/// No source's metadata could be taken; the walk's attempts say why for each.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Unable {
    /// For people.
    pub message: String,
    /// The last source's fault; `None` if the plan has no source.
    pub last: Option<Fault>,
    /// What must be kept all the same: newer roots; from a plan's only source, also how far its metadata verified.
    /// `None` if nothing new was learnt.
    pub progress: Option<Box<Trusted>>,
}
