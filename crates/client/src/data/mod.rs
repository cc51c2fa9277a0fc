//! What lies in a client's data folder: where each thing is, what a release slot is, and what is remembered between
//! runs. This folder decides nothing.

pub mod client_id;
mod daemon_file;
mod folder;
pub mod policy;
mod record;
mod reference;
mod repository_owner;
mod slot;
mod state;

pub use daemon_file::DaemonFile;
pub use folder::{CERTIFICATE, DataFolder};
pub use record::{CommandRecord, Readers, RecordFile, ReleaseRecord, Voucher};
pub(crate) use reference::added;
pub use reference::{FileReference, Reference};
pub use repository_owner::RepositoryOwner;
pub use slot::{Slot, Trial};
pub(crate) use slot::{set_file_mode, set_modes};
pub use state::{FailedRelease, RootsAsked, State};
