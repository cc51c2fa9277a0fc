//! Files made from local files by deltas (C1).
//!
//! 1. For each missing file the cheapest path of deltas is selected ([`delta_path_to`]), and the local files that paths
//!    start at are verified.
//! 2. The deltas are fetched as bodies are: resumed, from every source of the walk, verified by digest.
//! 3. They are applied one after the other, and each result is verified. Intermediate results are temporary files.
//!
//! A delta that no source has, or that fails, is refused, and paths are selected again, a few times. What is then still
//! missing is fetched as a full body. Each problem names the file, what it was made from, and how the client got it then.

use std::collections::{BTreeSet, HashSet};
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use headwater_depot::files;
use headwater_depot::store::{ApplyError, UnpackError};
use headwater_depot::{Blob, Store};
use headwater_repo::{DeltaPath, DeltaPaths, Digest, FileEntry, FilePath, error_chain};

use crate::assemble::assembly::Assembly;
use crate::assemble::disk_space;
use crate::assemble::local_files::{LocalFiles, has_digest};
use crate::decide::delta_path_to;
use crate::error::Error;
use crate::fetch::ContentError;
use crate::limits::{DELTA_MEMORY_MAX, DELTA_ROUNDS_MAX};
use crate::os::{self, blocking};

/// The result of all deltas of a release.
#[derive(Debug, Default)]
pub(crate) struct DeltaResult {
    /// Files that are still missing.
    pub missing: Vec<FileEntry>,
    /// Bytes of the bodies of the others, less the bytes of their deltas.
    pub spared_bytes: u64,
    /// What was wrong with deltas: sentences.
    pub problems: Vec<String>,
    /// Installed files that paths were to start at and whose content has changed.
    pub changed: BTreeSet<PathBuf>,
}

/// Makes those of the missing files that deltas make for fewer bytes than their bodies.
pub(crate) async fn make_files(
    assembly: &Assembly<'_>,
    missing: Vec<FileEntry>,
    mut local: LocalFiles,
) -> Result<DeltaResult, ContentError> {
    let mut result = DeltaResult { missing, ..DeltaResult::default() };
    let (mut refused, mut problems) = (HashSet::new(), Vec::new());
    for _ in 0..DELTA_ROUNDS_MAX {
        let tasks = select_paths(assembly, &result.missing, &mut local, &refused, &mut result.changed).await;
        if tasks.is_empty() {
            break;
        }
        let unavailable = fetch(assembly, &tasks).await?;
        refused.extend(&unavailable);
        let (store, folder) = (assembly.context.store.clone(), assembly.folder.to_owned());
        let complete: Vec<DeltaTask> = tasks.into_iter().filter(|task| !task.needs(&unavailable)).collect();
        let applied = blocking(move || apply_all(&store, &folder, complete)).await?;
        result.missing.retain(|file| !applied.files.contains(&file.path));
        result.spared_bytes += applied.spared_bytes;
        problems.extend(applied.problems);
        refused.extend(applied.refused);
    }
    let by_body = |path: &FilePath| result.missing.iter().any(|file| file.path == *path);
    let sentence = |(path, problem): (FilePath, String)| {
        let then = if by_body(&path) { "its full body is fetched" } else { "another delta made it" };
        format!("{path} was not made {problem}; {then}")
    };
    result.problems = problems.into_iter().map(sentence).collect();
    Ok(result)
}

/// A file with the path of deltas that was selected for it.
struct DeltaTask {
    file: FileEntry,
    path: DeltaPath,
    base: PathBuf,
    /// The base, relative to the data folder, for messages.
    from: String,
}

impl DeltaTask {
    fn needs(&self, deltas: &HashSet<Digest>) -> bool {
        self.path.hops.iter().any(|hop| deltas.contains(&hop.delta.sha256))
    }
}

