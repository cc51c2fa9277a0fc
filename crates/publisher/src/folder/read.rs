//! Reading a static repository, also in the middle of a change of keys or without its timestamp.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use headwater_depot::files::{self, FileAccess};
use headwater_depot::objects::{FolderStore, ObjectStore as _};
use headwater_repo::{
    ComponentName, KeyRing, Published, ReleaseList, Role, Sequence, TargetName, Trusted, error_chain, layout,
};
use jiff::Timestamp;
use serde_json::Value;

use crate::read::{release_list, target};
use crate::{ChangeLock, Error, Result};

/// The folder of one class.
#[derive(Debug, Clone)]
pub struct StaticFolder {
    root: PathBuf,
    objects: FolderStore,
}

impl StaticFolder {
    /// The folder of `class` under `base`.
    #[must_use]
    pub fn new(base: &Path, class: &str) -> Self {
        let root = base.join(class);
        Self { objects: FolderStore::new(&root, FileAccess::Everyone), root }
    }

    /// The folder itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A path under it.
    #[must_use]
    pub fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    pub(super) fn objects(&self) -> &FolderStore {
        &self.objects
    }

    /// Whether a repository is there, by its timestamp.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.path(layout::TIMESTAMP).exists()
    }

    /// Reads a file of it.
    ///
    /// # Errors
    /// It is missing; the disk refuses.
    pub fn read(&self, relative: &str) -> Result<Vec<u8>> {
        std::fs::read(self.path(relative)).map_err(Error::file("read", &self.path(relative)))
    }

    /// Waits until nobody else changes the repository, and keeps everybody else from it until the lock is dropped.
    ///
    /// # Errors
    /// There is no repository; the disk refuses.
    pub fn lock(&self) -> Result<ChangeLock> {
        self.must_exist()?;
        self.lock_folder()
    }

    /// The same in a folder that a repository is to be made in; makes the folder.
    pub(super) fn lock_new(&self) -> Result<ChangeLock> {
        files::refuse_root_in_folder_of_another(&self.root)?;
        fs::create_dir_all(&self.root).map_err(Error::file("make", &self.root))?;
        self.lock_folder()
    }

    fn lock_folder(&self) -> Result<ChangeLock> {
        let lock = File::open(&self.root).and_then(|folder| folder.lock().map(|()| folder));
        lock.map(ChangeLock::new).map_err(Error::file("lock", &self.root))
    }

    fn must_exist(&self) -> Result<()> {
        // Its timestamp may be what is lost.
        if self.exists() || self.root_version_newest().is_ok() {
            return Ok(());
        }
        Err(Error::NoRepository(self.root.clone()))
    }

    /// What is signed now.
    ///
    /// # Errors
    /// There is no repository; its timestamp is missing; nothing can be built upon it.
    pub fn published(&self) -> Result<Published> {
        self.must_exist()?;
        if !self.exists() {
            return Err(Error::NoTimestamp(self.path(layout::TIMESTAMP)));
        }
        let newest = self.root_version_newest()?;
        let read_root = |version| self.read(&layout::metadata(Role::Root, version));
        let root = read_root(newest)?;
        let timestamp = self.read(layout::TIMESTAMP)?;
        let snapshot = self.read(&layout::metadata(Role::Snapshot, pinned(&timestamp, "snapshot.json")?))?;
        let targets = self.read(&layout::metadata(Role::Targets, pinned(&snapshot, "targets.json")?))?;
        let published = match Published::read(&root, &timestamp, &snapshot, &targets) {
            // A change of keys that broke off after the root was written: what is published next completes it.
            Err(error) if newest > 1 => {
                let before = read_root(newest - 1)?;
                Published::read_between(&before, &root, &timestamp, &snapshot, &targets).map_err(|_| error)
            }
            read => read,
        };
        published.map_err(|error| self.unusable(&error_chain(&error)))
    }

    /// What is signed though the timestamp is lost or damaged. `None` if the timestamp is not what is wrong. The next one
    /// has a version beyond any that a mirror can have: the milliseconds since 1970.
    ///
    /// # Errors
    /// Something else is lost, too; keys are missing.
    pub fn without_timestamp(&self, ring: &KeyRing, now: Timestamp) -> Result<Option<Published>> {
        let Ok(newest) = self.root_version_newest() else { return Ok(None) };
        let is_good = |root: u64| -> Result<bool> {
            let Ok(timestamp) = self.read(layout::TIMESTAMP) else { return Ok(false) };
            let root = self.read(&layout::metadata(Role::Root, root))?;
            Ok(is_signed_under(&root, &timestamp))
        };
        if is_good(newest)? || (newest > 1 && is_good(newest - 1)?) {
            return Ok(None);
        }
        let root = self.read(&layout::metadata(Role::Root, newest))?;
        let Some(snapshot) = self.newest(Role::Snapshot)? else { return Ok(None) };
        let snapshot = self.read(&layout::metadata(Role::Snapshot, snapshot))?;
        let targets = self.read(&layout::metadata(Role::Targets, pinned(&snapshot, "targets.json")?))?;
        let assumed = u64::try_from(now.as_millisecond()).unwrap_or(0);
        Published::read_without_timestamp(&root, &snapshot, &targets, assumed, ring, now).map(Some).map_err(
            |error| {
                let reason = format!("it has no good timestamp.json, and {}", error_chain(&error));
                self.unusable(&reason)
            },
        )
    }

    /// The version of the present timestamp, unverified.
    ///
    /// # Errors
    /// It is missing or no metadata.
    pub fn timestamp_version(&self) -> Result<u64> {
        let version = serde_json::from_slice::<Value>(&self.read(layout::TIMESTAMP)?)
            .ok()
            .and_then(|document| document["signed"]["version"].as_u64());
        version.ok_or_else(|| self.unusable("its timestamp.json has no version"))
    }

    /// Whether a change of keys broke off: the newest root is there, and what is published is not signed under it.
    ///
    /// # Errors
    /// The timestamp cannot be read.
    pub fn is_between_roots(&self, published: &Published) -> Result<bool> {
        Ok(!is_signed_under(published.root().bytes(), &self.read(layout::TIMESTAMP)?))
    }

    /// The newest root's version: they are numbered without gaps.
    ///
    /// # Errors
    /// There is no root.
    pub fn root_version_newest(&self) -> Result<u64> {
        let newest =
            (1..).take_while(|version| self.path(&layout::metadata(Role::Root, *version)).exists()).last();
        newest.ok_or_else(|| Error::Missing(self.path(&layout::metadata(Role::Root, 1))))
    }

    /// Reads and checks a target that the present metadata pins. `None` if it pins no such target.
    ///
    /// # Errors
    /// The file is missing or not what was signed.
    pub fn target(&self, published: &Published, name: &TargetName) -> Result<Option<Vec<u8>>> {
        target(&self.objects, published, name)
    }

    /// The release list of a component, as signed. `None` if the component is not published.
    ///
    /// # Errors
    /// As [`Self::target`].
    pub fn release_list(
        &self,
        published: &Published,
        component: &ComponentName,
    ) -> Result<Option<ReleaseList>> {
        release_list(&self.objects, published, component)
    }

    /// The newest version of a role's metadata in the folder.
    fn newest(&self, role: Role) -> Result<Option<u64>> {
        let prefix = format!("{}/", layout::METADATA_FOLDER);
        let version = |path: &str| -> Option<u64> {
            path.strip_prefix(&prefix)?.strip_suffix(&format!(".{role}.json"))?.parse().ok()
        };
        Ok(self.objects.list(&prefix)?.iter().filter_map(|object| version(&object.path)).max())
    }

    /// The highest number that a release of a component ever had, as far as its targets are still there.
    pub(super) fn sequence_newest(&self, component: &ComponentName) -> Result<u64> {
        let prefix = format!("{}/{component}/", layout::TARGETS_FOLDER);
        let sequence = |path: &str| -> Option<u64> {
            let (_digest, name) = path.strip_prefix(&prefix)?.split_once('.')?;
            name.strip_suffix(".json")?.parse::<Sequence>().ok().map(Sequence::get)
        };
        Ok(self.objects.list(&prefix)?.iter().filter_map(|object| sequence(&object.path)).max().unwrap_or(0))
    }

    fn unusable(&self, reason: &str) -> Error {
        Error::Repository(format!("{} cannot be built upon: {reason}", self.root.display()))
    }
}

fn is_signed_under(root: &[u8], timestamp: &[u8]) -> bool {
    let trusted = Trusted::from_root(root);
    trusted.and_then(|mut trusted| trusted.update_timestamp(timestamp, Timestamp::MIN)).is_ok()
}

/// The version that metadata pins; whether to believe it is found out by `Published::read`.
fn pinned(metadata: &[u8], file: &str) -> Result<u64> {
    let version = serde_json::from_slice::<Value>(metadata)
        .ok()
        .and_then(|document| document["signed"]["meta"][file]["version"].as_u64());
    version.ok_or_else(|| Error::Repository(format!("the repository's metadata pins no {file}")))
}
