//! Makes a release whole beside the current one (P11).
//!
//! Files that an installed release has, of whatever name and wherever in it, are copied from it: verified while copying,
//! and not linked, so that a program which changes its own files cannot change another release's. Others are made of files
//! that are here by deltas ([`crate::deltas`]); the bodies of what is still missing are fetched and unpacked. Then
//! all is made durable and gets its name. Nothing here touches `current`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use headwater_depot::store::UnpackError;
use headwater_depot::{Blob, Store, Walk};
use headwater_repo::{Digest, FileEntry, Hasher, Manifest};

use crate::classes::ContentError;
use crate::deltas;
use crate::error::Error;
use crate::limits::FREE_BYTES_MIN;
use crate::os;
use crate::session::{Session, store_error};
use crate::slot::{CommandRecord, Record, RecordFile, Slot};

/// A release that was made whole.
pub(crate) struct Placed {
    /// The name of its folder.
    pub release: String,
    /// Bytes of bodies that deltas made unnecessary, less their own.
    pub spared_bytes: u64,
    /// What was wrong with deltas: sentences.
    pub troubles: Vec<String>,
    /// Installed files that it was to be made of and that are not what was installed.
    pub changed: BTreeSet<PathBuf>,
}

/// A release's record, from its manifest.
pub(crate) fn record_of(manifest: &Manifest) -> Record {
    let command = |command: &[String], timeout_seconds: u64| CommandRecord {
        command: command.to_vec(),
        timeout_seconds,
    };
    Record {
        sequence: manifest.sequence,
        version: manifest.version.to_string(),
        manifest: manifest.identity(),
        files: manifest
            .files
            .iter()
            .map(|file| RecordFile { path: file.path.to_string(), sha256: file.sha256, size: file.size })
            .collect(),
        install: manifest.install.as_ref().map(|install| command(&install.command, install.timeout_seconds)),
        probe: manifest.probe.as_ref().map(|probe| command(&probe.command, probe.timeout_seconds)),
        document: None,
    }
}

/// Makes a release whole beside the current one. `current` is untouched.
pub(crate) async fn place(
    session: &Session,
    walk: &Walk,
    slot: &Slot,
    manifest: &Manifest,
    record: &Record,
) -> Result<Placed, ContentError> {
    let beginning = {
        let (slot, record, files) = (slot.clone(), record.clone(), manifest.files.clone());
        let slots = others(session, &slot)?;
        blocking(move || begin(&slot, &slots, &record, files)).await
    };
    let (assembling, missing, here, changed) = match beginning? {
        Begun::Whole(release) => {
            let (troubles, changed) = (Vec::new(), BTreeSet::new());
            return Ok(Placed { release, spared_bytes: 0, troubles, changed });
        }
        Begun::Partly { assembling, missing, here, changed } => (assembling, missing, here, changed),
    };
    let at = Place { session, walk, slot, manifest, assembling: &assembling };
    let mut done = fetch_and_finish(&at, record, missing, here).await;
    match &mut done {
        Ok(placed) => placed.changed.extend(changed),
        // What was fetched stays in the store; only the half-made folder goes.
        Err(_) => drop(os::remove_tree(&assembling)),
    }
    done
}

/// The slots that this endpoint has beside `slot`.
fn others(session: &Session, slot: &Slot) -> Result<Vec<Slot>, Error> {
    let slots = session.folder.slots().map_err(Error::file("reading", session.folder.root()))?;
    let others = slots.into_iter().map(|(_, _, other)| other);
    Ok(others.filter(|other| other.folder() != slot.folder()).collect())
}

/// Where a release is being assembled, and what for.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub session: &'a Session,
    pub walk: &'a Walk,
    pub slot: &'a Slot,
    pub manifest: &'a Manifest,
    pub assembling: &'a Path,
}

impl Place<'_> {
    /// What an operator is told the fetching is for.
    pub(crate) fn name(&self) -> String {
        let name = self.slot.folder().file_name();
        name.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }
}

