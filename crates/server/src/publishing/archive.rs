//! From an archive to stored bodies: what an administrator uploads is taken apart here, and only here.
//!
//! A tar (plain or gzip) or zip is read entry by entry; each regular file becomes one body in the class's store.
//! Anything that is neither a regular file nor a folder is refused by name, as is any path that could leave the
//! release's folder. Bodies stored before a refusal are collected as garbage.

use std::cell::Cell;
use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::rc::Rc;

use flate2::read::MultiGzDecoder;
use headwater_depot::store::Store;
use headwater_publisher::{
    Content, ContentLimits, Error as PublishError, Packer, Result as PublishResult, StoredFile,
};
use headwater_repo::FilePath;
use headwater_repo::limits::FILES_MAX;

use crate::error::{Error, Refusal, Result};
use crate::limits::{RELEASE_BYTES_MAX, TAR_HEADER_BYTES_MAX};

/// How an archive is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A plain tar.
    Tar,
    /// A tar in gzip.
    TarGzip,
    /// A zip.
    Zip,
}

impl Format {
    /// Parses `tar`, `tar.gz` (or `tgz`), `zip`.
    ///
    /// # Errors
    /// Any other word.
    pub fn parse(text: &str) -> Result<Self> {
        match text {
            "tar" => Ok(Self::Tar),
            "tar.gz" | "tgz" => Ok(Self::TarGzip),
            "zip" => Ok(Self::Zip),
            other => {
                Err(Refusal::invalid(format!("format `{other}` is unknown; use tar, tar.gz or zip")).into())
            }
        }
    }

    fn of_first_bytes(first: [u8; 4]) -> Self {
        match first {
            [0x1f, 0x8b, ..] => Self::TarGzip,
            [b'P', b'K', 3, 4] | [b'P', b'K', 5, 6] => Self::Zip,
            _ => Self::Tar,
        }
    }
}

/// An uploaded archive, to be taken apart.
#[derive(Debug)]
pub struct Archive {
    /// It.
    pub file: File,
    /// How it is packed. `None` if its first bytes show it.
    pub format: Option<Format>,
    /// What a release may have.
    pub limits: ContentLimits,
}

impl Content for Archive {
    fn store(&self, store: &Store) -> PublishResult<Vec<StoredFile>> {
        let files = self.take_apart(store)?;
        fail::fail_point!("publishing::bodies_stored", |_| Err(PublishError::of_destination(
            Error::Interrupted
        )));
        Ok(files)
    }
}

impl Archive {
    /// With the limits that every release has.
    pub fn new(file: File, format: Option<Format>) -> Self {
        let limits = ContentLimits { files: FILES_MAX, bytes: RELEASE_BYTES_MAX };
        Self { file, format, limits }
    }

    /// Takes it apart. Blocks: it reads, compresses and writes.
    fn take_apart(&self, store: &Store) -> PublishResult<Vec<StoredFile>> {
        let mut archive = &self.file;
        let mut first = [0; 4];
        let _short_is_no_archive = archive.read(&mut first).map_err(unreadable)?;
        archive.rewind().map_err(unreadable)?;
        let mut release = Release { packer: Packer::new(store, self.limits), limits: self.limits };
        match self.format.unwrap_or_else(|| Format::of_first_bytes(first)) {
            Format::Tar => from_tar(BufReader::new(archive), &mut release)?,
            Format::TarGzip => from_tar(MultiGzDecoder::new(BufReader::new(archive)), &mut release)?,
            Format::Zip => from_zip(BufReader::new(archive), &mut release)?,
        }
        if release.packer.is_empty() {
            return Err(refused("it holds no file; a release has at least one".to_owned()));
        }
        release.packer.finish()
    }
}

/// A release as far as it was read.
struct Release<'a> {
    packer: Packer<'a>,
    limits: ContentLimits,
}

impl Release<'_> {
    fn add(&mut self, path: FilePath, executable: bool, size: u64, content: impl Read) -> PublishResult<()> {
        self.packer.add(path, executable, size, content)
    }
}

/// What cannot be in a release.
fn refused(reason: String) -> PublishError {
    PublishError::of_destination(Error::from(Refusal::Archive(reason)))
}

