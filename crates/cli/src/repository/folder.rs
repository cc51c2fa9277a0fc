//! A static repository's folder: `{base}/{class}/`, in the layout that every source has.
//!
//! Every file is written beside its place, synced and renamed, in the order that `headwater-repo` gives, the
//! timestamp last: whoever reads meanwhile, and whoever reads after a crash, sees the old state or the new one.
//! Whoever changes something holds the folder's lock from reading what is published until that is written.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use headwater_depot::store::digest_of;
use headwater_repo::{Digest, Expiry, KeyRing, Published, Role, Signed, TargetName, Trusted, layout};
use jiff::Timestamp;
use serde_json::Value;

use crate::terminal::failure::{Exit, Failure};
use headwater_repo::error_chain;

/// How the names of files begin that are being written, as `tempfile` gives them.
const HALF_WRITTEN: &str = ".tmp";

/// The folder of one class.
#[derive(Debug, Clone)]
pub struct Folder {
    root: PathBuf,
    expiry: Expiry,
}

impl Folder {
    /// The folder of `class` under `base`.
    pub fn new(base: &Path, class: &str) -> Self {
        Self { root: base.join(class), expiry: Expiry::default() }
    }

    /// The same folder, with lives of its own for what is signed into it.
    pub fn with_expiry(self, expiry: Expiry) -> Self {
        Self { expiry, ..self }
    }

    /// How long what is signed into it is good.
    pub fn expiry(&self) -> &Expiry {
        &self.expiry
    }

    /// A path under it.
    pub fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// Whether a repository is there.
    pub fn exists(&self) -> bool {
        self.path(layout::TIMESTAMP).exists()
    }

    /// Reads a file of it.
    pub fn read(&self, relative: &str) -> Result<Vec<u8>, Failure> {
        let path = self.path(relative);
        fs::read(&path).map_err(|error| Failure::file("read", &path, &error))
    }

    /// Whether a blob is there, by its size.
    pub fn may_have_blob(&self, digest: &Digest, size: u64) -> bool {
        fs::metadata(self.path(&layout::blob(digest)))
            .is_ok_and(|found| found.is_file() && found.len() == size)
    }

    /// Whether a blob is there, and is what its name says: one that the disk changed is as good as not there.
    pub fn has_blob(&self, digest: &Digest) -> bool {
        let found = File::open(self.path(&layout::blob(digest))).and_then(|mut blob| digest_of(&mut blob));
        found.is_ok_and(|(found, _)| found == *digest)
    }

    /// Waits until nobody else changes the repository, and keeps everybody else from it until the lock is dropped.
    pub fn lock(&self) -> Result<File, Failure> {
        self.must_exist()?;
        let lock = || -> io::Result<File> {
            let folder = File::open(&self.root)?;
            folder.lock()?;
            Ok(folder)
        };
        lock().map_err(|error| Failure::file("lock", &self.root, &error))
    }

    /// Removes what runs that were killed left half written: whoever writes holds the lock, so that it is nobody's work.
    pub fn sweep(&self) -> Result<(), Failure> {
        let _lock = self.lock()?;
        let targets = self.path(layout::TARGETS_FOLDER);
        let mut folders = vec![self.path(layout::BLOBS_FOLDER), self.path(layout::METADATA_FOLDER)];
        folders.extend(entries(&targets)?.into_iter().filter(|path| path.is_dir()));
        folders.push(targets);
        for path in folders.iter().map(|folder| entries(folder)).collect::<Result<Vec<_>, _>>()?.concat() {
            let is_half_written = path
                .file_name()
                .is_some_and(|name| name.as_encoded_bytes().starts_with(HALF_WRITTEN.as_bytes()));
            if is_half_written && path.is_file() {
                fs::remove_file(&path).map_err(|error| Failure::file("remove", &path, &error))?;
            }
        }
        Ok(())
    }

    fn must_exist(&self) -> Result<(), Failure> {
        // Its timestamp may be what is lost.
        if self.exists() || self.root_version_newest().is_ok() {
            return Ok(());
        }
        Err(Failure::bad_input(format!("there is no repository at {}", self.root.display()))
            .with_hint("`headwater repo init` makes one; --class names another class"))
    }

    /// What the repository says at present.
    pub fn published(&self) -> Result<Published, Failure> {
        self.must_exist()?;
        if !self.exists() {
            let timestamp = self.path(layout::TIMESTAMP);
            return Err(Failure::failed(format!("{} is missing", timestamp.display()))
                .with_hint("`headwater repo refresh` signs another"));
        }
        let newest = self.root_version_newest()?;
        let read_root = |version| self.read(&layout::metadata(Role::Root, version));
        let root = read_root(newest)?;
        let timestamp = self.read(layout::TIMESTAMP)?;
        let snapshot = self.read(&layout::metadata(Role::Snapshot, pinned(&timestamp, "snapshot.json")?))?;
        let targets = self.read(&layout::metadata(Role::Targets, pinned(&snapshot, "targets.json")?))?;
        let published = match Published::read(&root, &timestamp, &snapshot, &targets) {
            // A change of keys that broke off after the root was written: what is published next ends it.
            Err(error) if newest > 1 => {
                let before = read_root(newest - 1)?;
                Published::read_between(&before, &root, &timestamp, &snapshot, &targets).map_err(|_| error)
            }
            read => read,
        };
        published.map_err(|error| {
            Failure::failed(format!("{} cannot be built upon: {}", self.root.display(), error_chain(&error)))
        })
    }

