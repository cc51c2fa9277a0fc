//! Publishing: what becomes a signed repository, the same at a server and in a static folder.
//!
//! * [`publish`], [`roll_back`], [`remove`]: releases come, go back and go;
//! * [`deltas::make`]: deltas are made, proven, and join the current release;
//! * [`sign_again`], [`roots`]: signatures are renewed, keys are replaced.
//!
//! Each is load → decide → stage → commit over a [`Destination`], of which there are two: the server's (a database
//! transaction with an audit entry), and [`folder::StaticRepository`]. Decisions are values of `headwater-repo`.
//! Everything here blocks: asynchronous callers use a thread that may block.
//!
//! What it leaves to others: who may publish, what came over a wire, where keys of a server lie.

mod commit;
mod content;
pub mod deltas;
mod destination;
mod error;
pub mod folder;
pub mod limits;
mod read;
mod release;
mod resign;
pub mod roots;
mod signing_keys;
mod stage;
mod withdraw;

pub use content::{ContentLimits, Packer, ReleaseContent, StoredFile};
pub use destination::{ChangeLock, Destination, History, Operation, Purpose, StagedChange};
pub use error::Error;
pub use read::{manifest, release_list, target};
pub use release::{NewRelease, Outcome, PublishedRelease, publish};
pub use resign::{Refresh, sign_again};
pub use signing_keys::SigningKeys;
pub use stage::{StagedMetadata, stage};
pub use withdraw::{missing_content, remove, roll_back};

/// The result of publishing.
pub type Result<T> = std::result::Result<T, Error>;
