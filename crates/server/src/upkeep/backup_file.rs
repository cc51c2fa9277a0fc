//! The backup file: a tar that needs no other program to look into it.
//!
//! | member | what |
//! | --- | --- |
//! | `server.db` | the database at one moment, in the open; without the keys of confidential domains |
//! | `repository/{class}/…` | signed metadata and targets; blobs if they were asked for |
//! | `vendor/…` | what is kept of the vendor source |
//! | `keys.sealed` | the keys, encrypted with a passphrase; absent if they were left out |
//! | `backup.json` | last: every other member with its digest, so that a cut or changed file is found |
//!
//! Making one from a server that runs is `backup`'s; [`unpack`] is the beginning of [`crate::restore`].

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Component, Path};

use headwater_repo::{Digest, Hasher, KeyError, Passphrase, sealed};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::data::{files_below, make_folder};
use crate::error::{Doing, Error, Result};
use crate::limits::{BACKUP_KEY_BYTES_MAX, BACKUP_LISTING_BYTES_MAX, BACKUP_MEMBERS_MAX};

/// The format of [`Listing`].
pub const FORMAT: u32 = 1;
/// The member that is last.
pub const LISTING: &str = "backup.json";
/// The member with the keys.
pub const KEYS: &str = "keys.sealed";

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listing {
    /// [`FORMAT`].
    pub format: u32,
    /// When it was made.
    pub made: Timestamp,
    /// Version of the program that made it.
    pub program: String,
    /// Whether the bodies of releases are in it.
    pub bodies: bool,
    /// Every other member.
    pub files: BTreeMap<String, Member>,
}

/// One member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// Bytes.
    pub size: u64,
    /// SHA-256.
    pub sha256: Digest,
}

/// Writes the files below `folder` and their listing as a tar.
pub(crate) fn write_backup(
    folder: &Path,
    made: Timestamp,
    bodies: bool,
    out: impl Write,
) -> std::io::Result<()> {
    let mut listing = Listing {
        format: FORMAT,
        made,
        program: env!("CARGO_PKG_VERSION").to_owned(),
        bodies,
        files: BTreeMap::new(),
    };
    let mut tar = tar::Builder::new(out);
    for path in files_below(folder)? {
        let name = path.strip_prefix(folder).expect("it is below").to_string_lossy().into_owned();
        let file = File::open(&path)?;
        let size = file.metadata()?.len();
        let mut hashing = Hashing { file: file.take(size), hasher: Hasher::new() };
        tar.append_data(&mut header(size, made), &name, &mut hashing)?;
        listing.files.insert(name, Member { size, sha256: hashing.hasher.finish() });
    }
    let text = serde_json::to_vec_pretty(&listing).expect("our own messages have string keys only");
    tar.append_data(&mut header(text.len() as u64, made), LISTING, text.as_slice())?;
    tar.finish()
}

/// A folder of keys in one piece.
pub(crate) fn pack_keys(folder: &Path) -> Result<Vec<u8>> {
    let doing = || format!("cannot read the keys in {}", folder.display());
    let mut tar = tar::Builder::new(Vec::new());
    for path in files_below(folder).doing(doing)? {
        let name = path.strip_prefix(folder).expect("it is below").to_owned();
        let bytes = fs::read(&path).doing(doing)?;
        tar.append_data(&mut header(bytes.len() as u64, Timestamp::UNIX_EPOCH), name, bytes.as_slice())
            .doing(doing)?;
    }
    tar.into_inner().doing(doing)
}

/// Encrypts keys.
pub(crate) fn seal_keys(keys: &[u8], passphrase: &Passphrase) -> Result<Vec<u8>> {
    sealed::seal(keys, passphrase).map_err(|error| refused(format!("the keys cannot be encrypted: {error}")))
}

/// Unpacks a backup into `folder`, which is made, and checks all of it; keys that are in it are opened.
///
/// # Errors
/// [`Error::Backup`] for a file that is cut, changed or of a later version, and for a wrong passphrase; the disk.
pub fn unpack(backup: &Path, folder: &Path, passphrase: Option<&Passphrase>) -> Result<Listing> {
    unpack_within(backup, folder, passphrase, &Limits::default())
}

/// What a backup may ask of its reader.
#[derive(Debug, Clone)]
struct Limits {
    members: usize,
    listing_bytes: u64,
    key_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            members: BACKUP_MEMBERS_MAX,
            listing_bytes: BACKUP_LISTING_BYTES_MAX,
            key_bytes: BACKUP_KEY_BYTES_MAX,
        }
    }
}

