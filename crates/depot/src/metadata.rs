//! What is kept of a repository's signed metadata: the received bytes as they came, replaced all at once.
//!
//! ```text
//! {dir}/set-N/{1.root.json, 2.root.json, …, timestamp.json, snapshot.json, targets.json}
//! {dir}/current           one line: the name of the current set
//! ```
//!
//! A new set is written beside the old one and made durable; then `current` is replaced in one step. A crash at any
//! moment leaves the old set or the new one. `repo` verifies the bytes again at each load.
//! Delegated roles are not kept: the snapshot is their floor, and a search fetches them.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use headwater_repo::limits::{
    ROOT_LENGTH_MAX, SNAPSHOT_LENGTH_MAX, TARGETS_LENGTH_MAX, TIMESTAMP_LENGTH_MAX,
};
use headwater_repo::{Received, Trusted};

use crate::files::{self, FileAccess};
use crate::store::sync_folder;
use crate::store_error::{StoreError, disk};

const CURRENT: &str = "current";
const SET: &str = "set-";

/// The kept metadata of one repository. One process uses a folder at a time.
#[derive(Debug)]
pub struct MetadataStore {
    dir: PathBuf,
}

impl MetadataStore {
    /// Opens the folder, making it if it is not there, and clears sets that a crash left.
    pub fn open(dir: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let dir = dir.into();
        fs::create_dir_all(&dir).map_err(disk("make folder", &dir))?;
        files::remove_temporaries(&dir).map_err(disk("clear", &dir))?;
        let store = Self { dir };
        store.clear_but(store.current()?)?;
        Ok(store)
    }

    /// What was kept, verified but for its age: the roots, and the floor below which nothing is accepted.
    /// `None` before the first [`MetadataStore::save`].
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where the kept roots do not verify. Damage below the roots only costs another fetch.
    pub fn load(&self) -> Result<Option<Trusted>, StoreError> {
        let Some(number) = self.current()? else { return Ok(None) };
        let set = self.set(number);
        let damaged = |reason: String| StoreError::Damaged { path: set.clone(), reason };
        if !set.is_dir() {
            return Err(damaged("it is not there".to_owned()));
        }
        let mut roots = roots(&set)?.into_iter();
        let first = roots.next().ok_or_else(|| damaged("it holds no root".to_owned()))?;
        let mut trusted = Trusted::from_root(&read(&first.1, ROOT_LENGTH_MAX)?)
            .map_err(|error| damaged(error.to_string()))?;
        for (_, path) in roots {
            let bytes = read(&path, ROOT_LENGTH_MAX)?;
            trusted.update_root(&bytes).map_err(|error| damaged(error.to_string()))?;
        }
        let timestamp = read_if_there(&set.join("timestamp.json"), TIMESTAMP_LENGTH_MAX)?;
        let snapshot = read_if_there(&set.join("snapshot.json"), SNAPSHOT_LENGTH_MAX)?;
        let targets = read_if_there(&set.join("targets.json"), TARGETS_LENGTH_MAX)?;
        trusted.load_floor(timestamp.as_deref(), snapshot.as_deref(), targets.as_deref());
        Ok(Some(trusted))
    }

    /// What was kept, or, before the first save, a start from `root` (from the enrolment bundle or the signed policy).
    /// A kept chain that does not contain this root's trust is kept all the same: only newer roots lead on.
    pub fn load_or_start(&self, root: &[u8]) -> Result<Trusted, StoreError> {
        match self.load()? {
            Some(trusted) => Ok(trusted),
            None => Trusted::from_root(root)
                .map_err(|error| StoreError::Damaged { path: self.dir.clone(), reason: error.to_string() }),
        }
    }

    /// Replaces what is kept by what is trusted now. Does nothing where that is the same.
    pub fn save(&self, received: &Received) -> Result<(), StoreError> {
        let current = self.current()?;
        if let Some(number) = current
            && self.holds(number, received)?
        {
            return Ok(());
        }
        let number = current.unwrap_or(0) + 1;
        let set = self.set(number);
        if set.exists() {
            fs::remove_dir_all(&set).map_err(disk("clear", &set))?;
        }
        fs::create_dir(&set).map_err(disk("make folder", &set))?;
        for (name, bytes) in files(received) {
            let path = set.join(name);
            File::create(&path)
                .and_then(|mut file| {
                    file.write_all(bytes)?;
                    file.sync_all()
                })
                .map_err(disk("write", &path))?;
        }
        sync_folder(&set)?;
        sync_folder(&self.dir)?;
        let current = self.dir.join(CURRENT);
        files::replace(&current, format!("{SET}{number}\n").as_bytes(), FileAccess::Umask)
            .map_err(disk("replace", &current))?;
        self.clear_but(Some(number))
    }

