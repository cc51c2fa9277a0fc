//! The folder of signing keys: one PEM file a key, named after the role it was made for, readable for its
//! owner alone. It stands apart from the repository, which the world may read.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use headwater_repo::{KeyRing, Role, SecretKey};

use crate::failure::{Exit, Failure};

/// A folder of keys, and the lock that keeps two writers of a repository apart.
#[derive(Debug)]
pub struct KeyFolder {
    path: PathBuf,
    _lock: File,
}

impl KeyFolder {
    /// Opens the folder; with `make`, makes it.
    pub fn open(path: &Path, make: bool) -> Result<Self, Failure> {
        if make {
            private_folder()
                .create(path)
                .map_err(|error| Failure::file("make the key folder", path, &error))?;
        } else if !path.is_dir() {
            return Err(Failure::bad_input(format!("there is no key folder {}", path.display()))
                .with_way_out("give --keys the folder that `headwater repo init` made"));
        }
        let lock_path = path.join("lock");
        let lock = private_file()
            .create(true)
            .truncate(false)
            .open(&lock_path)
            .map_err(|error| Failure::file("open", &lock_path, &error))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => {
                Err(Failure::failed(format!("the keys in {} are in use by another run", path.display()))
                    .with_way_out("wait until it has ended, then run this again"))
            }
            Err(TryLockError::Error(error)) => Err(Failure::file("lock", &lock_path, &error)),
        }
    }

    /// Makes a key for a role and writes it.
    pub fn make(&self, role: Role) -> Result<SecretKey, Failure> {
        let key =
            SecretKey::generate().map_err(|error| Failure::failed(format!("cannot make a key: {error}")))?;
        let id = key.id().to_string();
        let path = self.path.join(format!("{role}-{}.pem", &id[..12]));
        let write = || {
            let mut file = private_file().create_new(true).open(&path)?;
            file.write_all(key.to_pem().expose().as_bytes())?;
            file.sync_all()
        };
        write().map_err(|error| Failure::file("write", &path, &error))?;
        Ok(key)
    }

    /// All keys at hand. Offline keys may be elsewhere; what they are needed for says so then.
    pub fn ring(&self) -> Result<KeyRing, Failure> {
        let mut ring = KeyRing::new();
        let unreadable = |error| Failure::file("read the key folder", &self.path, &error);
        for entry in fs::read_dir(&self.path).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            if path.extension().is_none_or(|extension| extension != "pem") {
                continue;
            }
            let text = fs::read_to_string(&path).map_err(|error| Failure::file("read", &path, &error))?;
            let key = SecretKey::from_pem(&text).map_err(|error| {
                Failure::new(Exit::BadInput, format!("{} is not a key: {error}", path.display()))
            })?;
            ring.add(key);
        }
        Ok(ring)
    }
}

#[cfg(unix)]
fn private_folder() -> DirBuilder {
    use std::os::unix::fs::DirBuilderExt as _;
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder
}

#[cfg(not(unix))]
fn private_folder() -> DirBuilder {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    builder
}

#[cfg(unix)]
fn private_file() -> OpenOptions {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    options
}

#[cfg(not(unix))]
fn private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    options
}
