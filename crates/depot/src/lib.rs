//! Bytes at rest and in motion: what is kept, fetched along a plan, and served.
//!
//! * [`store`]: blobs by the digest of their stored bytes, and what was fetched of those not whole yet;
//! * [`objects`]: a repository's files by path, the seam for storage that is no folder;
//! * [`metadata`]: a repository's signed metadata as received, replaced all at once;
//! * [`files`]: files that are replaced whole; [`http`]: what every HTTP client of the product shares;
//! * [`fetch`]: the only outgoing connections of the product for content;
//! * [`serve`]: the static layout over HTTP, the same for server and update agent.
//!
//! Nothing here decides what is wanted or from which source (`policy`), nor what is trusted (`repo`); every byte that
//! is kept or handed on was verified by `repo` against signed metadata.

mod at_once;
pub mod fetch;
pub mod files;
pub mod http;
pub mod limits;
pub mod metadata;
pub mod objects;
pub mod serve;
mod source;
pub mod store;
mod store_error;

pub use fetch::{
    Blob, Expected, FetchError, FetchProgress, FetchSettings, Fetcher, Refreshed, RootLook, SourceMemory,
    Unable, Walk,
};
pub use metadata::MetadataStore;
pub use source::Source;
pub use store::{Store, StoreError};
