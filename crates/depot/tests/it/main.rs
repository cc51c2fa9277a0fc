//! Tests of the depot, over real sockets on loopback.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod bad_source;
mod bodies;
mod conformance;
#[cfg(unix)]
mod crashing;
mod files;
mod half_there;
mod listening;
mod metadata_kept;
mod metadata_walk;
mod objects;
mod serving;
mod source_memory;
mod storing;
mod tls;
mod world;