/// Selects the paths. A local file whose content is not what its record states is removed from `local`, and paths are
/// selected again without it.
async fn select_paths(
    assembly: &Assembly<'_>,
    missing: &[FileEntry],
    local: &mut LocalFiles,
    refused: &HashSet<Digest>,
    changed: &mut BTreeSet<PathBuf>,
) -> Vec<DeltaTask> {
    let paths = DeltaPaths::of(assembly.manifest);
    let mut verified = HashSet::new();
    loop {
        let stored = |digest: &Digest| assembly.context.store.has(digest);
        let selected: Vec<(&FileEntry, DeltaPath)> = missing
            .iter()
            .filter_map(|file| {
                let is_local = |digest: &Digest| local.contains_key(digest);
                Some((file, delta_path_to(file, &paths, &is_local, &stored, refused)?))
            })
            .collect();
        let bases: HashSet<Digest> = selected.iter().map(|(_, path)| path.hops[0].delta.base).collect();
        let unverified: Vec<(Digest, PathBuf)> =
            bases.difference(&verified).map(|base| (*base, local[base].clone())).collect();
        if unverified.is_empty() {
            let task = |(file, path): (&FileEntry, DeltaPath)| {
                let base = local[&path.hops[0].delta.base].clone();
                let from = base.strip_prefix(assembly.context.folder.root()).unwrap_or(&base);
                DeltaTask { file: file.clone(), path, from: from.display().to_string(), base }
            };
            return selected.into_iter().map(task).collect();
        }
        let (right, wrong): (Vec<Digest>, Vec<Digest>) = blocking(move || {
            let partition =
                unverified.into_iter().partition::<Vec<_>, _>(|(base, path)| has_digest(path, base));
            let digests = |all: Vec<(Digest, PathBuf)>| all.into_iter().map(|(base, _)| base).collect();
            (digests(partition.0), digests(partition.1))
        })
        .await;
        verified.extend(right);
        changed.extend(wrong.iter().filter_map(|base| local.remove(base)));
    }
}

/// Fetches the deltas; returns those that no source has.
async fn fetch(assembly: &Assembly<'_>, tasks: &[DeltaTask]) -> Result<HashSet<Digest>, ContentError> {
    let hops = || tasks.iter().flat_map(|task| &task.path.hops);
    let wanted: Vec<Blob> =
        hops().map(|hop| Blob { digest: hop.delta.sha256, size: hop.delta.size }).collect();
    let context = assembly.context;
    let to_write = disk_space::Size { bytes: hops().map(|hop| hop.size).sum(), files: hops().count() as u64 };
    disk_space::check_blobs(context, assembly.folder, &wanted, to_write)?;
    let (name, progress_sink) = (assembly.name(), context.options.progress_sink.clone());
    assembly.walk.name_blobs(tasks.iter().flat_map(|task| {
        let DeltaTask { file, from, .. } = task;
        let purpose = format!(
            "{name}: delta to {} from {from} (without it, another delta or the full body is fetched)",
            file.path
        );
        task.path.hops.iter().map(move |hop| (hop.delta.sha256, purpose.clone()))
    }));
    let report = move |progress| progress_sink.report(&name, progress);
    Ok(assembly.walk.deltas(&context.store, &wanted, &report).await?)
}

#[derive(Default)]
struct Applied {
    files: HashSet<FilePath>,
    spared_bytes: u64,
    /// Which file was not made, from what, by which delta, and why.
    problems: Vec<(FilePath, String)>,
    refused: Vec<Digest>,
}

fn apply_all(store: &Store, folder: &Path, tasks: Vec<DeltaTask>) -> Result<Applied, Error> {
    let mut applied = Applied::default();
    for task in tasks {
        let path = folder.join(task.file.path.as_str());
        match apply(store, &task, &path)? {
            Ok(()) => {
                os::set_mode(&path, task.file.mode).map_err(Error::file("setting the mode of", &path))?;
                let fetched: u64 = task.path.hops.iter().map(|hop| hop.delta.size).sum();
                applied.spared_bytes += task.file.body.size.saturating_sub(fetched);
                applied.files.insert(task.file.path);
            }
            Err((delta, reason)) => {
                files::remove_if_present(&path).map_err(Error::file("removing", &path))?;
                applied.refused.push(delta);
                let problem = format!("from {} by delta {delta}: {reason}", task.from);
                applied.problems.push((task.file.path, problem));
            }
        }
    }
    Ok(applied)
}

/// Applies a path of deltas; the inner error names the delta that failed, and why.
fn apply(store: &Store, task: &DeltaTask, to: &Path) -> Result<Result<(), (Digest, String)>, Error> {
    let base = os::open_file(&task.base).map_err(Error::file("reading", &task.base))?;
    let written = File::create(to).map_err(Error::file("writing", to))?;
    let mut written = std::io::BufWriter::new(written);
    match store.apply_path(&task.path.hops, &base, DELTA_MEMORY_MAX, &mut written) {
        Ok(()) => {
            written.flush().map_err(Error::file("writing", to))?;
            Ok(Ok(()))
        }
        Err(ApplyError { source: UnpackError::Write(error), .. }) => Err(Error::file("writing", to)(error)),
        Err(ApplyError { source: UnpackError::Store(error), .. }) => Err(error.into()),
        Err(ApplyError { delta, source }) => Ok(Err((delta, error_chain(&source)))),
    }
}