fn unpack_within(
    backup: &Path,
    folder: &Path,
    passphrase: Option<&Passphrase>,
    limits: &Limits,
) -> Result<Listing> {
    make_folder(folder)?;
    let file = File::open(backup).doing(|| format!("cannot read {}", backup.display()))?;
    let mut tar = tar::Archive::new(file);
    let (mut found, mut listing) = (BTreeMap::new(), None);
    for entry in tar.entries().map_err(|error| unreadable(backup, true, &error))? {
        let mut entry = entry.map_err(|error| unreadable(backup, found.is_empty(), &error))?;
        let path = entry.path().map_err(|error| unreadable(backup, found.is_empty(), &error))?.into_owned();
        let name = member_name(&path, entry.header().entry_type())?;
        if listing.is_some() {
            return Err(refused(format!("{} has members that no backup has", backup.display())));
        }
        if name == LISTING {
            listing = Some(parse_listing(&read_within(&mut entry, &name, limits.listing_bytes)?)?);
        } else if found.len() >= limits.members {
            return Err(refused(format!("{} has more than {} members", backup.display(), limits.members)));
        } else {
            let member = extract(&mut entry, &folder.join(&name))?;
            if found.insert(name.clone(), member).is_some() {
                return Err(refused(format!("{name} is in the backup twice")));
            }
        }
    }
    let listing =
        listing.ok_or_else(|| refused(format!("{} is cut off: its listing is missing", backup.display())))?;
    if listing.files != found {
        let differs = |(name, member): &(&String, &Member)| listing.files.get(*name) != Some(*member);
        let which = found.iter().find(differs).map_or("a listed member", |(name, _)| name);
        return Err(refused(format!(
            "{} was damaged or changed: {which} is not as listed",
            backup.display()
        )));
    }
    let sealed = folder.join(KEYS);
    if sealed.exists() {
        open_keys(&sealed, &folder.join("keys"), passphrase, limits)?;
    }
    Ok(listing)
}

/// Never what is in the file: it may be anything, somebody's secrets too.
fn unreadable(backup: &Path, at_once: bool, error: &std::io::Error) -> Error {
    let path = backup.display();
    refused(match error.raw_os_error() {
        Some(_) => format!("{path} cannot be read: {error}"),
        None if at_once => format!("{path} is no backup: `headwater backup` makes one"),
        None => format!("{path} was damaged or cut off"),
    })
}

fn open_keys(
    sealed_keys: &Path,
    folder: &Path,
    passphrase: Option<&Passphrase>,
    limits: &Limits,
) -> Result<()> {
    let Some(passphrase) = passphrase else {
        return Err(Error::BackupPassphrase(KeyError::PassphraseNeeded));
    };
    let bytes = fs::read(sealed_keys).doing(|| format!("cannot read {}", sealed_keys.display()))?;
    let plain = sealed::open(&bytes, passphrase).map_err(|error| match error {
        KeyError::WrongPassphrase => Error::BackupPassphrase(error),
        other => refused(format!("the backup's keys cannot be opened: {other}")),
    })?;
    let damaged = |error: std::io::Error| refused(format!("the backup's keys cannot be read: {error}"));
    make_folder(folder)?;
    for entry in tar::Archive::new(plain.as_slice()).entries().map_err(damaged)? {
        let mut entry = entry.map_err(damaged)?;
        let path = entry.path().map_err(damaged)?.into_owned();
        let name = member_name(&path, entry.header().entry_type())?;
        let bytes = read_within(&mut entry, &name, limits.key_bytes)?;
        crate::data::write_file(&folder.join(name), &bytes)?;
    }
    fs::remove_file(sealed_keys).doing(|| format!("cannot remove {}", sealed_keys.display()))
}

fn read_within(entry: &mut impl Read, name: &str, bytes_max: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = entry.take(bytes_max + 1).read_to_end(&mut bytes);
    read.map_err(|error| refused(format!("{name} in the backup cannot be read: {error}")))?;
    if bytes.len() as u64 > bytes_max {
        return Err(refused(format!("{name} in the backup is longer than {bytes_max} bytes")));
    }
    Ok(bytes)
}

fn parse_listing(text: &[u8]) -> Result<Listing> {
    let listing: Listing =
        serde_json::from_slice(text).map_err(|error| refused(format!("the backup's listing: {error}")))?;
    if listing.format != FORMAT {
        return Err(refused("the backup is of a later version: update this program".to_owned()));
    }
    Ok(listing)
}

/// A member's name: a plain file below the folder, however the tar was made.
fn member_name(path: &Path, kind: tar::EntryType) -> Result<String> {
    let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
    match path.to_str().filter(|_| plain && kind == tar::EntryType::Regular) {
        Some(name) => Ok(name.to_owned()),
        None => Err(refused(format!("{} is no member of a backup", path.display()))),
    }
}

