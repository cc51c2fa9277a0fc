//! The steps of an assembly, in order.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use headwater_depot::files;
use headwater_depot::store::UnpackError;
use headwater_depot::{Blob, Store, Walk};
use headwater_repo::{FileEntry, Manifest};

use crate::assemble::assembly::Assembly;
use crate::assemble::deltas::{self, DeltaResult};
use crate::assemble::disk_space;
use crate::assemble::local_files::{LocalFiles, copy_local, has_digest, local_files};
use crate::data::{CommandRecord, Readers, RecordFile, ReleaseRecord, Slot, Voucher, set_modes};
use crate::error::Error;
use crate::fetch::ContentError;
use crate::os::{self, blocking};
use crate::session::Context;

/// A release that was made whole.
pub struct AssembledRelease {
    /// The name of its folder.
    pub release: String,
    /// Bytes of bodies that deltas saved, less the bytes of the deltas.
    pub spared_bytes: u64,
    /// What was wrong with deltas: sentences.
    pub delta_problems: Vec<String>,
    /// Installed files that it was to be made from and whose content has changed.
    pub changed: BTreeSet<PathBuf>,
}

/// The record of a release, from its manifest and what vouches for it.
pub(crate) fn record_of(manifest: &Manifest, voucher: Voucher) -> ReleaseRecord {
    let command = |command: &[String], timeout_seconds: u64| CommandRecord {
        command: command.to_vec(),
        timeout_seconds,
    };
    ReleaseRecord {
        sequence: manifest.sequence,
        version: manifest.version.to_string(),
        manifest: manifest.identity(),
        voucher,
        files: manifest
            .files
            .iter()
            .map(|file| RecordFile {
                path: file.path.to_string(),
                sha256: file.sha256,
                size: file.size,
                mode: file.mode & 0o777,
            })
            .collect(),
        install: manifest.install.as_ref().map(|install| command(&install.command, install.timeout_seconds)),
        probe: manifest.probe.as_ref().map(|probe| command(&probe.command, probe.timeout_seconds)),
        document: None,
        readers: Readers::Everyone,
    }
}

/// Makes a release whole beside the current one.
pub(crate) async fn assemble(
    context: &Context,
    walk: &Walk,
    slot: &Slot,
    manifest: &Manifest,
    record: &ReleaseRecord,
) -> Result<AssembledRelease, ContentError> {
    let start = {
        let (slot, record, files) = (slot.clone(), record.clone(), manifest.files.clone());
        let others = other_slots(context, &slot)?;
        blocking(move || begin(&slot, &others, &record, files)).await?
    };
    let (folder, missing, local, changed) = match start {
        Start::Whole(release) => {
            let (delta_problems, changed) = (Vec::new(), BTreeSet::new());
            return Ok(AssembledRelease { release, spared_bytes: 0, delta_problems, changed });
        }
        Start::Partial { folder, missing, local, changed } => (folder, missing, local, changed),
    };
    let assembly = Assembly { context, walk, slot, manifest, folder: &folder };
    let mut done = fetch_and_finish(&assembly, record, missing, local).await;
    match &mut done {
        Ok(assembled) => assembled.changed.extend(changed),
        // Fetched bytes stay in the store; only the incomplete folder is removed.
        Err(_) => drop(files::remove_tree(&folder)),
    }
    done
}

/// The slots of this endpoint other than `slot`.
fn other_slots(context: &Context, slot: &Slot) -> Result<Vec<Slot>, Error> {
    let slots = context.folder.slots().map_err(Error::file("reading", context.folder.root()))?;
    let others = slots.into_iter().map(|(_, _, other)| other);
    Ok(others.filter(|other| other.folder() != slot.folder()).collect())
}

enum Start {
    /// The release is there already, and whole.
    Whole(String),
    /// Its folder exists with the files that could be copied.
    Partial { folder: PathBuf, missing: Vec<FileEntry>, local: LocalFiles, changed: BTreeSet<PathBuf> },
}

