//! The offline folder of one holder of root keys: an encrypted key for each class, and the roots that these have signed.
//!
//! | file | what |
//! | --- | --- |
//! | `{class}.pem` | the private key, encrypted |
//! | `public.json` | the public keys, for those who draft the next root |
//! | `roots/{class}/N.root.json` | signed roots: with them and the keys a lost server is restored |
//!
//! Each class has its own key: with one key for all, a source could pass the root of one class to clients of another.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use headwater_depot::files::refuse_root_in_folder_of_another;
use headwater_policy::Class;
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
    /// By class.
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
        Class::ALL.into_iter().any(|class| self.key_path(class).exists())
    }

    /// Makes the keys of `classes`. An existing key stays, if the passphrase opens it.
    pub fn make(&self, classes: &[Class], passphrase: &Passphrase) -> Result<HolderKeys, Failure> {
        refuse_root_in_folder_of_another(&self.path)
            .map_err(|refused| Failure::new(Exit::Disk, refused.to_string()))?;
        private_folder()
            .create(&self.path)
            .map_err(|error| Failure::file("make the key folder", &self.path, &error))?;
        let mut keys = HolderKeys { format: FORMAT, keys: BTreeMap::new() };
        for class in classes {
            let key = match self.key(*class, passphrase)? {
                Some(key) => key,
                None => self.make_one(*class, passphrase)?,
            };
            keys.keys.insert(class.to_string(), key.public().to_string());
        }
        let path = self.path.join("public.json");
        let text = serde_json::to_string_pretty(&keys).expect("strings are JSON") + "\n";
        write_private(&path, text.as_bytes())?;
        Ok(keys)
    }

    /// The key of a class; `None` if this holder has none.
    pub fn key(&self, class: Class, passphrase: &Passphrase) -> Result<Option<SecretKey>, Failure> {
        let path = self.key_path(class);
        if !path.exists() {
            return Ok(None);
        }
        let pem = read_text(&path)?;
        SecretKey::read(&pem, Some(passphrase))
            .map(Some)
            .map_err(|error| Failure::bad_input(format!("{}: {error}", path.display())))
    }

    /// Stores a signed root beside the keys.
    pub fn keep_root(&self, class: Class, root: &SignedRoot) -> Result<(), Failure> {
        let folder = self.path.join("roots").join(class.to_string());
        private_folder().create(&folder).map_err(|error| Failure::file("make folder", &folder, &error))?;
        write_private(&folder.join(format!("{}.root.json", root.version())), root.bytes())
    }

    /// The stored roots of a class, as files.
    pub fn roots(&self, class: Class) -> Result<Vec<Vec<u8>>, Failure> {
        let folder = self.path.join("roots").join(class.to_string());
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
        let class = carried.class;
        for bytes in self.roots(class)? {
            let Ok(kept) = SignedRoot::from_bytes(&bytes) else { continue };
            let is_same = UnsignedRoot::from_bytes(&bytes, Some(&carried.previous))
                .is_ok_and(|kept| carried.root.clone().merge(&kept).is_ok());
            if kept.version() >= carried.root.version() && !is_same {
                let folder = self.path.join("roots");
                return Err(Failure::failed(format!(
                    "these keys have signed another root {} of {class} before this root {}",
                    kept.version(),
                    carried.root.version()
                ))
                .with_hint(format!(
                    "when restoring, draft it again with `--newer-roots {0}`; if that other root was never published, remove it from {0}/{class}",
                    folder.display()
                )));
            }
        }
        Ok(())
    }

    fn make_one(&self, class: Class, passphrase: &Passphrase) -> Result<SecretKey, Failure> {
        let made = SecretKey::generate().and_then(|key| {
            let pem = key.to_encrypted_pem(passphrase, Cost::Offline)?;
            Ok((key, pem))
        });
        let (key, pem) = made.map_err(|error| Failure::failed(format!("cannot make a key: {error}")))?;
        write_private(&self.key_path(class), pem.as_bytes())?;
        Ok(key)
    }

    fn key_path(&self, class: Class) -> PathBuf {
        self.path.join(format!("{class}.pem"))
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

    /// The public key of a class.
    pub fn of(&self, class: Class) -> Result<PublicKey, Failure> {
        let key = self.keys.get(class.as_str()).ok_or_else(|| {
            Failure::bad_input(format!("the holder has no key of class {class}"))
                .with_hint("`headwater keys init` makes one for each class")
        })?;
        key.parse().map_err(|error| Failure::bad_input(format!("the holder's key of class {class}: {error}")))
    }
}
