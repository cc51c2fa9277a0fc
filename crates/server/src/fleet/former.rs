//! Keys of the fleet that were replaced and are of use for a while, in `keys/fleet/former/`.
//!
//! | file | what |
//! | --- | --- |
//! | `response-signing-{second}.pem` | replaced then; signs answers for clients that have not learnt of the newer one |
//! | `enrolment-encryption-until-{second}.pem` | opens enrolments by bundles that name it; the last of them ends then |

use std::path::{Path, PathBuf};

use headwater_identity::limits::RESPONSE_SIGNING_KEYS_FORMER_MAX;
use headwater_identity::{EncryptionKey, ResponseSigningKey};
use jiff::Timestamp;
use secrecy::ExposeSecret as _;

use super::key_files::read_key;
use crate::data;
use crate::error::{Doing, Result};

const RESPONSE_SIGNING: &str = "response-signing-";
const ENROLMENT_ENCRYPTION: &str = "enrolment-encryption-until-";

/// The response-signing keys, the one replaced last first; files beyond their number are removed.
pub fn response_signing_keys(keys: &Path) -> Result<Vec<ResponseSigningKey>> {
    let mut files = files(keys, RESPONSE_SIGNING)?;
    files.sort_by_key(|(second, _)| std::cmp::Reverse(*second));
    for (_, path) in files.drain(files.len().min(RESPONSE_SIGNING_KEYS_FORMER_MAX)..) {
        remove(&path)?;
    }
    files.iter().map(|(_, path)| read_key(path, ResponseSigningKey::from_pem)).collect()
}

/// When the response-signing key was replaced that one more rotation drops; `None` as long as there is room for another.
pub fn response_signing_key_dropped_next(keys: &Path) -> Result<Option<Timestamp>> {
    let mut seconds: Vec<i64> =
        files(keys, RESPONSE_SIGNING)?.into_iter().map(|(second, _)| second).collect();
    seconds.sort_by_key(|second| std::cmp::Reverse(*second));
    let oldest = seconds.get(RESPONSE_SIGNING_KEYS_FORMER_MAX - 1);
    Ok(oldest.and_then(|second| Timestamp::from_second(*second).ok()))
}

/// The encryption keys that bundles still name; files of the others are removed.
pub fn encryption_keys(keys: &Path, now: Timestamp) -> Result<Vec<EncryptionKey>> {
    let mut held = Vec::new();
    for (until, path) in files(keys, ENROLMENT_ENCRYPTION)? {
        match until >= now.as_second() {
            true => held.push(read_key(&path, EncryptionKey::from_pem)?),
            false => remove(&path)?,
        }
    }
    Ok(held)
}

/// Keeps a response-signing key that is replaced now.
pub fn keep_response_signing_key(keys: &Path, key: &ResponseSigningKey, now: Timestamp) -> Result<()> {
    data::write_file(&unused(keys, RESPONSE_SIGNING, now), key.to_pem().expose_secret().as_bytes())
}

/// Keeps an encryption key until the last bundle that names it ends.
pub fn keep_encryption_key(keys: &Path, key: &EncryptionKey, until: Timestamp) -> Result<()> {
    data::write_file(&unused(keys, ENROLMENT_ENCRYPTION, until), key.to_pem().expose_secret().as_bytes())
}

/// The path of a second; the next one if that is taken.
fn unused(keys: &Path, kind: &str, time: Timestamp) -> PathBuf {
    (time.as_second()..)
        .map(|second| folder(keys).join(format!("{kind}{second}.pem")))
        .find(|path| !path.exists())
        .expect("seconds do not run out")
}

fn folder(keys: &Path) -> PathBuf {
    keys.join("former")
}

/// The files of a kind, with the second in their names.
fn files(keys: &Path, kind: &str) -> Result<Vec<(i64, PathBuf)>> {
    let folder = folder(keys);
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let failed = || format!("cannot list {}", folder.display());
    let mut files = Vec::new();
    for entry in std::fs::read_dir(&folder).doing(failed)? {
        let path = entry.doing(failed)?.path();
        let second = path.file_stem().and_then(|stem| stem.to_str()?.strip_prefix(kind)?.parse().ok());
        files.extend(second.map(|second| (second, path)));
    }
    Ok(files)
}

fn remove(path: &Path) -> Result<()> {
    std::fs::remove_file(path).doing(|| format!("cannot remove {}", path.display()))
}
