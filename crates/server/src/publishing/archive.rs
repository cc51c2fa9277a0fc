//! From an archive to stored bodies: what an administrator uploads is taken apart here, and only here.
//!
//! A tar (plain or gzip) or zip is read entry by entry; each regular file becomes one body in the class's store.
//! Anything that is neither a regular file nor a folder is refused by name, as is any path that could leave the
//! release's folder, any name that is there twice, and entries that share bytes. Limits count what comes out while it is
//! decoded, whatever the headers say. Bodies stored before a refusal are collected as garbage.

use std::cell::Cell;
use std::collections::HashSet;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::rc::Rc;

use flate2::read::MultiGzDecoder;
use headwater_depot::store::Store;
use headwater_publisher::{
    ContentLimits, Error as PublishError, Packer, ReleaseContent, Result as PublishResult, StoredFile,
};
use headwater_repo::FilePath;
use headwater_repo::limits::FILES_MAX;

use crate::error::{Error, Refusal, Result};
use crate::limits::{RELEASE_BYTES_MAX, TAR_HEADER_BYTES_MAX, TAR_OVERHEAD_BYTES, ZIP_DIRECTORY_BYTES_MAX};

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

impl ReleaseContent for Archive {
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
    let limits = release.limits;
    // Twice as many entries as files, for folders: each has headers, extensions and padding.
    let entries = limits.files.saturating_mul(2) as u64;
    let overhead = entries.saturating_mul(TAR_OVERHEAD_BYTES).saturating_add(2 * TAR_HEADER_BYTES_MAX);
    let meter = Meter::of(limits.bytes.saturating_add(overhead));
    let taken = entries_of_tar(Metered { inner: reader, meter: meter.clone() }, &meter, release);
    // Also what is passed over comes out of a decoder, which works for it.
    if meter.left_in_all.get() == 0 { Err(too_large(limits)) } else { taken }
}

fn entries_of_tar(reader: impl Read, meter: &Meter, release: &mut Release<'_>) -> PublishResult<()> {
    let mut archive = tar::Archive::new(reader);
    let mut entries = archive.entries().map_err(unreadable)?;
    let mut entries_left = release.limits.files.saturating_mul(2);
    loop {
        // The headers of an entry, long names and extensions included, are read whole into memory. What is passed over of
        // the entry before them counts with them.
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
    meter.left.set(u64::MAX);
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

/// What may still be read of an archive, and whether it has come to its end.
#[derive(Debug, Clone, Default)]
struct Meter {
    /// At this point of it.
    left: Rc<Cell<u64>>,
    /// In all.
    left_in_all: Rc<Cell<u64>>,
    ended: Rc<Cell<bool>>,
}

impl Meter {
    fn of(bytes: u64) -> Self {
        let meter = Self::default();
        meter.left.set(u64::MAX);
        meter.left_in_all.set(bytes);
        meter
    }
}

/// A reader that keeps to its meter.
struct Metered<R> {
    inner: R,
    meter: Meter,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let (left, in_all) = (self.meter.left.get(), self.meter.left_in_all.get());
        if left.min(in_all) == 0 && !buffer.is_empty() {
            return Err(std::io::Error::other("a name, an extension or the padding in it is too long"));
        }
        let wanted = buffer.len().min(usize::try_from(left.min(in_all)).unwrap_or(usize::MAX));
        let got = self.inner.read(&mut buffer[..wanted])?;
        self.meter.left.set(left - got as u64);
        self.meter.left_in_all.set(in_all - got as u64);
        self.meter.ended.set(got == 0 && !buffer.is_empty());
        Ok(got)
    }
}

impl<R: Seek> Seek for Metered<R> {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.inner.seek(to)
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
    // The list of what is in it is read whole into memory.
    let meter = Meter::of(ZIP_DIRECTORY_BYTES_MAX);
    let mut archive = match zip::ZipArchive::new(Metered { inner: reader, meter: meter.clone() }) {
        Err(_) if meter.left_in_all.get() == 0 => return Err(too_many_files(release.limits)),
        opened => opened.map_err(bad_zip)?,
    };
    meter.left_in_all.set(u64::MAX);
    if archive.len() > release.limits.files.saturating_mul(2) {
        return Err(too_many_files(release.limits));
    }
    if archive.has_duplicate_names() {
        let start = archive.central_directory_start();
        let name = name_there_twice(archive.into_inner(), start).map_err(unreadable)?;
        return Err(refused(format!("{name}: the name is in it twice; make it again with each name once")));
    }
    if archive.has_overlapping_entries().map_err(bad_zip)? {
        return Err(refused(
            "some of its entries share their bytes, as in an archive made to unpack to far more than it is; make it again"
                .to_owned(),
        ));
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

/// The first name that the list of what is in a zip has twice; the list begins at `start`.
fn name_there_twice(mut zip: impl Read + Seek, start: u64) -> std::io::Result<String> {
    /// Bytes of an entry before its name, and where in them the lengths of the name, the extra fields and the comment are.
    const HEADER: usize = 46;
    const LENGTHS: [usize; 3] = [28, 30, 32];
    zip.seek(SeekFrom::Start(start))?;
    let mut zip = BufReader::new(zip);
    let mut seen = HashSet::new();
    loop {
        let mut header = [0; HEADER];
        zip.read_exact(&mut header)?;
        let [name, extra, comment] =
            LENGTHS.map(|at| u64::from(u16::from_le_bytes([header[at], header[at + 1]])));
        let mut bytes = Vec::new();
        zip.by_ref().take(name).read_to_end(&mut bytes)?;
        std::io::copy(&mut zip.by_ref().take(extra + comment), &mut std::io::sink())?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if !seen.insert(bytes) {
            return Ok(text);
        }
    }
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

fn too_large(limits: ContentLimits) -> PublishError {
    PublishError::TooLarge { what: "the release", limit: limits.bytes, unit: "bytes" }
}

fn too_many_files(limits: ContentLimits) -> PublishError {
    PublishError::TooLarge { what: "the number of files", limit: limits.files as u64, unit: "files" }
}

#[cfg(test)]
mod tests;
