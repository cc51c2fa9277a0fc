//! Publishing: the repositories, their keys and signing, releases, deltas, the vendor source's releases, garbage.
//!
//! A change of what is saved or signed holds [`PublishingService::change`] from load to save, so two administrators
//! are one after the other. Saving and signing are one step (see [`signing`]): nothing is saved that is not signed,
//! nor signed that is not saved.
//!
//! What it leaves to others: the content of the policy and of class settings (`source_list` and `fleet` compose them and
//! stage them here).

mod adopt;
mod anchor;
mod archive;
mod consistency;
mod deltas;
mod destination;
mod failures;
mod findings;
mod garbage;
mod hold;
mod key_store;
mod own_components;
mod releases;
mod roots;
mod service;
mod settings;
mod signing;
mod vendor;
mod vendor_sync;

pub(crate) use self::adopt::Raise;
pub use self::anchor::AuditAnchor;
pub use self::archive::Format;
pub use self::consistency::Difference;
pub use self::deltas::DeltaInProgress;
pub use self::destination::RepositoryDestination;
pub(crate) use self::failures::store_failed;
pub use self::findings::Hold;
pub use self::key_store::ONLINE_ROLES;
pub use self::releases::{ReleaseRequest, parse_name};
pub(crate) use self::roots::{bad_root, json as root_json};
pub use self::service::PublishingService;
pub use self::settings::PublishingSettings;
pub(crate) use self::signing::{StagedPublication, failed};