fn begin(
    slot: &Slot,
    others: &[Slot],
    record: &ReleaseRecord,
    files: Vec<FileEntry>,
) -> Result<Start, Error> {
    let at = || Error::file("assembling in", slot.folder());
    let name = record.folder_name();
    if slot.record(&name).map_err(at())?.as_ref() == Some(record)
        && is_whole(&slot.release_folder(&name), record)
    {
        set_modes(&slot.release_folder(&name), record).map_err(at())?;
        return Ok(Start::Whole(name));
    }
    let folder = slot.begin(record).map_err(at())?;
    let started = disk_space::check(&folder, size_of(&files)).and_then(|()| {
        let mut local = local_files(slot, others).map_err(at())?;
        let (missing, changed) = copy_local(&mut local, &folder, files).map_err(at())?;
        Ok(Start::Partial { folder: folder.clone(), missing, local, changed })
    });
    if started.is_err() {
        // On a full disk above all, an incomplete folder must not remain.
        let _ = files::remove_tree(&folder);
    }
    started
}

fn size_of(files: &[FileEntry]) -> disk_space::Size {
    disk_space::Size::of(files.iter().map(|file| (file.path.as_str(), file.size)))
}

fn is_whole(folder: &Path, record: &ReleaseRecord) -> bool {
    record.files.iter().all(|file| has_digest(&folder.join(&file.path), &file.sha256))
}

async fn fetch_and_finish(
    assembly: &Assembly<'_>,
    record: &ReleaseRecord,
    missing: Vec<FileEntry>,
    local: LocalFiles,
) -> Result<AssembledRelease, ContentError> {
    let DeltaResult { spared_bytes, problems, changed, .. } =
        make_and_fetch(assembly, missing, local).await?;
    let slot_folder = assembly.slot.folder().to_owned();
    let (slot, record, folder) = (assembly.slot.clone(), record.clone(), assembly.folder.to_owned());
    let finished = blocking(move || slot.finish(&folder, &record)).await;
    let release = finished.map_err(Error::file("assembling in", &slot_folder))?;
    Ok(AssembledRelease { release, spared_bytes, delta_problems: problems, changed })
}

/// Makes files by deltas, and of those that are still missing fetches and unpacks the bodies.
pub(crate) async fn make_and_fetch(
    assembly: &Assembly<'_>,
    missing: Vec<FileEntry>,
    local: LocalFiles,
) -> Result<DeltaResult, ContentError> {
    let mut made = deltas::make_files(assembly, missing, local).await?;
    let missing = std::mem::take(&mut made.missing);
    fetch_bodies(assembly, &missing).await?;
    let (store, folder) = (assembly.context.store.clone(), assembly.folder.to_owned());
    blocking(move || missing.iter().try_for_each(|file| unpack(&store, file, &folder))).await?;
    Ok(made)
}

async fn fetch_bodies(assembly: &Assembly<'_>, missing: &[FileEntry]) -> Result<(), ContentError> {
    let Assembly { context, walk, folder, .. } = *assembly;
    let wanted: Vec<Blob> =
        missing.iter().map(|file| Blob { digest: file.body.sha256, size: file.body.size }).collect();
    disk_space::check_blobs(context, folder, &wanted, size_of(missing))?;
    let (name, progress_sink) = (assembly.name(), context.options.progress_sink.clone());
    walk.name_blobs(missing.iter().map(|file| (file.body.sha256, format!("{name}: {}", file.path))));
    walk.blobs(&context.store, &wanted, &move |progress| progress_sink.report(&name, progress)).await?;
    Ok(())
}

fn unpack(store: &Store, file: &FileEntry, folder: &Path) -> Result<(), ContentError> {
    let path = folder.join(file.path.as_str());
    let written = File::create(&path).map_err(Error::file("writing", &path))?;
    let mut written = io::BufWriter::new(written);
    store.unpack(file, &mut written).map_err(|error| match error {
        UnpackError::Write(error) => ContentError::Run(Error::file("writing", &path)(error)),
        UnpackError::Store(error) => ContentError::Run(error.into()),
        wrong @ (UnpackError::Wrong { .. } | UnpackError::NotThere(_) | UnpackError::Base(_)) => {
            // A body that the disk damaged is removed, so that the next run fetches it again.
            let _ = store.verify(&file.body.sha256);
            ContentError::Sources(wrong.to_string())
        }
    })?;
    written.flush().map_err(Error::file("writing", &path))?;
    os::set_mode(&path, file.mode).map_err(Error::file("setting the mode of", &path))?;
    Ok(())
}
