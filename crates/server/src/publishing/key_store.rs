//! The signing keys of a repository: files that only the owner may read, plain or encrypted with one passphrase for all.
//!
//! | file in `keys/{repository}/` | what |
//! | --- | --- |
//! | `targets.pem`, `snapshot.pem`, `timestamp.pem` | the online keys in force |
//! | `root.pem` | the root key, until `headwater keys init` moves it offline |
//! | `pending/{role}.pem` | a key made for a root that the root keys have yet to sign |
//! | `retired/{role}-until-{second}-{id}.pem` | signs beside its successor until then |
//!
//! A new root is in force at the moment of its publication. [`KeyStore::activate`] moves the files after it, and does at the
//! next start what a crash kept it from.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use headwater_policy::Repository;
use headwater_publisher::SigningKeys;
use headwater_repo::{Cost, KeyError, KeyId, Passphrase, PublicKey, Role, SecretKey, SignedRoot, sealed};
use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret as _;

use crate::data;
use crate::error::{Doing, Error, Result};
use crate::limits::RETIRED_KEY_SECONDS;

/// The roles whose keys the server holds.
pub const ONLINE_ROLES: [Role; 3] = [Role::Targets, Role::Snapshot, Role::Timestamp];

/// The folder of a repository's keys.
#[derive(Debug, Clone)]
pub struct KeyStore {
    repository: Repository,
    folder: PathBuf,
    passphrase: Option<Arc<Passphrase>>,
}

/// The keys of one repository, in memory.
#[derive(Debug)]
pub struct RepositoryKeys {
    /// All of them; the online keys in force and those retired lately sign.
    pub signing: Arc<SigningKeys>,
    /// The root key that stands beside the others.
    pub root: Option<PublicKey>,
    /// Retired keys and until when they sign.
    pub retired: Vec<(Role, KeyId, Timestamp)>,
}

impl KeyStore {
    /// The keys of `repository` in `folder`.
    pub fn new(repository: Repository, folder: PathBuf, passphrase: Option<Arc<Passphrase>>) -> Self {
        Self { repository, folder, passphrase }
    }

    /// Makes the keys of a repository that was never published; those that are there stay. Root's is among them, so that a
    /// first start needs no ceremony.
    ///
    /// # Errors
    /// When a file cannot be read or written, or is no key.
    pub fn make(&self) -> Result<Vec<(Role, PublicKey)>> {
        let public = |role| Ok((role, self.read_or_make(&self.path(role))?.public()));
        Role::ALL.into_iter().map(public).collect()
    }

    /// Reads all keys.
    ///
    /// # Errors
    /// When a file cannot be read or is no key.
    pub fn load(&self) -> Result<RepositoryKeys> {
        let (mut signing, mut root_key, mut all_retired) = (SigningKeys::default(), None, Vec::new());
        for role in Role::ALL {
            if let Some(key) = self.read(&self.path(role))? {
                match role {
                    Role::Root => root_key = Some(key.public()),
                    // Under a new root this one has lost its role, and signs beside its successor.
                    _ => signing.retired.push((role, key.id())),
                }
                signing.ring.add(key);
            }
        }
        for role in ONLINE_ROLES {
            if let Some(key) = self.read(&self.pending_path(role))? {
                signing.ring.add(key);
            }
        }
        for (role, until, path) in self.retired()? {
            if let Some(key) = self.read(&path)? {
                signing.retired.push((role, key.id()));
                all_retired.push((role, key.id(), until));
                signing.ring.add(key);
            }
        }
        Ok(RepositoryKeys { signing: Arc::new(signing), root: root_key, retired: all_retired })
    }

    /// Refuses keys of which an online one is missing to sign under `root`.
    ///
    /// # Errors
    /// [`Error::Repository`], naming the file.
    pub fn check(&self, keys: &RepositoryKeys, root: &SignedRoot) -> Result<()> {
        for role in ONLINE_ROLES {
            if !keys.signing.ring.reaches(root.key_ids(role), root.threshold(role)) {
                let path = self.path(role);
                let what = if path.exists() { "is not the key that the root names" } else { "is missing" };
                let reason = format!(
                    "{} {what}, and nothing can be signed without it; put it back from a backup of the data folder, or \
                     `headwater restore` a backup with new keys",
                    path.display()
                );
                return Err(Error::Repository { repository: self.repository, doing: "signing key", reason });
            }
        }
        Ok(())
    }