fn from_tar(reader: impl Read, release: &mut Release<'_>) -> PublishResult<()> {
    let meter = Meter::default();
    let mut archive = tar::Archive::new(Metered { reader, meter: meter.clone() });
    let mut entries = archive.entries().map_err(unreadable)?;
    let mut entries_left = release.limits.files.saturating_mul(2);
    loop {
        // The headers of an entry, long names and extensions included, are read whole into memory.
        meter.left.set(TAR_HEADER_BYTES_MAX);
        let Some(entry) = entries.next() else { break };
        let entry = entry.map_err(unreadable)?;
        meter.left.set(u64::MAX);
        entries_left = entries_left.checked_sub(1).ok_or_else(|| too_many_files(release.limits))?;
        add_from_tar(entry, release)?;
    }
    if meter.ended.get() && !release.packer.is_empty() {
        return Err(refused(
            "it ends without the mark that ends a tar, so a part of it may be missing; make it or copy it again"
                .to_owned(),
        ));
    }
    // To the end, for the checksum that stands there in gzip.
    meter.left.set(release.limits.bytes.saturating_add(TAR_HEADER_BYTES_MAX));
    std::io::copy(&mut archive.into_inner(), &mut std::io::sink()).map_err(unreadable)?;
    Ok(())
}

fn add_from_tar(entry: tar::Entry<'_, impl Read>, release: &mut Release<'_>) -> PublishResult<()> {
    let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
    let kind = entry.header().entry_type();
    if kind.is_dir() || kind.is_pax_global_extensions() {
        return Ok(());
    }
    if !kind.is_file() {
        return Err(refused(format!(
            "{name}: it is {}, and a release has regular files only; leave it out",
            tar_kind(kind)
        )));
    }
    let path = file_path(&entry.path_bytes())?;
    let executable = entry.header().mode().is_ok_and(|mode| mode & 0o111 != 0);
    let size = entry.size();
    release.add(path, executable, size, entry)
}

/// What may still be read of an archive at this point of it, and whether it has come to its end.
#[derive(Debug, Clone, Default)]
struct Meter {
    left: Rc<Cell<u64>>,
    ended: Rc<Cell<bool>>,
}

/// A reader that keeps to its meter.
struct Metered<R> {
    reader: R,
    meter: Meter,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let left = self.meter.left.get();
        if left == 0 && !buffer.is_empty() {
            return Err(std::io::Error::other("a name, an extension or the padding in it is too long"));
        }
        let wanted = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let got = self.reader.read(&mut buffer[..wanted])?;
        self.meter.left.set(left - got as u64);
        self.meter.ended.set(got == 0 && !buffer.is_empty());
        Ok(got)
    }
}

fn tar_kind(kind: tar::EntryType) -> &'static str {
    match kind {
        tar::EntryType::Symlink => "a symbolic link",
        tar::EntryType::Link => "a hard link",
        tar::EntryType::Char | tar::EntryType::Block => "a device",
        tar::EntryType::Fifo => "a named pipe",
        _ => "of a special kind",
    }
}

fn from_zip(reader: impl Read + Seek, release: &mut Release<'_>) -> PublishResult<()> {
    let mut archive = zip::ZipArchive::new(reader).map_err(bad_zip)?;
    if archive.len() > release.limits.files.saturating_mul(2) {
        return Err(too_many_files(release.limits));
    }
    for index in 0..archive.len() {
        let file = archive.by_index(index).map_err(bad_zip)?;
        if file.is_dir() {
            continue;
        }
        let kind = file.unix_mode().map_or(REGULAR, |mode| mode & KIND);
        if kind != REGULAR && kind != 0 {
            return Err(refused(format!(
                "{}: it is a symbolic link or a special file, and a release has regular files only; leave it out",
                String::from_utf8_lossy(file.name_raw())
            )));
        }
        let path = file_path(file.name_raw())?;
        let executable = file.unix_mode().is_some_and(|mode| mode & 0o111 != 0);
        let size = file.size();
        release.add(path, executable, size, file)?;
    }
    Ok(())
}

/// The bits of a Unix mode that say what kind of file it is, and those of a regular file.
const KIND: u32 = 0o170_000;
const REGULAR: u32 = 0o100_000;

fn file_path(bytes: &[u8]) -> PublishResult<FilePath> {
    let text = std::str::from_utf8(bytes).map_err(|_| {
        refused(format!("{}: the name is not UTF-8; rename it", String::from_utf8_lossy(bytes)))
    })?;
    let text = text.strip_prefix("./").unwrap_or(text);
    FilePath::new(text).map_err(|error| refused(error.to_string()))
}

fn unreadable(error: std::io::Error) -> PublishError {
    refused(format!("it cannot be read: {error}; give a whole tar, tar.gz or zip"))
}

fn bad_zip(error: zip::result::ZipError) -> PublishError {
    refused(format!("it cannot be read: {error}; give a whole tar, tar.gz or zip"))
}

