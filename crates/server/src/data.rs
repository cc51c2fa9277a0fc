//! The data folder: what stands where, who may read it, and how a file is replaced.
//!
//! | path | what |
//! | --- | --- |
//! | `server.lock` | held while a server runs on this folder |
//! | `server.db` | the database, and beside it its log and its index; owner only |
//! | `keys/audit.key` | seals the end of the audit log; owner only |
//! | `keys/{repository}/{role}.pem` | signing keys, root's too until it moves offline; owner only |
//! | `keys/fleet/ca-{n}.pem` | the fleet CA, the newest alone (unless it is handed in); owner only |
//! | `keys/fleet/response-signing.pem` | signs the server\'s answers; owner only |
//! | `keys/fleet/enrolment-encryption.pem` | opens enrolments; owner only |
//! | `keys/fleet/former/` | replaced ones of these two that are still of use; owner only |
//! | `repository/{repository}/` | what the fleet listener serves |
//! | `uploads/` | archives being received; emptied at start |
//! | `vendor/` | metadata of the vendor source, as received |
//! | `console-ca.pem` | what the console's certificate is verified with, where the fleet CA issues it |
//! | `listening.json` | where the running server listens |
//! | `console.sock` | the local socket: a user who may open it is an administrator; owner only |

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use headwater_depot::files::{self, FileAccess};
use headwater_policy::Repository;
use headwater_repo::layout;

use crate::error::{Doing, Error, Result};

/// The data folder, locked.
#[derive(Debug)]
pub struct DataFolder {
    root: PathBuf,
    lock: File,
}

impl DataFolder {
    /// Makes the folder if it is missing, and locks it.
    ///
    /// # Errors
    /// When the folder cannot be made, root runs this in another user's, others may write in it, or another server runs on
    /// it.
    pub fn open(root: &Path) -> Result<Self> {
        files::refuse_root_in_folder_of_another(root)?;
        make_folder(root)?;
        refuse_a_shared_folder(root)?;
        let lock_path = root.join("server.lock");
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&lock_path)
            .doing(|| format!("cannot open {}", lock_path.display()))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => Error::FolderInUse { folder: root.to_owned() },
            TryLockError::Error(source) => {
                Error::Disk { doing: format!("cannot lock {}", lock_path.display()), source }
            }
        })?;
        Ok(Self { root: root.to_owned(), lock })
    }

    /// Removes what an earlier run left, and makes the folders that are missing: once the database is found sound.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn prepare(&self) -> Result<()> {
        let root = &self.root;
        // A program that waits for this file must not find that of an earlier run.
        files::remove_if_present(&self.listening())
            .doing(|| format!("cannot remove {}", self.listening().display()))?;
        self.remove_temporaries().doing(|| format!("cannot clean {}", root.display()))?;
        let uploads = self.uploads();
        files::remove_tree(&uploads).doing(|| format!("cannot empty {}", uploads.display()))?;
        make_folder(&uploads)?;
        Repository::ALL.into_iter().try_for_each(|repository| make_folder(&self.repository(repository)))
    }

    /// Removes the temporary files that a crash left where this program replaces files. A store clears its own.
    fn remove_temporaries(&self) -> std::io::Result<()> {
        files::remove_temporaries(&self.root)?;
        files::remove_temporaries_below(&self.all_keys())?;
        let parts = |repository| {
            [layout::METADATA_FOLDER, layout::TARGETS_FOLDER]
                .map(|part| self.repository(repository).join(part))
        };
        Repository::ALL
            .into_iter()
            .flat_map(parts)
            .try_for_each(|folder| files::remove_temporaries_below(&folder))
    }

    /// Lets another server run on the folder: this one has ended, though a thread of it may still hold the folder.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn unlock(&self) -> std::io::Result<()> {
        self.lock.unlock()
    }

    /// The folder itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The database's file.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.root.join("server.db")
    }

    /// The folder of a repository's signing keys.
    #[must_use]
    pub fn keys(&self, repository: Repository) -> PathBuf {
        self.root.join("keys").join(repository.as_str())
    }

    /// The folder of the keys by which the fleet knows the server.
    #[must_use]
    pub fn fleet_keys(&self) -> PathBuf {
        self.root.join("keys").join("fleet")
    }

    /// The folder of all keys.
    #[must_use]
    pub fn all_keys(&self) -> PathBuf {
        self.root.join("keys")
    }

    /// The key that seals the end of the audit log.
    #[must_use]
    pub fn audit_key(&self) -> PathBuf {
        self.root.join("keys").join("audit.key")
    }

    /// The local socket of the console plane.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.root.join("console.sock")
    }

    /// The folder of a repository.
    #[must_use]
    pub fn repository(&self, repository: impl Into<Repository>) -> PathBuf {
        self.root.join("repository").join(repository.into().as_str())
    }

    /// Archives being received.
    #[must_use]
    pub fn uploads(&self) -> PathBuf {
        self.root.join("uploads")
    }

    /// What is kept of the vendor source.
    #[must_use]
    pub fn vendor(&self) -> PathBuf {
        self.root.join("vendor")
    }

    /// What the console's certificate is verified with, where the fleet CA issues it: for `headwater login --ca`.
    #[must_use]
    pub fn console_ca(&self) -> PathBuf {
        self.root.join("console-ca.pem")
    }

    /// Where the running server listens.
    #[must_use]
    pub fn listening(&self) -> PathBuf {
        self.root.join("listening.json")
    }
}

