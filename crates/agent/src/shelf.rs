//! What an update agent serves: `served/CLASS/{metadata,targets,blobs}/`, the same layout as the server's.
//!
//! Everything but `timestamp.json` is named by version or digest and never changes. So a new content is put beside
//! the old, and replacing `timestamp.json` is the one step that switches. What only the content before the former
//! one needed is removed at the next switch, so that a client in the middle of the former one can finish it.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use headwater_policy::Class;
use headwater_repo::{Digest, layout};

/// What is served.
#[derive(Debug, Clone)]
pub struct Shelf {
    root: PathBuf,
}

/// The list of files that belong to the content in force, beside the served folders, so never served.
const IN_FORCE: &str = "in-force.json";

/// The blob that was verified last, beside the served folders too.
const SCRUBBED: &str = "scrubbed";

impl Shelf {
    /// The shelf in `root`; nothing is made yet.
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// The folder of a class, as a source of the static layout.
    pub fn folder(&self, class: Class) -> PathBuf {
        self.root.join(class.as_str())
    }

    /// Version of the signed content that is served of a class; `None`: nothing whole.
    pub fn version(&self, class: Class) -> Option<u64> {
        let in_force = self.in_force(class)?;
        Some(in_force.version)
    }

    /// Bytes held for all classes.
    pub fn bytes_held(&self) -> u64 {
        Class::ALL.into_iter().map(|class| self.bytes_held_of(class)).sum()
    }

    /// Bytes held of one class.
    pub fn bytes_held_of(&self, class: Class) -> u64 {
        bytes_below(&self.folder(class))
    }

    /// Removes what is held of a class.
    ///
    /// # Errors
    ///
    /// Something cannot be removed.
    pub fn remove(&self, class: Class) -> io::Result<()> {
        let folder = self.folder(class);
        // First what makes it a source, so that nobody finds half of it.
        for first in [folder.join(layout::TIMESTAMP), folder.join(IN_FORCE)] {
            remove_if_there(&first)?;
        }
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done,
        }
    }

    /// Whether a file is on the shelf.
    pub fn has(&self, class: Class, path: &str) -> bool {
        self.folder(class).join(path).is_file()
    }

    /// Bytes of a file on the shelf; `None`: it is not there.
    pub(crate) fn size(&self, class: Class, path: &str) -> Option<u64> {
        let found = fs::metadata(self.folder(class).join(path)).ok()?;
        found.is_file().then_some(found.len())
    }

    /// Opens a file on the shelf.
    pub(crate) fn open(&self, class: Class, path: &str) -> io::Result<File> {
        File::open(self.folder(class).join(path))
    }

    /// Takes one file off the shelf.
    pub(crate) fn remove_file(&self, class: Class, path: &str) -> io::Result<()> {
        remove_if_there(&self.folder(class).join(path))
    }

    /// The blob that was verified last.
    pub(crate) fn scrubbed(&self, class: Class) -> Option<Digest> {
        fs::read_to_string(self.folder(class).join(SCRUBBED)).ok()?.parse().ok()
    }

    /// Notes which blob was verified last.
    pub(crate) fn set_scrubbed(&self, class: Class, last: &Digest) -> io::Result<()> {
        self.put_bytes(class, SCRUBBED, last.to_string().as_bytes())
    }

    /// Puts a file on the shelf that is never changed again, unless it is there: a hard link to `from` where the file
    /// system lets it, so that nothing is stored twice, else a copy.
    pub(crate) fn put_file(&self, class: Class, path: &str, from: &Path) -> io::Result<()> {
        let target = self.place(class, path)?;
        if target.is_file() {
            return Ok(());
        }
        match fs::hard_link(from, &target) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(_) => {
                let temporary = temporary(&target);
                fs::copy(from, &temporary)?;
                File::open(&temporary)?.sync_all()?;
                fs::rename(&temporary, &target)?;
            }
        }
        sync_above(&target)
    }

    /// Puts bytes on the shelf, whole or not at all.
    pub(crate) fn put_bytes(&self, class: Class, path: &str, bytes: &[u8]) -> io::Result<()> {
        let target = self.place(class, path)?;
        write_atomic(&target, bytes)
    }

    /// Switches to the content whose files are `files`, and removes what neither it nor the one before needs.
    pub(crate) fn switch(
        &self,
        class: Class,
        version: u64,
        files: BTreeSet<String>,
        timestamp: &[u8],
    ) -> io::Result<()> {
        let before = self.in_force(class).map(|in_force| in_force.files).unwrap_or_default();
        self.put_bytes(class, layout::TIMESTAMP, timestamp)?;
        let kept: BTreeSet<&str> = files.iter().chain(&before).map(String::as_str).collect();
        let folder = self.folder(class);
        let in_force = InForce { version, files: files.clone() };
        let bytes = serde_json::to_vec(&in_force).map_err(io::Error::other)?;
        write_atomic(&folder.join(IN_FORCE), &bytes)?;
        for below in [layout::METADATA_FOLDER, layout::TARGETS_FOLDER, layout::BLOBS_FOLDER] {
            remove_but(&folder, below, &|path| path == layout::TIMESTAMP || kept.contains(path))?;
        }
        Ok(())
    }

    fn in_force(&self, class: Class) -> Option<InForce> {
        let bytes = fs::read(self.folder(class).join(IN_FORCE)).ok()?;
        serde_json::from_slice(&bytes).ok()
    }

    fn place(&self, class: Class, path: &str) -> io::Result<PathBuf> {
        let target = self.folder(class).join(path);
        if let Some(above) = target.parent() {
            fs::create_dir_all(above)?;
        }
        Ok(target)
    }
}

#[derive(serde::Serialize, serde::Deserialize)]
struct InForce {
    version: u64,
    files: BTreeSet<String>,
}

fn write_atomic(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = temporary(path);
    let written = (|| {
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    })();
    if let Err(error) = written {
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    sync_above(path)
}

fn temporary(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".tmp");
    name.into()
}

fn sync_above(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |above| File::open(above)?.sync_all())
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// Removes every file below `root/below` that `keep` refuses; it is given the path from `root`.
fn remove_but(root: &Path, below: &str, keep: &dyn Fn(&str) -> bool) -> io::Result<()> {
    let entries = match fs::read_dir(root.join(below)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        let path = format!("{below}/{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            remove_but(root, &path, keep)?;
        } else if !keep(&path) {
            remove_if_there(&entry.path())?;
        }
    }
    Ok(())
}

fn bytes_below(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(found) if found.is_dir() => bytes_below(&entry.path()),
            Ok(found) => found.len(),
            Err(_) => 0,
        })
        .sum()
}
