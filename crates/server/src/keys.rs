//! Signing keys: one set of four a class, made before the class is first published, each in its own file that only the owner may read.
//!
//! The root key stands beside the others for now, so that the server can renew its root by itself; with it a thief
//! of the data folder can sign anything. Moving it offline needs nothing but taking the file away.

use std::path::Path;

use headwater_policy::Class;
use headwater_repo::{KeyRing, PublicKey, Role, SecretKey};

use crate::data;
use crate::error::{Doing, Error, Result};

/// The keys of one class.
#[derive(Debug)]
pub struct ClassKeys {
    /// All of them.
    pub ring: KeyRing,
    /// Which key is which role's.
    pub public: Vec<(Role, PublicKey)>,
}

/// Reads the keys of a class from its folder. Those that are missing are made for a class that was never published;
/// for any other a new key would sign nothing, and only the root's may be away.
///
/// # Errors
/// When a file cannot be read or written, is no key, or is missed.
pub fn load_or_make(class: Class, folder: &Path, was_published: bool) -> Result<ClassKeys> {
    let mut ring = KeyRing::new();
    let mut public = Vec::with_capacity(4);
    for role in Role::ALL {
        let path = folder.join(format!("{role}.pem"));
        if was_published && !path.exists() {
            if role == Role::Root {
                continue;
            }
            return Err(Error::Repository {
                class,
                doing: "signing key",
                reason: format!(
                    "{} is missing, and nothing can be signed without it; put it back from a backup of the data folder",
                    path.display()
                ),
            });
        }
        let key = load_or_make_one(class, &path)?;
        public.push((role, key.public()));
        ring.add(key);
    }
    Ok(ClassKeys { ring, public })
}

fn load_or_make_one(class: Class, path: &Path) -> Result<SecretKey> {
    let failed = |reason: headwater_repo::KeyError| Error::Repository {
        class,
        doing: "signing key",
        reason: format!("{}: {reason}", path.display()),
    };
    match std::fs::read_to_string(path) {
        Ok(pem) => SecretKey::from_pem(&pem).map_err(failed),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let key = SecretKey::generate().map_err(failed)?;
            data::write_file(path, key.to_pem().expose().as_bytes())?;
            Ok(key)
        }
        Err(error) => Err(error).doing(|| format!("cannot read {}", path.display())),
    }
}
