//! Publishing: the class repositories, their keys and signing, releases, deltas, the vendor source's releases, garbage.
//!
//! Whoever changes what is saved or signed holds [`Publishing::change`] from load to save, so two administrators are one
//! after the other. Saving and signing are one step (see [`signing`]): nothing is saved that is not signed, nor signed
//! that is not saved.
//!
//! What it leaves to others: what the settings class says (`source_list` and `fleet` compose it and stage it here).

mod anchor;
mod archive;
mod deltas;
mod destination;
mod failures;
mod garbage;
mod key_store;
mod releases;
mod roots;
mod signing;
mod vendor;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, RwLock};

use headwater_depot::files::Access;
use headwater_depot::objects::{FolderStore, ObjectStore};
use headwater_depot::store::Store;
use headwater_policy::Class;
use headwater_repo::{Expiry, Published, Role, layout};
use tokio::sync::{MutexGuard, Semaphore, SemaphorePermit};

pub use self::anchor::AuditAnchor;
pub use self::archive::Format;
use self::deltas::DeltaWorker;
pub use self::destination::ClassDestination;
pub(crate) use self::failures::store_failed;
pub use self::key_store::ONLINE_ROLES;
use self::key_store::{ClassKeys, KeyStore};
pub use self::releases::{ReleaseRequest, parse_name};
pub(crate) use self::roots::{bad_root, json as root_json};
pub(crate) use self::signing::{Staged, failed};
use self::vendor::VendorSync;
use crate::config::Config;
use crate::data::DataFolder;
use crate::db::Db;
use crate::error::{Error, Refusal, Result};
use crate::limits;

/// The service that publishes.
#[derive(Debug)]
pub struct Publishing {
    config: Arc<Config>,
    data: Arc<DataFolder>,
    db: Db,
    expiry: Expiry,
    keys: RwLock<BTreeMap<Class, Arc<ClassKeys>>>,
    stores: BTreeMap<Class, Store>,
    objects: BTreeMap<Class, FolderStore>,
    published: RwLock<BTreeMap<Class, Published>>,
    announced: RwLock<BTreeMap<String, u64>>,
    delta_worker: DeltaWorker,
    vendor_sync: VendorSync,
    uploads: Semaphore,
    changing: Arc<tokio::sync::Mutex<()>>,
}

/// Held by whoever changes what is saved or signed.
pub type Change<'a> = MutexGuard<'a, ()>;

impl Publishing {
    /// Opens keys and stores, making what is missing; publishes nothing.
    ///
    /// # Errors
    /// When the database, a key or a store cannot be opened or made.
    pub(crate) async fn open(config: Arc<Config>, data: Arc<DataFolder>, db: Db) -> Result<Self> {
        let announced = RwLock::new(db.announced().await?);
        let mut keys = BTreeMap::new();
        let mut stores = BTreeMap::new();
        let mut objects = BTreeMap::new();
        for class in Class::ALL {
            let key_store = KeyStore::new(class, data.keys(class), config.keys_passphrase.clone());
            if db.repository(class).await?.is_none() {
                key_store.make()?;
            }
            keys.insert(class, Arc::new(key_store.load()?));
            let store = Store::open(data.repository(class), Some(config.class_quota_bytes))
                .map_err(|error| store_failed(class, error))?;
            stores.insert(class, store);
            objects.insert(class, FolderStore::new(data.repository(class), Access::Owner));
        }
        Ok(Self {
            expiry: config.expiry,
            config,
            data,
            db,
            keys: RwLock::new(keys),
            stores,
            objects,
            published: RwLock::default(),
            announced,
            delta_worker: DeltaWorker::default(),
            vendor_sync: VendorSync::default(),
            uploads: Semaphore::new(limits::UPLOADS_MAX),
            changing: Arc::default(),
        })
    }

    /// Waits for its turn to change something.
    pub async fn change(&self) -> Change<'_> {
        self.changing.lock().await
    }

    /// A permit to upload an archive: only so many are received at once.
    ///
    /// # Errors
    /// [`Refusal::Busy`].
    pub(crate) fn permit_upload(&self) -> Result<SemaphorePermit<'_>> {
        let busy = |_| Refusal::Busy("as many uploads are running as this server takes").into();
        self.uploads.try_acquire().map_err(busy)
    }

    /// Where archives are received.
    pub(crate) fn upload_folder(&self) -> PathBuf {
        self.data.uploads()
    }

    /// Bytes that an uploaded archive may have.
    pub(crate) fn upload_bytes_max(&self) -> u64 {
        self.config.upload_bytes_max
    }

    /// What is signed in a class now.
    pub(crate) fn published(&self, class: Class) -> Published {
        let published = self.published.read().expect("nobody panics while holding this lock");
        published.get(&class).expect("every class is published once the server is open").clone()
    }

    /// The version of a role's metadata that is signed now.
    fn published_version(&self, class: Class, role: Role) -> u64 {
        let published = self.published.read().expect("nobody panics while holding this lock");
        published.get(&class).expect("every class is published once the server is open").version(role)
    }

    /// The version of a class that clients are notified of as the newest.
    pub(crate) fn announced(&self, class: Class) -> u64 {
        let announced = self.announced.read().expect("nobody panics while holding this lock");
        let version = announced.get(class.as_str()).copied();
        version.unwrap_or_else(|| self.published(class).version(Role::Targets))
    }

    fn note_announced(&self, class: Class, version: u64) {
        let mut announced = self.announced.write().expect("nobody panics while holding this lock");
        announced.insert(class.to_string(), version);
    }

    /// Metadata and targets of a class.
    fn objects(&self, class: Class) -> &dyn ObjectStore {
        &self.objects[&class]
    }

    /// The content of a class.
    pub(crate) fn store(&self, class: Class) -> &Store {
        &self.stores[&class]
    }
}

/// Refuses a folder with signed repositories and no database: a new database would begin at version 1 again, which no
/// client accepts that has seen a later one.
pub(crate) fn refuse_without_database(data: &DataFolder) -> Result<()> {
    let published = |class: &Class| data.repository(*class).join(layout::metadata(Role::Root, 1)).exists();
    if data.database().exists() || !Class::ALL.iter().any(published) {
        return Ok(());
    }
    Err(Error::Corrupt {
        what: "database",
        reason: format!(
            "{} is missing, and beside it stands what was published; put it back from a backup of the data folder, or \
             begin again in another folder",
            data.database().display()
        ),
    })
}