    /// The key that will be `role`'s; the same one until a root with it is published.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn pending(&self, role: Role) -> Result<PublicKey> {
        Ok(self.read_or_make(&self.pending_path(role))?.public())
    }

    /// Moves the files to where they belong under `root`, which is published. May be repeated; a crash in the middle is
    /// made good by the next call.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn activate(&self, root: &SignedRoot, now: Timestamp) -> Result<()> {
        for role in ONLINE_ROLES {
            let (path, pending) = (self.path(role), self.pending_path(role));
            let Some(next) = self.read(&pending)? else { continue };
            if !root.key_ids(role).contains(&next.id()) {
                continue;
            }
            if let Some(before) = self.read(&path)?.filter(|key| !root.key_ids(role).contains(&key.id())) {
                self.retire(role, &before, &path, now)?;
            }
            rename(&pending, &path)?;
        }
        let path = self.path(Role::Root);
        if self.read(&path)?.is_some_and(|key| !root.key_ids(Role::Root).contains(&key.id())) {
            remove(&path)?;
        }
        for (_, until, path) in self.retired()? {
            if until <= now {
                remove(&path)?;
            }
        }
        Ok(())
    }

    fn retire(&self, role: Role, key: &SecretKey, path: &Path, now: Timestamp) -> Result<()> {
        let until = now + SignedDuration::from_secs(RETIRED_KEY_SECONDS);
        let id = key.id().to_string();
        let folder = self.folder.join("retired");
        data::make_folder(&folder)?;
        rename(path, &folder.join(format!("{role}-until-{}-{}.pem", until.as_second(), &id[..12])))
    }

    fn retired(&self) -> Result<Vec<(Role, Timestamp, PathBuf)>> {
        let folder = self.folder.join("retired");
        if !folder.exists() {
            return Ok(Vec::new());
        }
        let failed = || format!("cannot list {}", folder.display());
        let mut retired = Vec::new();
        for entry in fs::read_dir(&folder).doing(failed)? {
            let path = entry.doing(failed)?.path();
            let parsed = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| {
                let (role, rest) = stem.split_once("-until-")?;
                let role = ONLINE_ROLES.into_iter().find(|online| online.name() == role)?;
                let until = rest.split_once('-')?.0.parse().ok()?;
                Some((role, Timestamp::from_second(until).ok()?))
            });
            if let Some((role, until)) = parsed {
                retired.push((role, until, path));
            }
        }
        retired.sort_by_key(|(role, until, _)| (*role, *until));
        Ok(retired)
    }

    fn path(&self, role: Role) -> PathBuf {
        self.folder.join(format!("{role}.pem"))
    }

    fn pending_path(&self, role: Role) -> PathBuf {
        self.folder.join("pending").join(format!("{role}.pem"))
    }

    fn read_or_make(&self, path: &Path) -> Result<SecretKey> {
        if let Some(key) = self.read(path)? {
            return Ok(key);
        }
        let key = SecretKey::generate().map_err(|reason| self.failed(path, &reason))?;
        self.write(path, &key)?;
        Ok(key)
    }

    /// Reads a key. One that was plain is encrypted now, if there is a passphrase.
    fn read(&self, path: &Path) -> Result<Option<SecretKey>> {
        let pem = match fs::read_to_string(path) {
            Ok(pem) => pem,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).doing(|| format!("cannot read {}", path.display())),
        };
        let key =
            SecretKey::read(&pem, self.passphrase.as_deref()).map_err(|reason| self.failed(path, &reason))?;
        if self.passphrase.is_some() && !sealed::is_encrypted(&pem) {
            self.write(path, &key)?;
        }
        Ok(Some(key))
    }

    fn write(&self, path: &Path, key: &SecretKey) -> Result<()> {
        match &self.passphrase {
            None => data::write_file(path, key.to_pem().expose_secret().as_bytes()),
            Some(passphrase) => {
                let pem = key.to_encrypted_pem(passphrase, Cost::Online);
                data::write_file(path, pem.map_err(|reason| self.failed(path, &reason))?.as_bytes())
            }
        }
    }

    fn failed(&self, path: &Path, reason: &KeyError) -> Error {
        let hint = match reason {
            KeyError::PassphraseNeeded | KeyError::WrongPassphrase => {
                "; keys_passphrase_file names the file with it"
            }
            _ => "",
        };
        let reason = format!("{}: {reason}{hint}", path.display());
        Error::Repository { repository: self.repository, doing: "signing key", reason }
    }
}

fn rename(from: &Path, to: &Path) -> Result<()> {
    fs::rename(from, to).doing(|| format!("cannot move {} to {}", from.display(), to.display()))?;
    for folder in [from, to].map(|path| path.parent().expect("key files stand in a folder")) {
        fs::File::open(folder)
            .and_then(|folder| folder.sync_all())
            .doing(|| format!("cannot sync {}", folder.display()))?;
    }
    Ok(())
}

fn remove(path: &Path) -> Result<()> {
    fs::remove_file(path).doing(|| format!("cannot remove {}", path.display()))
}
