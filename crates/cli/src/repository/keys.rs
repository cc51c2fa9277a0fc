//! The folder of signing keys: one PEM file a key, named after the role it was made for, readable for its
//! owner alone. It stands apart from the repository, which the world may read: see [`super::apart`].

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use headwater_repo::{KeyRing, Role, SecretKey, SignedRoot, sealed};
use secrecy::ExposeSecret as _;

use super::apart::refuse_keys_in;
use crate::terminal::failure::{Exit, Failure};
use crate::terminal::private::write_private;

/// A folder of keys, and the lock that keeps two writers of a repository apart.
#[derive(Debug)]
pub struct KeyFolder {
    path: PathBuf,
    _lock: File,
}

impl KeyFolder {
    /// Opens the folder of keys to what is published in `given_out`, apart from it; with `make`, makes it.
    pub fn open(path: &Path, given_out: &Path, make: bool) -> Result<Self, Failure> {
        refuse_keys_in(given_out, path)?;
        if make {
            private_folder()
                .create(path)
                .map_err(|error| Failure::file("make the key folder", path, &error))?;
        } else if !path.is_dir() {
            return Err(Failure::bad_input(format!("there is no key folder {}", path.display()))
                .with_hint("give --keys the folder that `headwater repo init` made"));
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
                    .with_hint("wait until it has ended, then run this again"))
            }
            Err(TryLockError::Error(error)) => Err(Failure::file("lock", &lock_path, &error)),
        }
    }

    /// Refuses a folder that has keys: who steals the keys of one repository should not have those of another.
    pub fn refuse_other_keys(&self) -> Result<(), Failure> {
        let unreadable = |error| Failure::file("read the key folder", &self.path, &error);
        for entry in fs::read_dir(&self.path).map_err(unreadable)? {
            if entry.map_err(unreadable)?.path().extension().is_some_and(|extension| extension == "pem") {
                let told = format!("{} has the keys of another repository", self.path.display());
                return Err(Failure::bad_input(told).with_hint("give --keys a folder of its own"));
            }
        }
        Ok(())
    }

    /// Makes a key for a role and writes it.
    pub fn make(&self, role: Role) -> Result<SecretKey, Failure> {
        let key = generate()?;
        write_private(&self.path_of(role, &key), key.to_pem().expose_secret().as_bytes())?;
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
            // One that is encrypted is a root key that somebody put here: it signs by `headwater keys`.
            if let Some(key) = read(&path)? {
                ring.add(key);
            }
        }
        for role in Role::ALL {
            if let Some(key) = read(&self.pending_path(role))? {
                ring.add(key);
            }
        }
        Ok(ring)
    }

    /// The key that will be `role`'s; the same one until a root with it is published, so that what a crash broke off is
    /// taken up again.
    pub fn pending(&self, role: Role) -> Result<SecretKey, Failure> {
        let path = self.pending_path(role);
        if let Some(key) = read(&path)? {
            return Ok(key);
        }
        let folder = self.path.join("pending");
        private_folder().create(&folder).map_err(|error| Failure::file("make folder", &folder, &error))?;
        let key = generate()?;
        write_private(&path, key.to_pem().expose_secret().as_bytes())?;
        Ok(key)
    }

    /// Moves pending keys that `root`, which is published, names to where they belong.
    pub fn settle(&self, root: &SignedRoot) -> Result<(), Failure> {
        for role in Role::ALL {
            let pending = self.pending_path(role);
            let Some(key) = read(&pending)?.filter(|key| root.key_ids(role).contains(&key.id())) else {
                continue;
            };
            let path = self.path_of(role, &key);
            fs::rename(&pending, &path).map_err(|error| Failure::file("write", &path, &error))?;
        }
        Ok(())
    }

    fn path_of(&self, role: Role, key: &SecretKey) -> PathBuf {
        self.path.join(format!("{role}-{}.pem", &key.id().to_string()[..12]))
    }

    fn pending_path(&self, role: Role) -> PathBuf {
        self.path.join("pending").join(format!("{role}.pem"))
    }
}

fn generate() -> Result<SecretKey, Failure> {
    SecretKey::generate().map_err(|error| Failure::failed(format!("cannot make a key: {error}")))
}

/// A plain key; none where there is no file, or an encrypted one.
fn read(path: &Path) -> Result<Option<SecretKey>, Failure> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Failure::file("read", path, &error)),
    };
    if sealed::is_encrypted(&text) {
        return Ok(None);
    }
    SecretKey::from_pem(&text)
        .map(Some)
        .map_err(|error| Failure::new(Exit::BadInput, format!("{} is not a key: {error}", path.display())))
}

/// Makes folders that only their owner may enter.
#[cfg(unix)]
pub fn private_folder() -> DirBuilder {
    use std::os::unix::fs::DirBuilderExt as _;
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder
}

#[cfg(not(unix))]
/// Makes folders that only their owner may enter.
pub fn private_folder() -> DirBuilder {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    builder
}

/// Makes files that only their owner may read.
#[cfg(unix)]
pub fn private_file() -> OpenOptions {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    options
}

#[cfg(not(unix))]
/// Makes files that only their owner may read.
pub fn private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    options
}