fn too_many_files(limits: ContentLimits) -> PublishError {
    PublishError::TooLarge { what: "the number of files", limit: limits.files as u64, unit: "files" }
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, Write};

    use headwater_policy::Class;

    use super::*;
    use crate::publishing::failures::of_publisher;

    fn store_archive(file: File, store: &Store, limits: ContentLimits) -> Result<Vec<StoredFile>> {
        let archive = Archive { file, format: None, limits };
        archive.store(store).map_err(|error| of_publisher(Class::Components, error))
    }

    fn tar_bytes(files: &[(&str, usize)]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, size) in files {
            let mut header = tar::Header::new_ustar();
            header.set_size(*size as u64);
            builder.append_data(&mut header, path, vec![7; *size].as_slice()).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn file_of(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file.rewind().unwrap();
        file
    }

    fn tar_of(files: &[(&str, usize)]) -> File {
        file_of(&tar_bytes(files))
    }

    fn refused(archive: &[u8], reason: &str) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), None).unwrap();
        let limits = ContentLimits { files: 2, bytes: 1 << 30 };
        let error = store_archive(file_of(archive), &store, limits).unwrap_err();
        assert!(error.to_string().contains(reason), "{error}");
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn the_headers_of_an_entry_keep_to_their_limit() {
        let check = |kind: tar::EntryType, excess: usize| {
            let content = vec![b'a'; usize::try_from(TAR_HEADER_BYTES_MAX).unwrap() + excess];
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(kind);
            header.set_size(content.len() as u64);
            header.set_path("long").unwrap();
            header.set_cksum();
            let mut builder = tar::Builder::new(Vec::new());
            builder.append(&header, content.as_slice()).unwrap();
            let mut archive = builder.into_inner().unwrap();
            archive.truncate(archive.len() - 1024);
            archive.extend(tar_bytes(&[("a", 1)]));
            refused(&gzip(&archive), "too long");
        };
        check(tar::EntryType::GNULongName, 0);
        check(tar::EntryType::GNULongLink, 1 << 20);
        check(tar::EntryType::XHeader, 1 << 20);
        check(tar::EntryType::XGlobalHeader, 1 << 20);
    }

    /// The size that an entry gives itself counts, before a byte of it is read.
    #[test]
    fn no_release_is_larger_than_any_may_be() {
        let check = |size: u64, reason: &str| {
            let mut header = tar::Header::new_gnu();
            header.set_path("large").unwrap();
            header.set_entry_type(tar::EntryType::Regular);
            header.set_size(size);
            header.set_cksum();
            let folder = tempfile::tempdir().unwrap();
            let store = Store::open(folder.path(), None).unwrap();
            let archive = file_of(&[header.as_bytes().as_slice(), &[0; 512]].concat());
            let all = Archive::new(tempfile::tempfile().unwrap(), None).limits;
            let error = store_archive(archive, &store, all).unwrap_err();
            assert!(error.to_string().contains(reason), "{size}: {error}");
        };
        check(RELEASE_BYTES_MAX + 1, "the release is over the limit of 68719476736 bytes");
        check(RELEASE_BYTES_MAX, "it changed while it was read");
    }

    #[test]
    fn folders_without_end_are_refused() {
        let mut builder = tar::Builder::new(Vec::new());
        for _ in 0..5 {
            builder.append_dir("folder", ".").unwrap();
        }
        refused(&builder.into_inner().unwrap(), "the number of files is over the limit of 2");
    }

    #[test]
    fn an_archive_that_was_cut_or_damaged_is_refused() {
        let whole = tar_bytes(&[("a", 5), ("b", 5)]);
        refused(&whole[..1024], "it ends without the mark");
        refused(&whole[..2048], "it ends without the mark");
        refused(&whole[..1500], "it cannot be read");
        let mut damaged = gzip(&whole);
        let checksum = damaged.len() - 8;
        damaged[checksum] ^= 1;
        refused(&damaged, "it cannot be read");
        refused(&gzip(&whole)[..checksum], "it cannot be read");
    }

    #[test]
    fn a_release_keeps_to_its_limits() {
        let check = |files: &[(&str, usize)], fits: bool| {
            let folder = tempfile::tempdir().unwrap();
            let store = Store::open(folder.path(), None).unwrap();
            let limits = ContentLimits { files: 2, bytes: 10 };
            let result = store_archive(tar_of(files), &store, limits);
            match result {
                Ok(_) => assert!(fits, "{files:?}"),
                Err(Error::Refused(Refusal::TooLarge { .. })) => assert!(!fits, "{files:?}"),
                Err(other) => panic!("{files:?}: {other}"),
            }
        };
        check(&[("a", 5), ("b", 5)], true);
        check(&[("a", 5), ("b", 6)], false);
        check(&[("a", 1), ("b", 1), ("c", 1)], false);
    }

    #[test]
    fn a_class_keeps_to_its_quota() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), Some(10)).unwrap();
        let limits = ContentLimits { files: 2, bytes: 1000 };
        let error = store_archive(tar_of(&[("a", 100)]), &store, limits).unwrap_err();
        assert!(matches!(error, Error::Refused(Refusal::Quota(Class::Components))), "{error}");
    }
}
