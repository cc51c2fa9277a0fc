//! The static folder as a place to publish.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use headwater_depot::objects::ObjectStore;
use headwater_depot::{Store, files};
use headwater_repo::{
    ComponentName, Digest, Expiry, Inventory, InventoryItem, KeyRing, Published, Role, SignedRoot,
    TargetsDraft, UnsignedRoot, layout,
};
use jiff::Timestamp;

use super::key_folder::KeyFolder;
use super::read::StaticFolder;
use super::scratch::Scratch;
use crate::deltas::chain::ReleaseChain;
use crate::destination::{ChangeLock, Destination, History, Purpose, StagedChange};
use crate::resign::{Refresh, sign_again};
use crate::roots::replace_root;
use crate::signing_keys::SigningKeys;
use crate::stage::stage;
use crate::{Error, Result};

/// A static repository that is published into.
#[derive(Debug)]
pub struct StaticRepository {
    folder: StaticFolder,
    expiry: Expiry,
    keys: Arc<SigningKeys>,
    store: Store,
    /// Deltas that came to nothing, as long as this process lives.
    useless: Mutex<Inventory>,
    /// Goes after the store that writes there.
    _scratch: Scratch,
}

impl StaticRepository {
    /// Opens a repository to publish into it with the keys of `ring`, and removes what runs that were killed left half
    /// written. `expiry`: how long what is signed is good.
    ///
    /// # Errors
    /// There is no repository; the disk refuses.
    pub fn open(folder: StaticFolder, ring: KeyRing, expiry: Expiry) -> Result<Self> {
        files::refuse_root_in_folder_of_another(folder.root())?;
        let lock = folder.lock()?;
        clear(folder.root())?;
        Self::in_locked_folder(&lock, folder, ring, expiry)
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &StaticFolder {
        &self.folder
    }

    /// Signs again what needs it: the timestamp always, the rest once half of its time is over; everything where the
    /// timestamp is lost or a change of keys broke off. Gives the role that signing began at.
    ///
    /// # Errors
    /// More than the timestamp is lost; keys are missing; the disk refuses.
    pub fn refresh(&self, now: Timestamp) -> Result<Role> {
        let lock = self.lock()?;
        let (published, is_lost) = match self.folder.published() {
            Ok(published) => (published, false),
            Err(error) => {
                let published = self.folder.without_timestamp(&self.keys.ring, now)?;
                (published.ok_or(error)?, true)
            }
        };
        let everything = is_lost || self.folder.is_between_roots(&published)?;
        let least = if everything { Refresh::Everything } else { Refresh::Timestamp };
        let role = sign_again(self, &lock, &published, least, now)?;
        Ok(role.unwrap_or(Role::Timestamp))
    }

    /// Publishes under a new root, and moves the key files. Root keys of the folder sign it here.
    ///
    /// # Errors
    /// A root that is not the next one or is not signed; keys that it names and the folder does not have.
    pub fn replace_root(&self, keys: &KeyFolder, root: UnsignedRoot, now: Timestamp) -> Result<SignedRoot> {
        let lock = self.lock()?;
        let root = replace_root(self, &lock, root, now)?;
        keys.activate(&root)?;
        Ok(root)
    }

    /// Publishes the first state under the first root.
    pub(super) fn begin(&self, root: SignedRoot, now: Timestamp) -> Result<()> {
        let unsigned = TargetsDraft::first(root).finish(now, &self.expiry)?;
        let staged = stage(self.folder.objects(), &self.keys, unsigned)?;
        Ok(self.folder.objects().replace(layout::TIMESTAMP, &staged.timestamp)?)
    }

    /// A repository in a locked folder, which may have no timestamp and no root yet.
    pub(super) fn in_locked_folder(
        _lock: &ChangeLock,
        folder: StaticFolder,
        ring: KeyRing,
        expiry: Expiry,
    ) -> Result<Self> {
        let scratch = Scratch::make(folder.root())?;
        let store = Store::open_with_scratch(folder.root(), None, scratch.path())?;
        let keys = Arc::new(SigningKeys { ring, retired: Vec::new() });
        Ok(Self { folder, expiry, keys, store, useless: Mutex::default(), _scratch: scratch })
    }
}

impl Destination for StaticRepository {
    fn lock(&self) -> Result<ChangeLock> {
        self.folder.lock()
    }

    fn published(&self) -> Result<Published> {
        self.folder.published()
    }

    fn timestamp_version(&self) -> Result<u64> {
        self.folder.timestamp_version()
    }

    fn objects(&self) -> &dyn ObjectStore {
        self.folder.objects()
    }

    fn store(&self) -> &Store {
        &self.store
    }

    fn keys(&self) -> Result<Arc<SigningKeys>> {
        Ok(Arc::clone(&self.keys))
    }

    fn expiry(&self) -> &Expiry {
        &self.expiry
    }

    /// Releases that left the list are forgotten. The numbers of a component that was removed show in its targets.
    fn history(&self, component: &ComponentName) -> Result<History> {
        let is_listed = self.published()?.target(&layout::release_list(component)).is_some();
        let sequence_floor = if is_listed { 0 } else { self.folder.sequence_newest(component)? };
        Ok(History { releases: Vec::new(), sequence_floor })
    }

    /// What the present manifests name: nothing else outlasts a run.
    fn inventory(&self, chain: &ReleaseChain) -> Result<Inventory> {
        let mut inventory = self.useless.lock().unwrap_or_else(PoisonError::into_inner).clone();
        inventory.extend(chain.named());
        Ok(inventory)
    }

    fn note_delta(&self, pair: (Digest, Digest), item: &InventoryItem) -> Result<()> {
        if *item == InventoryItem::Useless {
            self.useless.lock().unwrap_or_else(PoisonError::into_inner).insert(pair, item.clone());
        }
        Ok(())
    }

    fn keeps_inventory(&self) -> bool {
        false
    }

    fn commit(&self, _lock: &ChangeLock, change: StagedChange<'_>) -> Result<()> {
        self.folder.objects().replace(layout::TIMESTAMP, &change.staged.timestamp)?;
        match change.purpose {
            Purpose::Publish { list, .. } | Purpose::RollBack { list, .. } => {
                let (component, release) = (list.component(), list.current());
                tracing::info!(%component, version = %release.version, release = %release.sequence, "published");
            }
            Purpose::Remove { before } => tracing::info!(component = %before.component(), "removed"),
            Purpose::JoinDeltas { .. } | Purpose::SignAgain(_) | Purpose::ReplaceRoot { .. } => {}
        }
        Ok(())
    }
}

/// Removes metadata and targets that killed runs left half written: every writer holds the lock.
fn clear(root: &Path) -> Result<()> {
    let targets = root.join(layout::TARGETS_FOLDER);
    let mut folders =
        vec![root.join(layout::METADATA_FOLDER), root.join(layout::BLOBS_FOLDER), targets.clone()];
    if targets.is_dir() {
        for entry in fs::read_dir(&targets).map_err(Error::file("list", &targets))? {
            let path = entry.map_err(Error::file("list", &targets))?.path();
            folders.extend(path.is_dir().then_some(path));
        }
    }
    for folder in folders {
        files::remove_temporaries(&folder).map_err(Error::file("clear", &folder))?;
    }
    Ok(())
}
