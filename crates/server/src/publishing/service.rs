//! The state of the service.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, RwLock};

use headwater_depot::files::Access;
use headwater_depot::objects::{FolderStore, ObjectStore};
use headwater_depot::store::Store;
use headwater_policy::Class;
use headwater_repo::{Expiry, Published, Role, layout};
use tokio::sync::{MutexGuard, Semaphore, SemaphorePermit};

use super::deltas::DeltaWorker;
use super::failures::store_failed;
use super::key_store::{ClassKeys, KeyStore};
use super::vendor_sync::VendorSync;
use crate::config::Config;
use crate::data::DataFolder;
use crate::db::Db;
use crate::error::{Error, Refusal, Result};
use crate::limits;

/// The service that publishes.
#[derive(Debug)]
pub struct Publishing {
    pub(super) config: Arc<Config>,
    pub(super) data: Arc<DataFolder>,
    pub(super) db: Db,
    pub(super) expiry: Expiry,
    pub(super) keys: RwLock<BTreeMap<Class, Arc<ClassKeys>>>,
    pub(super) stores: BTreeMap<Class, Store>,
    pub(super) objects: BTreeMap<Class, Arc<dyn ObjectStore>>,
    pub(super) published: RwLock<BTreeMap<Class, Published>>,
    pub(super) announced: RwLock<BTreeMap<String, u64>>,
    pub(super) delta_worker: DeltaWorker,
    pub(super) vendor_sync: VendorSync,
    pub(super) uploads: Semaphore,
    pub(super) changing: Arc<tokio::sync::Mutex<()>>,
}

/// Held by a change of what is saved or signed.
pub type ChangeGuard<'a> = MutexGuard<'a, ()>;

impl Publishing {
    /// Opens keys and stores, making what is missing; publishes nothing.
    ///
    /// # Errors
    /// When the database, a key or a store cannot be opened or made.
    pub(crate) async fn open(config: Arc<Config>, data: Arc<DataFolder>, db: Db) -> Result<Self> {
        let announced = RwLock::new(db.announced().await?);
        let mut keys = BTreeMap::new();
        let mut stores = BTreeMap::new();
        let mut all_objects = BTreeMap::new();
        for class in Class::ALL {
            let key_store = KeyStore::new(class, data.keys(class), config.keys_passphrase.clone());
            if db.repository(class).await?.is_none() {
                key_store.make()?;
            }
            keys.insert(class, Arc::new(key_store.load()?));
            let folder = data.repository(class);
            let objects: Arc<dyn ObjectStore> = Arc::new(FolderStore::confined(&folder, Access::Owner));
            let store = Store::open_over(Arc::clone(&objects), Some(config.class_quota_bytes), folder)
                .map_err(|error| store_failed(class, error))?;
            stores.insert(class, store);
            all_objects.insert(class, objects);
        }
        Ok(Self {
            expiry: config.expiry,
            config,
            data,
            db,
            keys: RwLock::new(keys),
            stores,
            objects: all_objects,
            published: RwLock::default(),
            announced,
            delta_worker: DeltaWorker::default(),
            vendor_sync: VendorSync::default(),
            uploads: Semaphore::new(limits::UPLOADS_MAX),
            changing: Arc::default(),
        })
    }

    /// Waits for its turn to change something.
    pub async fn change(&self) -> ChangeGuard<'_> {
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

    /// The version of each class's root; 1 of a class that is published for the first time.
    pub(crate) fn root_versions(&self) -> BTreeMap<String, u64> {
        let published = self.published.read().expect("nobody panics while holding this lock");
        let version =
            |class: &Class| published.get(class).map_or(1, |published| published.version(Role::Root));
        Class::ALL.iter().map(|class| (class.to_string(), version(class))).collect()
    }

    /// The version of a role's metadata that is signed now.
    pub(super) fn published_version(&self, class: Class, role: Role) -> u64 {
        let published = self.published.read().expect("nobody panics while holding this lock");
        published.get(&class).expect("every class is published once the server is open").version(role)
    }

    /// The version of a class that clients are notified of as the newest.
    pub(crate) fn announced(&self, class: Class) -> u64 {
        let announced = self.announced.read().expect("nobody panics while holding this lock");
        let version = announced.get(class.as_str()).copied();
        version.unwrap_or_else(|| self.published(class).version(Role::Targets))
    }

    /// Notes the version of a class that clients are notified of.
    pub(super) fn note_announced(&self, class: Class, version: u64) {
        let mut announced = self.announced.write().expect("nobody panics while holding this lock");
        announced.insert(class.to_string(), version);
    }

    /// Everything that is published of a class.
    pub(super) fn objects(&self, class: Class) -> &dyn ObjectStore {
        &*self.objects[&class]
    }

    /// The same, to be served as it is.
    pub(crate) fn served_objects(&self, class: Class) -> Arc<dyn ObjectStore> {
        Arc::clone(&self.objects[&class])
    }

    /// Reads an object of a class that must be there.
    ///
    /// # Errors
    /// It is not there, or the disk refuses.
    pub(super) fn read_object(&self, class: Class, path: &str) -> Result<Vec<u8>> {
        let read = self.objects(class).get(path, None).map_err(|error| store_failed(class, error))?;
        read.ok_or_else(|| Error::Lost { path: format!("repository/{class}/{path}") })
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