    /// Forgets everything kept, so that the next load starts from another given root (a vendor source that was
    /// replaced by another).
    pub fn forget(&self) -> Result<(), StoreError> {
        let current = self.dir.join(CURRENT);
        files::remove_if_present(&current).map_err(disk("remove", &current))?;
        sync_folder(&self.dir)?;
        self.clear_but(None)
    }

    fn set(&self, number: u64) -> PathBuf {
        self.dir.join(format!("{SET}{number}"))
    }

    fn current(&self) -> Result<Option<u64>, StoreError> {
        let path = self.dir.join(CURRENT);
        let Some(bytes) = read_if_there(&path, 64)? else { return Ok(None) };
        let number =
            std::str::from_utf8(&bytes).ok().and_then(|text| text.trim_end().strip_prefix(SET)?.parse().ok());
        match number {
            Some(number) => Ok(Some(number)),
            None => Err(StoreError::Damaged { path, reason: "it does not name a set".to_owned() }),
        }
    }

    fn holds(&self, number: u64, received: &Received) -> Result<bool, StoreError> {
        let set = self.set(number);
        let mut count = 0;
        for (name, bytes) in files(received) {
            count += 1;
            if read_if_there(&set.join(name), TARGETS_LENGTH_MAX)?.as_deref() != Some(bytes) {
                return Ok(false);
            }
        }
        let there = fs::read_dir(&set).map_err(disk("list", &set))?.count();
        Ok(there == count)
    }

    fn clear_but(&self, keep: Option<u64>) -> Result<(), StoreError> {
        for entry in fs::read_dir(&self.dir).map_err(disk("list", &self.dir))? {
            let entry = entry.map_err(disk("list", &self.dir))?;
            let name = entry.file_name();
            let number = name.to_str().and_then(|name| name.strip_prefix(SET)?.parse::<u64>().ok());
            if number.is_some() && number != keep {
                let path = entry.path();
                fs::remove_dir_all(&path).map_err(disk("clear", &path))?;
            }
        }
        Ok(())
    }
}

fn files(received: &Received) -> impl Iterator<Item = (String, &[u8])> {
    let roots = received.roots.iter().map(|(version, bytes)| (format!("{version}.root.json"), &**bytes));
    let others = [
        ("timestamp.json", &received.timestamp),
        ("snapshot.json", &received.snapshot),
        ("targets.json", &received.targets),
    ];
    let others =
        others.into_iter().filter_map(|(name, bytes)| bytes.as_deref().map(|bytes| (name.to_owned(), bytes)));
    roots.chain(others)
}

/// The kept roots, oldest first.
fn roots(set: &Path) -> Result<Vec<(u64, PathBuf)>, StoreError> {
    let mut roots = Vec::new();
    for entry in fs::read_dir(set).map_err(disk("list", set))? {
        let entry = entry.map_err(disk("list", set))?;
        let name = entry.file_name();
        let version = name.to_str().and_then(|name| name.strip_suffix(".root.json")?.parse().ok());
        if let Some(version) = version {
            roots.push((version, entry.path()));
        }
    }
    roots.sort();
    Ok(roots)
}

fn read_if_there(path: &Path, length_max: u64) -> Result<Option<Vec<u8>>, StoreError> {
    match File::open(path) {
        Ok(file) => {
            let mut bytes = Vec::new();
            file.take(length_max + 1).read_to_end(&mut bytes).map_err(disk("read", path))?;
            if bytes.len() as u64 > length_max {
                let reason = format!("it is longer than the {length_max} bytes it may have");
                return Err(StoreError::Damaged { path: path.to_owned(), reason });
            }
            Ok(Some(bytes))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(disk("open", path)(error)),
    }
}

fn read(path: &Path, length_max: u64) -> Result<Vec<u8>, StoreError> {
    read_if_there(path, length_max)?
        .ok_or_else(|| StoreError::Damaged { path: path.to_owned(), reason: "it vanished".to_owned() })
}
