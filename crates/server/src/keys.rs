//! Signing keys: one set of four a class, made on first start, each in its own file that only the owner may read.
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
    pub public: [(Role, PublicKey); 4],
}

/// Reads the keys of a class from its folder, making those that are missing.
///
/// # Errors
/// When a file cannot be read or written or is no key.
pub fn load_or_make(class: Class, folder: &Path) -> Result<ClassKeys> {
    let mut ring = KeyRing::new();
    let mut public = Vec::with_capacity(4);
    for role in Role::ALL {
        let key = load_or_make_one(class, &folder.join(format!("{role}.pem")))?;
        public.push((role, key.public()));
        ring.add(key);
    }
    let public = public.try_into().expect("there are four roles");
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
