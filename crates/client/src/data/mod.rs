//! What lies in a client's data folder: where each thing is, what a release slot is, and what is remembered between
//! runs. This folder decides nothing.

pub mod client_id;
mod daemon_file;
mod folder;
pub mod policy;
mod record;
mod repository_owner;
mod slot;
mod state;

pub use daemon_file::DaemonFile;
pub use folder::{CERTIFICATE, DataFolder};
pub use record::{CommandRecord, Readers, RecordFile, ReleaseRecord, Voucher};
pub use repository_owner::RepositoryOwner;
pub(crate) use slot::set_modes;
pub use slot::{Slot, Trial};
pub use state::{FailedRelease, RootsAsked, State};