async fn fetch_and_finish(
    place: &Place<'_>,
    record: &Record,
    missing: Vec<FileEntry>,
    here: Here,
) -> Result<Placed, ContentError> {
    let by_deltas = deltas::make(place, missing, here).await?;
    let Place { session, walk, slot, assembling, .. } = *place;
    let deltas::Made { missing, spared_bytes, troubles, changed } = by_deltas;
    let wanted: Vec<Blob> =
        missing.iter().map(|file| Blob { digest: file.body.sha256, size: file.body.size }).collect();
    check_room(session, assembling, &wanted, missing.iter().map(|file| file.size).sum())?;
    let at = slot.folder().to_owned();
    let (name, progress_sink) = (place.name(), session.options.progress_sink.clone());
    walk.name_blobs(missing.iter().map(|file| (file.body.sha256, format!("{name}: {}", file.path))));
    walk.blobs(&session.store, &wanted, &move |progress| progress_sink.tell(&name, progress)).await?;
    let (store, slot, record, assembling) =
        (session.store.clone(), slot.clone(), record.clone(), assembling.to_owned());
    let release = blocking(move || {
        for file in &missing {
            unpack(&store, file, &assembling)?;
        }
        slot.finish(&assembling, &record)
            .map_err(Error::file("assembling in", &at))
            .map_err(ContentError::from)
    })
    .await?;
    Ok(Placed { release, spared_bytes, troubles, changed })
}

/// Refuses before a byte is fetched if blobs and files would fill the disk.
pub(crate) fn check_room(
    session: &Session,
    folder: &Path,
    blobs: &[Blob],
    to_write: u64,
) -> Result<(), Error> {
    let to_fetch: u64 =
        blobs.iter().filter(|blob| !session.store.has(&blob.digest)).map(|blob| blob.size).sum();
    check_free(folder, to_fetch.saturating_add(to_write))
}

fn check_free(folder: &Path, wanted: u64) -> Result<(), Error> {
    let free = os::free_bytes(folder).map_err(Error::file("asking for the free space of", folder))?;
    if !fits(wanted, free) {
        return Err(Error::NoRoom { folder: folder.to_owned(), wanted, free });
    }
    Ok(())
}

/// Whether so many bytes leave enough of what is free.
fn fits(wanted: u64, free: u64) -> bool {
    wanted == 0 || wanted.saturating_add(FREE_BYTES_MIN) <= free
}

enum Begun {
    /// The release is there already, and whole.
    Whole(String),
    /// Its folder is begun; these files are missing, and those are here to make them of; others have changed.
    Partly { assembling: PathBuf, missing: Vec<FileEntry>, here: Here, changed: BTreeSet<PathBuf> },
}

/// Files of installed releases, by digest, as their records say.
pub(crate) type Here = BTreeMap<Digest, PathBuf>;

fn begin(slot: &Slot, others: &[Slot], record: &Record, files: Vec<FileEntry>) -> Result<Begun, Error> {
    let at = || Error::file("assembling in", slot.folder());
    let name = record.folder_name();
    if slot.record(&name).map_err(at())?.as_ref() == Some(record)
        && is_whole(&slot.release_folder(&name), record)
    {
        return Ok(Begun::Whole(name));
    }
    let assembling = slot.begin(record).map_err(at())?;
    let begun = check_free(&assembling, files.iter().map(|file| file.size).sum()).and_then(|()| {
        let mut here = here(slot, others).map_err(at())?;
        let (missing, changed) = copy_known(&mut here, &assembling, files).map_err(at())?;
        Ok(Begun::Partly { assembling: assembling.clone(), missing, here, changed })
    });
    match begun {
        Ok(begun) => Ok(begun),
        Err(error) => {
            // On a full disk above all: a half-made folder must not keep it full.
            let _ = os::remove_tree(&assembling);
            Err(error)
        }
    }
}

/// The files of everything that is installed.
pub(crate) fn installed_files(session: &Session) -> io::Result<Here> {
    let slots: Vec<Slot> = session.folder.slots()?.into_iter().map(|(_, _, slot)| slot).collect();
    slots.split_last().map_or_else(|| Ok(Here::new()), |(last, others)| here(last, others))
}

/// The files of all installed releases; where several have one, the current release of the same name is preferred.
fn here(slot: &Slot, others: &[Slot]) -> io::Result<Here> {
    let mut here = Here::new();
    for slot in others.iter().chain([slot]) {
        for (name, record) in [slot.previous()?, slot.installed()?].into_iter().flatten() {
            let folder = slot.release_folder(&name);
            here.extend(record.files.iter().map(|file| (file.sha256, folder.join(&file.path))));
        }
    }
    Ok(here)
}

