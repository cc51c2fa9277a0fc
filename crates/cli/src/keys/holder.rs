//! The offline folder of one holder of root keys: an encrypted key for each repository, and the roots that these have
//! signed.
//!
//! | file | what |
//! | --- | --- |
//! | `{repository}.pem` | the private key, encrypted |
//! | `public.json` | the public keys, for those who draft the next root |
//! | `roots/{repository}/N.root.json` | signed roots: with them and the keys a lost server is restored |
//!
//! Each repository has its own key: with one key for all, a source could pass the root of one repository to clients of another.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use headwater_depot::files::refuse_root_in_folder_of_another;
use headwater_policy::Repository;
use headwater_publisher::folder::private_folder;
use headwater_repo::{Cost, Passphrase, PublicKey, SecretKey, SignedRoot, UnsignedRoot};
use serde::{Deserialize, Serialize};

use super::roots::Carried;
use crate::terminal::failure::{Exit, Failure};
use crate::terminal::input::{read_json, read_text};
use crate::terminal::private::write_private;

const FORMAT: u32 = 1;

/// One holder's folder.
#[derive(Debug, Clone)]
pub struct HolderFolder {
    path: PathBuf,
}

/// The public keys of one holder, as `public.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HolderKeys {
    format: u32,
    /// By repository.
    pub keys: BTreeMap<String, String>,
}

impl HolderFolder {
    /// The folder at `path`, which may not exist yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it holds a key.
    pub fn has_keys(&self) -> bool {
        Repository::ALL.into_iter().any(|repository| self.key_path(repository).exists())
    }

    /// Makes the keys of `repositories`. An existing key stays, if the passphrase opens it.
    pub fn make(&self, repositories: &[Repository], passphrase: &Passphrase) -> Result<HolderKeys, Failure> {
        refuse_root_in_folder_of_another(&self.path)
            .map_err(|refused| Failure::new(Exit::Disk, refused.to_string()))?;
        private_folder()
            .create(&self.path)
            .map_err(|error| Failure::file("make the key folder", &self.path, &error))?;
        let mut keys = HolderKeys { format: FORMAT, keys: BTreeMap::new() };
        for repository in repositories {
            let key = match self.key(*repository, passphrase)? {
                Some(key) => key,
                None => self.make_one(*repository, passphrase)?,
            };
            keys.keys.insert(repository.to_string(), key.public().to_string());
        }
        let path = self.path.join("public.json");
        let text = serde_json::to_string_pretty(&keys).expect("strings are JSON") + "\n";
        write_private(&path, text.as_bytes())?;
        Ok(keys)
    }

    /// The key of a repository; `None` if this holder has none.
    pub fn key(&self, repository: Repository, passphrase: &Passphrase) -> Result<Option<SecretKey>, Failure> {
        let path = self.key_path(repository);
        if !path.exists() {
            return Ok(None);
        }
        let pem = read_text(&path)?;
        SecretKey::read(&pem, Some(passphrase))
            .map(Some)
            .map_err(|error| Failure::bad_input(format!("{}: {error}", path.display())))
    }

    /// Stores a signed root beside the keys.
    pub fn keep_root(&self, repository: Repository, root: &SignedRoot) -> Result<(), Failure> {
        let folder = self.path.join("roots").join(repository.to_string());
        private_folder().create(&folder).map_err(|error| Failure::file("make folder", &folder, &error))?;
        write_private(&folder.join(format!("{}.root.json", root.version())), root.bytes())
    }

    /// The stored roots of a repository, as files.
    pub fn roots(&self, repository: Repository) -> Result<Vec<Vec<u8>>, Failure> {
        let folder = self.path.join("roots").join(repository.to_string());
        if !folder.is_dir() {
            return Ok(Vec::new());
        }
        let unreadable = |error| Failure::file("list", &folder, &error);
        let mut roots = Vec::new();
        for entry in fs::read_dir(&folder).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            if path.to_string_lossy().ends_with(".root.json") {
                roots.push(read_text(&path)?.into_bytes());
            }
        }
        Ok(roots)
    }

    /// Refuses a root if these keys have signed another one of its version or a later one: clients that have that root would
    /// never follow this one.
    pub fn check_not_behind(&self, carried: &Carried) -> Result<(), Failure> {
        let repository = carried.repository;
        for bytes in self.roots(repository)? {
            let Ok(kept) = SignedRoot::from_bytes(&bytes) else { continue };
            let is_same = UnsignedRoot::from_bytes(&bytes, Some(&carried.previous))
                .is_ok_and(|kept| carried.root.clone().merge(&kept).is_ok());
            if kept.version() >= carried.root.version() && !is_same {
                let folder = self.path.join("roots");
                return Err(Failure::failed(format!(
                    "these keys have signed another root {} of {repository} before this root {}",
                    kept.version(),
                    carried.root.version()
                ))
                .with_hint(format!(
                    "when restoring, draft it again with `--newer-roots {0}`; if that other root was never published, remove it from {0}/{repository}",
                    folder.display()
                )));
            }
        }
        Ok(())
    }

    fn make_one(&self, repository: Repository, passphrase: &Passphrase) -> Result<SecretKey, Failure> {
        let made = SecretKey::generate().and_then(|key| {
            let pem = key.to_encrypted_pem(passphrase, Cost::Offline)?;
            Ok((key, pem))
        });
        let (key, pem) = made.map_err(|error| Failure::failed(format!("cannot make a key: {error}")))?;
        write_private(&self.key_path(repository), pem.as_bytes())?;
        Ok(key)
    }

    fn key_path(&self, repository: Repository) -> PathBuf {
        self.path.join(format!("{repository}.pem"))
    }
}

impl HolderKeys {
    /// Reads `public.json`, or that of a folder.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let path = if path.is_dir() { path.join("public.json") } else { path.to_owned() };
        let keys: Self = read_json(&path)?;
        if keys.format != FORMAT {
            return Err(Failure::bad_input(format!(
                "{} has a newer format than this program reads",
                path.display()
            ))
            .with_hint("update this program"));
        }
        Ok(keys)
    }

    /// The public key of a repository.
    pub fn of(&self, repository: Repository) -> Result<PublicKey, Failure> {
        let key = self.keys.get(repository.as_str()).ok_or_else(|| {
            Failure::bad_input(format!("the holder has no key of {repository}"))
                .with_hint("`headwater keys init` makes one for each repository")
        })?;
        key.parse().map_err(|error| Failure::bad_input(format!("the holder's key of {repository}: {error}")))
    }
}