/// Makes a folder, and those above it, that only the owner may enter.
pub fn make_folder(path: &Path) -> Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .doing(|| format!("cannot make folder {}", path.display()))
}

/// A user who may write in the folder may put another database or other keys in place, whatever their own modes are.
fn refuse_a_shared_folder(root: &Path) -> Result<()> {
    const GROUP_OR_OTHERS_WRITE: u32 = 0o022;
    let mode =
        fs::metadata(root).doing(|| format!("cannot look at {}", root.display()))?.permissions().mode();
    if mode & GROUP_OR_OTHERS_WRITE == 0 {
        return Ok(());
    }
    Err(Error::FolderShared { folder: root.to_owned(), mode: mode & 0o7777 })
}

/// Replaces a file so that a crash leaves the old or the new, and makes the new durable. Owner only.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path.parent().expect("files of the data folder stand in a folder");
    make_folder(folder)?;
    files::replace(path, bytes, FileAccess::Owner).doing(|| format!("cannot write {}", path.display()))
}

/// All files below a folder, in order of name.
pub fn files_below(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let (mut files, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                files.push(entry.path());
            }
        }
    }
    files.sort();
    Ok(files)
}

/// What the name of a data folder in the making ends with.
const RESTORING: &str = ".restoring";

/// Refuses a server on a restore that has not ended, and one in its place: it would be an unknown client to the fleet.
///
/// # Errors
/// [`Error::Backup`], with the hint.
pub fn refuse_unfinished(data: &Path) -> Result<()> {
    let is_unfinished = |folder: &Path| folder.to_string_lossy().trim_end_matches('/').ends_with(RESTORING);
    let folder = if is_unfinished(data) { data.to_owned() } else { staging(data) };
    if !folder.is_dir() || (folder != data && data.join("server.db").exists()) {
        return Ok(());
    }
    let reason = format!(
        "{} holds a restore that has not ended: run `headwater restore` again, or remove that folder to do without",
        folder.display()
    );
    Err(Error::Backup { reason })
}

/// Where a data folder is made.
pub fn staging(data: &Path) -> PathBuf {
    let mut name = data.file_name().unwrap_or_default().to_owned();
    name.push(RESTORING);
    data.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_crash_left_of_replaced_files_is_removed_at_the_next_start() {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
        DataFolder::open(folder.path()).unwrap().prepare().unwrap();
        let keys = folder.path().join("keys").join(Repository::Policy.as_str());
        let targets = folder.path().join("repository/components/targets/rules");
        for folder in [&keys, &targets] {
            make_folder(folder).unwrap();
        }
        let left = [folder.path().join("listening.json"), keys.join("root.pem"), targets.join("1.json")]
            .map(|path| files::temporary_beside(&path));
        left.iter().for_each(|path| fs::write(path, "half").unwrap());
        fs::write(keys.join("root.pem"), "whole").unwrap();
        DataFolder::open(folder.path()).unwrap().prepare().unwrap();
        assert!(left.iter().all(|path| !path.exists()));
        assert!(keys.join("root.pem").exists());
    }

    #[test]
    fn the_staging_folder_stands_beside_the_data_folder() {
        assert_eq!(staging(Path::new("/var/lib/headwater")), Path::new("/var/lib/headwater.restoring"));
        assert_eq!(staging(Path::new("data/")), Path::new("data.restoring"));
    }
}