fn extract(entry: &mut impl Read, path: &Path) -> Result<Member> {
    let doing = || format!("cannot write {}", path.display());
    make_folder(path.parent().expect("members stand in a folder"))?;
    let mut file = File::create_new(path).doing(doing)?;
    let mut hashing = Hashing { file: entry, hasher: Hasher::new() };
    let size = std::io::copy(&mut hashing, &mut file).doing(doing)?;
    file.sync_all().doing(doing)?;
    Ok(Member { size, sha256: hashing.hasher.finish() })
}

fn header(size: u64, made: Timestamp) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_size(size);
    header.set_mode(0o600);
    header.set_mtime(u64::try_from(made.as_second()).unwrap_or(0));
    header
}

fn refused(reason: String) -> Error {
    Error::Backup { reason }
}

/// Hashes what is read through it.
struct Hashing<R> {
    file: R,
    hasher: Hasher,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn passphrase() -> Passphrase {
        Passphrase::new("a passphrase of tests".to_owned()).unwrap()
    }

    /// A backup of these files, with a key of so many bytes.
    fn backup(folder: &Path, files: usize, key_bytes: u64) -> PathBuf {
        let (keys, captured) = (folder.join("keys-now"), folder.join("captured"));
        fs::create_dir_all(&keys).unwrap();
        fs::create_dir_all(&captured).unwrap();
        fs::write(keys.join("root.pem"), vec![7; usize::try_from(key_bytes).unwrap()]).unwrap();
        fs::write(captured.join(KEYS), seal_keys(&pack_keys(&keys).unwrap(), &passphrase()).unwrap())
            .unwrap();
        for number in 1..files {
            fs::write(captured.join(format!("file{number}")), "content").unwrap();
        }
        let path = folder.join("backup.tar");
        write_backup(&captured, Timestamp::UNIX_EPOCH, false, File::create(&path).unwrap()).unwrap();
        path
    }

    #[test]
    fn a_backup_keeps_to_its_limits() {
        let small = Limits { members: 3, listing_bytes: 1000, key_bytes: 10 };
        let check = |files: usize, key_bytes: u64, limits: &Limits, word: Option<&str>| {
            let folder = tempfile::tempdir().unwrap();
            let path = backup(folder.path(), files, key_bytes);
            let unpacked = unpack_within(&path, &folder.path().join("new"), Some(&passphrase()), limits);
            match (unpacked, word) {
                (Ok(listing), None) => assert_eq!(listing.files.len(), files),
                (Err(error), Some(word)) => assert!(error.to_string().contains(word), "{error}"),
                (other, word) => panic!("{other:?}, {word:?}"),
            }
        };
        check(3, 10, &small, None);
        check(4, 10, &small, Some("more than 3 members"));
        check(3, 11, &small, Some("root.pem in the backup is longer than 10"));
        check(3, 10, &Limits { listing_bytes: 300, ..small }, Some("backup.json in the backup is longer"));
        let limits = Limits::default();
        assert_eq!((limits.members, limits.listing_bytes), (BACKUP_MEMBERS_MAX, BACKUP_LISTING_BYTES_MAX));
        check(1, BACKUP_KEY_BYTES_MAX, &limits, None);
        check(1, BACKUP_KEY_BYTES_MAX + 1, &limits, Some("longer than"));
    }

    #[test]
    fn nothing_of_a_file_that_is_no_backup_is_shown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes");
        fs::write(&path, "my secret is 4711\n".repeat(100)).unwrap();
        let message = unpack(&path, &folder.path().join("new"), None).unwrap_err().to_string();
        assert!(message.contains("is no backup") && !message.contains("secret"), "{message}");
    }

    #[test]
    fn members_that_lead_out_of_the_folder_are_refused() {
        let refused_name = |name: &str, kind| {
            let mut header = header(1, Timestamp::UNIX_EPOCH);
            header.set_entry_type(kind);
            header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_cksum();
            let mut tar = tar::Builder::new(Vec::new());
            tar.append(&header, &b"x"[..]).unwrap();
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("backup.tar");
            fs::write(&path, tar.into_inner().unwrap()).unwrap();
            let error = unpack(&path, &folder.path().join("new"), None).unwrap_err();
            assert!(error.to_string().contains("is no member of a backup"), "{name}: {error}");
            assert!(!folder.path().join("out").exists());
        };
        refused_name("../out", tar::EntryType::Regular);
        refused_name("/tmp/out", tar::EntryType::Regular);
        refused_name("link", tar::EntryType::Symlink);
        refused_name("folder", tar::EntryType::Directory);
    }
}