/// Copies the files that an installed release has, and says which are missing. Files that are not what was installed are
/// no longer here; it says which.
fn copy_known(
    here: &mut Here,
    assembling: &Path,
    files: Vec<FileEntry>,
) -> io::Result<(Vec<FileEntry>, BTreeSet<PathBuf>)> {
    let (mut missing, mut changed) = (Vec::new(), BTreeSet::new());
    for file in files {
        let path = assembling.join(file.path.as_str());
        if let Some(above) = path.parent() {
            fs::create_dir_all(above)?;
        }
        let copied = match here.get(&file.sha256) {
            Some(from) => copy_verified(from, &path, &file.sha256)?,
            None => false,
        };
        if copied {
            os::set_mode(&path, file.mode)?;
        } else {
            changed.extend(here.remove(&file.sha256));
            missing.push(file);
        }
    }
    Ok((missing, changed))
}

fn is_whole(folder: &Path, record: &Record) -> bool {
    record.files.iter().all(|file| is_right(&folder.join(&file.path), &file.sha256))
}

/// Whether a file is what its digest says.
pub(crate) fn is_right(path: &Path, digest: &Digest) -> bool {
    os::open_file(path).is_ok_and(|mut opened| {
        let mut hasher = Hasher::new();
        copy(&mut opened, &mut io::sink(), &mut hasher).is_ok() && hasher.finish() == *digest
    })
}

/// Copies a file if it still is what its digest says.
fn copy_verified(from: &Path, to: &Path, digest: &Digest) -> io::Result<bool> {
    let Ok(mut source) = os::open_file(from) else { return Ok(false) };
    let mut target = File::create(to)?;
    let mut hasher = Hasher::new();
    copy(&mut source, &mut target, &mut hasher)?;
    let right = hasher.finish() == *digest;
    if !right {
        fs::remove_file(to)?;
    }
    Ok(right)
}

fn copy(from: &mut File, to: &mut impl io::Write, hasher: &mut Hasher) -> io::Result<()> {
    let mut chunk = vec![0; 256 * 1024];
    loop {
        let count = from.read(&mut chunk)?;
        if count == 0 {
            return Ok(());
        }
        hasher.update(&chunk[..count]);
        to.write_all(&chunk[..count])?;
    }
}

fn unpack(store: &Store, file: &FileEntry, assembling: &Path) -> Result<(), ContentError> {
    let path = assembling.join(file.path.as_str());
    let written = File::create(&path).map_err(Error::file("writing", &path))?;
    let mut written = io::BufWriter::new(written);
    store.unpack(file, &mut written).map_err(|error| match error {
        UnpackError::Write(error) => ContentError::Run(Error::file("writing", &path)(error)),
        UnpackError::Store(error) => ContentError::Run(store_error(error)),
        wrong @ (UnpackError::Wrong { .. } | UnpackError::NotThere(_)) => {
            // A body that a disk spoiled goes, so that the next run fetches it anew.
            let _ = store.verify(&file.body.sha256);
            ContentError::Sources(wrong.to_string())
        }
    })?;
    written.flush().map_err(Error::file("writing", &path))?;
    os::set_mode(&path, file.mode).map_err(Error::file("setting the mode of", &path))?;
    Ok(())
}

/// Runs work that waits for the disk where it holds up nothing else.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.expect("disk work does not panic")
}

#[cfg(test)]
mod tests {
    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;

    #[test]
    fn an_install_leaves_the_endpoint_its_room() {
        assert!(fits(10, FREE_BYTES_MIN + 10));
        assert!(!fits(10, FREE_BYTES_MIN + 9));
        assert!(fits(0, 0), "what is there already takes none");
        assert!(!fits(u64::MAX, u64::MAX - 1));
    }

    #[test]
    fn a_pipe_in_the_place_of_a_file_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let (pipe, copy) = (folder.path().join("pipe"), folder.path().join("copy"));
        mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let digest = Digest::of(b"");
        assert!(!is_right(&pipe, &digest));
        assert!(!copy_verified(&pipe, &copy, &digest).unwrap());
        assert!(!copy.exists());
    }
}
