//! The state of the service.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, RwLock};

use headwater_api::v1::SyncProgress;
use headwater_depot::files::FileAccess;
use headwater_depot::objects::{FolderStore, ObjectStore};
use headwater_depot::store::Store;
use headwater_policy::Repository;
use headwater_publisher::ChangeLock;
use headwater_repo::{Published, Role};
use tokio::sync::{Semaphore, SemaphorePermit, watch};

use super::deltas::DeltaWorker;
use super::failures::store_failed;
use super::findings::Findings;
use super::key_store::{KeyStore, RepositoryKeys};
use super::settings::PublishingSettings;
use super::vendor_sync::VendorSync;
use crate::data::DataFolder;
use crate::db::Db;
use crate::error::{Error, Refusal, Result};
use crate::limits;
use crate::turns::Turns;

/// The service that publishes.
#[derive(Debug)]
pub struct PublishingService {
    pub(super) settings: PublishingSettings,
    pub(super) data: Arc<DataFolder>,
    pub(super) db: Db,
    pub(super) keys: RwLock<BTreeMap<Repository, Arc<RepositoryKeys>>>,
    pub(super) stores: BTreeMap<Repository, Store>,
    pub(super) objects: BTreeMap<Repository, Arc<dyn ObjectStore>>,
    pub(super) published: RwLock<BTreeMap<Repository, Published>>,
    pub(super) announced: RwLock<BTreeMap<String, u64>>,
    pub(super) delta_worker: DeltaWorker,
    pub(super) vendor_sync: VendorSync,
    pub(super) uploads: Semaphore,
    pub(super) changing: Turns,
    pub(super) findings: RwLock<Findings>,
}

impl PublishingService {
    /// Opens keys and stores, making what is missing; publishes nothing.
    ///
    /// # Errors
    /// When the database, a key or a store cannot be opened or made.
    pub(crate) async fn open(settings: PublishingSettings, data: Arc<DataFolder>, db: Db) -> Result<Self> {
        let announced = RwLock::new(db.announced().await?);
        let mut keys = BTreeMap::new();
        let mut stores = BTreeMap::new();
        let mut all_objects = BTreeMap::new();
        for repository in Repository::ALL {
            let key_store =
                KeyStore::new(repository, data.keys(repository), settings.keys_passphrase.clone());
            if db.repository(repository).await?.is_none() {
                key_store.make()?;
            }
            keys.insert(repository, Arc::new(key_store.load()?));
            let folder = data.repository(repository);
            let objects: Arc<dyn ObjectStore> = Arc::new(FolderStore::confined(&folder, FileAccess::Owner));
            let store = Store::open_over(Arc::clone(&objects), Some(settings.class_quota_bytes), folder)
                .map_err(|error| store_failed(repository, error))?;
            stores.insert(repository, store);
            all_objects.insert(repository, objects);
        }
        Ok(Self {
            settings,
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
            changing: Turns::default(),
            findings: RwLock::default(),
        })
    }

    /// Waits for its turn to change something.
    pub async fn change(&self) -> ChangeLock {
        ChangeLock::new(self.changing.take_owned().await)
    }

    /// How many wait for their turn.
    pub fn changes_waiting(&self) -> watch::Receiver<usize> {
        self.changing.waiting()
    }

    /// How far the sync with the vendor source is, whenever it gets further; `None` if none runs.
    pub fn vendor_sync_progress(&self) -> watch::Receiver<Option<SyncProgress>> {
        self.vendor_sync.watch_progress()
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
        self.settings.upload_bytes_max
    }

    /// What is signed in a repository now.
    pub(crate) fn published(&self, repository: impl Into<Repository>) -> Published {
        let published = self.published.read().expect("nobody panics while holding this lock");
        published
            .get(&repository.into())
            .expect("every repository is published once the server is open")
            .clone()
    }

    /// The version of each repository's root; 1 of one that is published for the first time.
    pub(crate) fn root_versions(&self) -> BTreeMap<String, u64> {
        let published = self.published.read().expect("nobody panics while holding this lock");
        let version = |repository: &Repository| {
            published.get(repository).map_or(1, |published| published.version(Role::Root))
        };
        Repository::ALL.iter().map(|repository| (repository.to_string(), version(repository))).collect()
    }

    /// The version of a role's metadata that is signed now.
    pub(super) fn published_version(&self, repository: impl Into<Repository>, role: Role) -> u64 {
        let published = self.published.read().expect("nobody panics while holding this lock");
        published
            .get(&repository.into())
            .expect("every repository is published once the server is open")
            .version(role)
    }

    /// The version of a repository that clients are notified of as the newest.
    pub(crate) fn announced(&self, repository: Repository) -> u64 {
        let announced = self.announced.read().expect("nobody panics while holding this lock");
        let version = announced.get(repository.as_str()).copied();
        version.unwrap_or_else(|| self.published(repository).version(Role::Targets))
    }

    /// Notes the version of a repository that clients are notified of.
    pub(super) fn note_announced(&self, repository: Repository, version: u64) {
        let mut announced = self.announced.write().expect("nobody panics while holding this lock");
        announced.insert(repository.to_string(), version);
    }

    /// Everything that is published of a repository.
    pub(super) fn objects(&self, repository: impl Into<Repository>) -> &dyn ObjectStore {
        &*self.objects[&repository.into()]
    }

    /// The same, to be served as it is.
    pub(crate) fn served_objects(&self, repository: Repository) -> Arc<dyn ObjectStore> {
        Arc::clone(&self.objects[&repository])
    }

    /// Reads an object of a repository that must be there.
    ///
    /// # Errors
    /// It is not there, or the disk refuses.
    pub(super) fn read_object(&self, repository: Repository, path: &str) -> Result<Vec<u8>> {
        let read =
            self.objects(repository).get(path, None).map_err(|error| store_failed(repository, error))?;
        read.ok_or_else(|| Error::Lost { path: format!("repository/{repository}/{path}") })
    }

    /// The content of a repository.
    pub(crate) fn store(&self, repository: impl Into<Repository>) -> &Store {
        &self.stores[&repository.into()]
    }
}
