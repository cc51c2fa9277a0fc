//! The tests of `headwater-repo`: one binary, a module for each part.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod delegations;
mod deltas;
mod mutation;
mod names;
mod publishing;
#[expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "the crate is pure; its judge python-tuf is a process that speaks HTTP and keeps files"
)]
mod python;
mod releases;
mod root;
mod rotation;
#[expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "the crate is pure; OpenSSL, which reads the same key files, is a process"
)]
mod sealed;
mod theft;
mod verify;
mod world;
