//! Signed repositories, without a wire: bytes in, verified values out; drafts in, signed files out.
//!
//! Two directions, which share nothing but names and digests:
//!
//! * reading: [`Trusted`] takes the bytes that some source sent and answers what is trusted (I1);
//!   [`ReleaseList`] and [`Manifest`] are the content of a class repository's targets;
//! * writing: [`RootDraft`] → [`UnsignedRoot`] → [`SignedRoot`] and [`TargetsDraft`] → [`Unsigned`] → [`Signed`];
//!   nothing else can be published.
//!
//! This crate never opens a socket or a file, never reads a clock, and knows nothing of source lists, plans or
//! clients. Fetching and keeping bytes is `depot`'s; choosing a source is `policy`'s.

mod canonical;
mod delegations;
mod delta_path;
mod deltas;
mod digest;
mod document;
mod draft;
mod error;
mod evidence;
mod expiry;
mod first_seen;
mod key_id;
mod key_replacement;
mod keys;
pub mod layout;
pub mod limits;
mod lineage;
mod manifest;
mod name_error;
mod names;
mod needed_deltas;
mod paths;
mod published;
mod release_list;
mod releases;
mod root;
pub mod sealed;
mod selection;
mod signers;
mod tombstone;
mod trusted;

pub use delegations::{DelegatedRole, Lookup};
pub use delta_path::{DeltaPath, DeltaPaths, Hop};
pub use deltas::{Delta, DeltaFormat, Intermediate};
pub use digest::{Digest, DigestError, Hasher};
pub use draft::{File, Signed, TargetsDraft, Unsigned};
pub use error::{ContentError, VerifyError, WriteError, error_chain};
pub use evidence::{Evidence, Standing};
pub use expiry::Expiry;
pub use first_seen::{FirstSeen, life_days_max};
pub use key_id::KeyId;
pub use key_replacement::KeyReplacement;
pub use keys::{KeyError, KeyRing, PublicKey, SecretKey};
pub use lineage::Earlier;
pub use manifest::{Body, BodyFormat, FileEntry, Hook, Manifest};
pub use name_error::NameError;
pub use names::{ComponentName, Role, Sequence, TargetName, VersionText};
pub use needed_deltas::{
    DeltaPlan, Inventory, InventoryItem, Makeable, MissingDelta, NeededDeltas, STORAGE_PERCENT,
    expected_ages, needed_deltas,
};
pub use paths::FilePath;
pub use published::Published;
pub use release_list::{Release, ReleaseList, ReleaseStep};
pub use releases::{remove_releases, roll_back, stage_release};
pub use root::{RootDraft, SignedRoot, UnsignedRoot};
pub use sealed::{Cost, Passphrase};
pub use selection::{Edge, Past, choose};
pub use tombstone::Tombstone;
pub use trusted::{Received, TargetDescription, Trusted, Wanted};
