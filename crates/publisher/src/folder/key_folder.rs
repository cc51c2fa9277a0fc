//! The folder of a static repository's keys: one PEM file a key, named after the role it was made for, readable for its
//! owner alone. It stands apart from the repository, which the world may read.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use headwater_depot::files::{self, FileAccess};
use headwater_repo::{KeyRing, Role, SecretKey, SignedRoot, sealed};
use secrecy::ExposeSecret as _;

use crate::{Error, Result};

/// A folder of keys, and the lock that keeps two writers of a repository apart.
#[derive(Debug)]
pub struct KeyFolder {
    path: PathBuf,
    _lock: File,
}

impl KeyFolder {
    /// Opens a folder of keys; with `make`, makes it.
    ///
    /// # Errors
    /// There is none; another run uses it; the disk refuses.
    pub fn open(path: &Path, make: bool) -> Result<Self> {
        files::refuse_root_in_folder_of_another(path)?;
        if make {
            private_folder().create(path).map_err(Error::file("make the key folder", path))?;
        } else if !path.is_dir() {
            return Err(Error::NoKeyFolder(path.to_owned()));
        }
        let lock_path = path.join("lock");
        let opened = private_file().create(true).truncate(false).open(&lock_path);
        let lock = opened.map_err(Error::file("open", &lock_path))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(Error::KeysInUse(path.to_owned())),
            Err(TryLockError::Error(error)) => Err(Error::file("lock", &lock_path)(error)),
        }
    }

    /// Refuses a folder that has keys: who steals the keys of one repository should not have those of another.
    ///
    /// # Errors
    /// It has keys; it cannot be listed.
    pub fn refuse_other_keys(&self) -> Result<()> {
        match self.files()?.is_empty() {
            true => Ok(()),
            false => Err(Error::KeysOfAnother(self.path.clone())),
        }
    }

    /// Makes a key for a role and writes it.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn make(&self, role: Role) -> Result<SecretKey> {
        let key = generate()?;
        write(&self.path_of(role, &key), &key)?;
        Ok(key)
    }

    /// All keys of the folder. Offline keys may be elsewhere; what they are needed for reports it then.
    ///
    /// # Errors
    /// A file cannot be read, or is no key.
    pub fn ring(&self) -> Result<KeyRing> {
        let mut ring = KeyRing::new();
        let pending = Role::ALL.map(|role| self.pending_path(role));
        for path in self.files()?.into_iter().chain(pending) {
            // One that is encrypted is a root key that somebody put here: it signs by `headwater keys`.
            if let Some(key) = read(&path)? {
                ring.add(key);
            }
        }
        Ok(ring)
    }

    /// The key that will be `role`'s; the same one until a root with it is published, so that what a crash broke off is
    /// taken up again.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn pending(&self, role: Role) -> Result<SecretKey> {
        let path = self.pending_path(role);
        if let Some(key) = read(&path)? {
            return Ok(key);
        }
        let folder = self.path.join("pending");
        private_folder().create(&folder).map_err(Error::file("make", &folder))?;
        let key = generate()?;
        write(&path, &key)?;
        Ok(key)
    }

    /// Moves pending keys that `root`, which is published, names to where they belong.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn activate(&self, root: &SignedRoot) -> Result<()> {
        for role in Role::ALL {
            let pending = self.pending_path(role);
            let Some(key) = read(&pending)?.filter(|key| root.key_ids(role).contains(&key.id())) else {
                continue;
            };
            let path = self.path_of(role, &key);
            fs::rename(&pending, &path).map_err(Error::file("write", &path))?;
        }
        Ok(())
    }

    /// The files of keys in force.
    fn files(&self) -> Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(Error::file("read the key folder", &self.path))? {
            let path = entry.map_err(Error::file("read the key folder", &self.path))?.path();
            files.extend(path.extension().is_some_and(|extension| extension == "pem").then_some(path));
        }
        Ok(files)
    }

    fn path_of(&self, role: Role, key: &SecretKey) -> PathBuf {
        self.path.join(format!("{role}-{}.pem", &key.id().to_string()[..12]))
    }

    fn pending_path(&self, role: Role) -> PathBuf {
        self.path.join("pending").join(format!("{role}.pem"))
    }
}

fn generate() -> Result<SecretKey> {
    SecretKey::generate().map_err(|error| Error::Keys(format!("cannot make a key: {error}")))
}

fn write(path: &Path, key: &SecretKey) -> Result<()> {
    let pem = key.to_pem();
    files::replace(path, pem.expose_secret().as_bytes(), FileAccess::Owner)
        .map_err(Error::file("write", path))
}

/// A plain key. `None` if there is no file, or an encrypted one.
fn read(path: &Path) -> Result<Option<SecretKey>> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::file("read", path)(error)),
    };
    if sealed::is_encrypted(&text) {
        return Ok(None);
    }
    let key = SecretKey::from_pem(&text);
    key.map(Some).map_err(|error| Error::Keys(format!("{} is not a key: {error}", path.display())))
}

/// Makes folders that only their owner may enter.
pub fn private_folder() -> DirBuilder {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
}

/// Makes files that only their owner may read.
fn private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}
