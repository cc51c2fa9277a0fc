//! Makes a release whole beside the current one (P11). Nothing here touches `current`.
//!
//! 1. Files that an installed release has, under any name and path, are copied from it. They are verified while they are
//!    copied, and not linked, so that a program that changes its own files cannot change another release's.
//! 2. Other files are made from local files by deltas ([`deltas`]).
//! 3. The bodies of what is still missing are fetched and unpacked.
//! 4. Everything is synced and gets its name.

mod assembly;
mod deltas;
pub(crate) mod disk_space;
mod local_files;
mod release;

pub(crate) use assembly::Assembly;
pub(crate) use local_files::{copy_hashed, copy_local, copy_verified, has_digest, installed_files};
pub(crate) use release::{AssembledRelease, assemble, make_and_fetch, record_of};