    /// What the repository says though its timestamp is lost or damaged; none: the timestamp is not what is wrong. The next
    /// one has a version beyond any that a mirror can have: the milliseconds since 1970.
    pub fn without_timestamp(&self, ring: &KeyRing, now: Timestamp) -> Result<Option<Published>, Failure> {
        let Ok(newest) = self.root_version_newest() else { return Ok(None) };
        let is_good = |root: u64| -> Result<bool, Failure> {
            let Ok(timestamp) = self.read(layout::TIMESTAMP) else { return Ok(false) };
            let root = self.read(&layout::metadata(Role::Root, root))?;
            let trusted = Trusted::from_root(&root)
                .and_then(|mut trusted| trusted.update_timestamp(&timestamp, Timestamp::MIN));
            Ok(trusted.is_ok())
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
                Failure::failed(format!(
                    "{} has no good timestamp.json, and without it cannot be built upon: {}",
                    self.root.display(),
                    error_chain(&error)
                ))
            },
        )
    }

    /// The newest version of a role's metadata in the folder.
    fn newest(&self, role: Role) -> Result<Option<u64>, Failure> {
        let folder = self.path(layout::METADATA_FOLDER);
        let entries = fs::read_dir(&folder).map_err(|error| Failure::file("list", &folder, &error))?;
        let version = |entry: fs::DirEntry| {
            let name = entry.file_name().into_string().ok()?;
            name.strip_suffix(&format!(".{role}.json"))?.parse().ok()
        };
        Ok(entries.flatten().filter_map(version).max())
    }

    /// Whether a change of keys broke off: the newest root is there, and what is published is not signed under it.
    pub fn is_between_roots(&self, published: &Published) -> Result<bool, Failure> {
        let timestamp = self.read(layout::TIMESTAMP)?;
        let trusted = Trusted::from_root(published.root().bytes())
            .and_then(|mut trusted| trusted.update_timestamp(&timestamp, Timestamp::MIN));
        Ok(trusted.is_err())
    }

    /// The newest root's version: they are numbered without gaps.
    pub fn root_version_newest(&self) -> Result<u64, Failure> {
        let newest =
            (1..).take_while(|version| self.path(&layout::metadata(Role::Root, *version)).exists()).last();
        newest.ok_or_else(|| {
            Failure::bad_input(format!("{} has no 1.root.json", self.path(layout::METADATA_FOLDER).display()))
        })
    }

    /// Reads and checks a target that the present metadata pins.
    pub fn target(&self, published: &Published, name: &TargetName) -> Result<Option<Vec<u8>>, Failure> {
        let Some((length, digest)) = published.target(name) else { return Ok(None) };
        let relative = layout::target(name, &digest);
        let bytes = self.read(&relative)?;
        if bytes.len() as u64 != length || Digest::of(&bytes) != digest {
            return Err(Failure::failed(format!(
                "{} is not what was signed",
                self.path(&relative).display()
            ))
            .with_hint("restore it from a copy of the repository"));
        }
        Ok(Some(bytes))
    }

    /// Writes signed files, in their order.
    pub fn write(&self, signed: &Signed) -> Result<(), Failure> {
        for file in signed.files() {
            let path = self.path(&file.path);
            replace(&path, &file.bytes).map_err(|error| Failure::file("write", &path, &error))?;
        }
        Ok(())
    }
}

/// What is in a folder; nothing where there is none.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let list = || fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>();
    list().map_err(|error| Failure::file("list", folder, &error))
}

/// The version that metadata pins; whether to believe it is found out by `Published::read`.
fn pinned(metadata: &[u8], file: &str) -> Result<u64, Failure> {
    let version = serde_json::from_slice::<Value>(metadata)
        .ok()
        .and_then(|document| document["signed"]["meta"][file]["version"].as_u64());
    version.ok_or_else(|| Failure::new(Exit::Failed, format!("the repository's metadata pins no {file}")))
}

/// Replaces a file whole.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    keep(file, path)
}

/// Puts a temporary file in its place, readable for all, and makes that last.
pub fn keep(file: tempfile::NamedTempFile, path: &Path) -> io::Result<()> {
    readable_for_all(file.as_file())?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(unix)]
fn readable_for_all(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    file.set_permissions(fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn readable_for_all(_file: &File) -> io::Result<()> {
    Ok(())
}
