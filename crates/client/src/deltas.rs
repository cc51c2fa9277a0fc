//! Files made of files that are here, by deltas (C1).
//!
//! 1. for each missing file the cheapest way is chosen, `machine`'s [`way_to`]; the files that ways begin at are verified;
//! 2. deltas are fetched as bodies are: resumed, from every source of the walk, verified by digest;
//! 3. they are applied one after the other, each result verified; what lies between is kept in a temporary file.
//!
//! What a source does not give, or what comes to nothing, is refused, and ways are chosen anew, a few times. What is left
//! then is had by its full body. What was wrong is told by the file, what it was to be made from and how it was had then.

use std::collections::{BTreeSet, HashSet};
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use headwater_depot::store::UnpackError;
use headwater_depot::{Blob, Store};
use headwater_repo::{DeltaPath, DeltaPaths, Digest, FileEntry, FilePath, Hop};

use crate::assemble::{Here, Place, blocking, check_room, is_right};
use crate::classes::ContentError;
use crate::error::Error;
use crate::limits::{DELTA_MEMORY_MAX, DELTA_ROUNDS_MAX};
use crate::machine::way_to;
use crate::os;
use crate::session::store_error;

/// What deltas came to.
#[derive(Debug, Default)]
pub(crate) struct Made {
    /// Files that are still missing.
    pub missing: Vec<FileEntry>,
    /// Bytes of the others' bodies, less those of the deltas.
    pub spared_bytes: u64,
    /// What was wrong with deltas: sentences.
    pub troubles: Vec<String>,
    /// Installed files that ways were to begin at and that are not what was installed.
    pub changed: BTreeSet<PathBuf>,
}

/// Makes of `missing` what can be made for fewer bytes than by its body.
pub(crate) async fn make(
    place: &Place<'_>,
    missing: Vec<FileEntry>,
    mut here: Here,
) -> Result<Made, ContentError> {
    let mut made = Made { missing, ..Made::default() };
    let (mut refused, mut troubles) = (HashSet::new(), Vec::new());
    for _ in 0..DELTA_ROUNDS_MAX {
        let todo = ways(place, &made.missing, &mut here, &refused, &mut made.changed).await;
        if todo.is_empty() {
            break;
        }
        let missing = fetch(place, &todo).await?;
        refused.extend(&missing);
        let (store, assembling) = (place.session.store.clone(), place.assembling.to_owned());
        let whole: Vec<Task> = todo.into_iter().filter(|task| !task.needs(&missing)).collect();
        let applied = blocking(move || apply_all(&store, &assembling, whole)).await?;
        made.missing.retain(|file| !applied.files.contains(&file.path));
        made.spared_bytes += applied.spared_bytes;
        troubles.extend(applied.troubles);
        refused.extend(applied.refused);
    }
    let by_body = |path: &FilePath| made.missing.iter().any(|file| file.path == *path);
    let told = |(path, trouble): (FilePath, String)| {
        let then = if by_body(&path) { "its full body is taken" } else { "it was made another way" };
        format!("{path} was not made {trouble}; {then}")
    };
    made.troubles = troubles.into_iter().map(told).collect();
    Ok(made)
}

/// A file with the way that was chosen to it.
struct Task {
    file: FileEntry,
    way: DeltaPath,
    base: PathBuf,
    /// The base, as an operator is told of it: below the data folder.
    from: String,
}

impl Task {
    fn needs(&self, deltas: &HashSet<Digest>) -> bool {
        self.way.hops.iter().any(|hop| deltas.contains(&hop.delta.sha256))
    }
}

/// Chooses the ways. A file that a way begins at and that is not what its record says is forgotten, and ways are chosen
/// without it.
async fn ways(
    place: &Place<'_>,
    missing: &[FileEntry],
    here: &mut Here,
    refused: &HashSet<Digest>,
    changed: &mut BTreeSet<PathBuf>,
) -> Vec<Task> {
    let ways = DeltaPaths::of(place.manifest);
    let mut verified = HashSet::new();
    loop {
        let stored = |digest: &Digest| place.session.store.has(digest);
        let chosen: Vec<(&FileEntry, DeltaPath)> = missing
            .iter()
            .filter_map(|file| {
                Some((file, way_to(file, &ways, &|digest| here.contains_key(digest), &stored, refused)?))
            })
            .collect();
        let bases: HashSet<Digest> = chosen.iter().map(|(_, way)| way.hops[0].delta.base).collect();
        let unverified: Vec<(Digest, PathBuf)> =
            bases.difference(&verified).map(|base| (*base, here[base].clone())).collect();
        if unverified.is_empty() {
            let task = |(file, way): (&FileEntry, DeltaPath)| {
                let base = here[&way.hops[0].delta.base].clone();
                let from = base.strip_prefix(place.session.folder.root()).unwrap_or(&base);
                Task { file: file.clone(), way, from: from.display().to_string(), base }
            };
            return chosen.into_iter().map(task).collect();
        }
        let (right, wrong): (Vec<Digest>, Vec<Digest>) = blocking(move || {
            let partition =
                unverified.into_iter().partition::<Vec<_>, _>(|(base, path)| is_right(path, base));
            let digests = |all: Vec<(Digest, PathBuf)>| all.into_iter().map(|(base, _)| base).collect();
            (digests(partition.0), digests(partition.1))
        })
        .await;
        verified.extend(right);
        changed.extend(wrong.iter().filter_map(|base| here.remove(base)));
    }
}

/// Fetches the deltas and says which no source gave.
async fn fetch(place: &Place<'_>, todo: &[Task]) -> Result<HashSet<Digest>, ContentError> {
    let hops = || todo.iter().flat_map(|task| &task.way.hops);
    let wanted: Vec<Blob> =
        hops().map(|hop| Blob { digest: hop.delta.sha256, size: hop.delta.size }).collect();
    let session = place.session;
    check_room(session, place.assembling, &wanted, hops().map(|hop| hop.size).sum())?;
    let (name, progress_sink) = (place.name(), session.options.progress_sink.clone());
    place.walk.name_blobs(todo.iter().flat_map(|task| {
        let Task { file, from, .. } = task;
        let told = format!(
            "{name}: delta to {} from {from} (without it another way or the full body is taken)",
            file.path
        );
        task.way.hops.iter().map(move |hop| (hop.delta.sha256, told.clone()))
    }));
    let tell = move |progress| progress_sink.tell(&name, progress);
    Ok(place.walk.deltas(&session.store, &wanted, &tell).await?)
}

#[derive(Default)]
struct Applied {
    files: HashSet<FilePath>,
    spared_bytes: u64,
    /// Which file was not made, and from what, by what and why not.
    troubles: Vec<(FilePath, String)>,
    refused: Vec<Digest>,
}

fn apply_all(store: &Store, assembling: &Path, todo: Vec<Task>) -> Result<Applied, Error> {
    let mut applied = Applied::default();
    for task in todo {
        let path = assembling.join(task.file.path.as_str());
        match apply(store, &task, assembling, &path)? {
            Ok(()) => {
                os::set_mode(&path, task.file.mode).map_err(Error::file("setting the mode of", &path))?;
                let fetched: u64 = task.way.hops.iter().map(|hop| hop.delta.size).sum();
                applied.spared_bytes += task.file.body.size.saturating_sub(fetched);
                applied.files.insert(task.file.path);
            }
            Err((delta, reason)) => {
                os::remove_file(&path).map_err(Error::file("removing", &path))?;
                applied.refused.push(delta);
                let trouble = format!("from {} by delta {delta}: {reason}", task.from);
                applied.troubles.push((task.file.path, trouble));
            }
        }
    }
    Ok(applied)
}

/// Goes a way to its end, or says which delta came to nothing and why.
fn apply(
    store: &Store,
    task: &Task,
    assembling: &Path,
    path: &Path,
) -> Result<Result<(), (Digest, String)>, Error> {
    let mut base = task.base.clone();
    let mut between = Vec::new();
    let mut done = Ok(());
    for (number, hop) in task.way.hops.iter().enumerate() {
        let to = if number + 1 == task.way.hops.len() {
            path.to_owned()
        } else {
            // Beside the release, where leftovers of a crash are cleared.
            os::temporary_beside(&assembling.with_extension(format!("step-{number}")))
        };
        if to != path {
            between.push(to.clone());
        }
        done = apply_one(store, hop, &base, &to)?;
        if done.is_err() {
            break;
        }
        base = to;
    }
    for path in between {
        os::remove_file(&path).map_err(Error::file("removing", &path))?;
    }
    Ok(done)
}

fn apply_one(
    store: &Store,
    hop: &Hop,
    base: &Path,
    to: &Path,
) -> Result<Result<(), (Digest, String)>, Error> {
    let opened = os::open_file(base).map_err(Error::file("reading", base))?;
    let written = File::create(to).map_err(Error::file("writing", to))?;
    let mut written = std::io::BufWriter::new(written);
    let applied = store.apply(hop, &opened, DELTA_MEMORY_MAX, &mut written);
    match applied {
        Ok(()) => {
            written.flush().map_err(Error::file("writing", to))?;
            Ok(Ok(()))
        }
        Err(UnpackError::Write(error)) => Err(Error::file("writing", to)(error)),
        Err(UnpackError::Store(error)) => Err(store_error(error)),
        Err(wrong @ (UnpackError::Wrong { .. } | UnpackError::NotThere(_))) => {
            // A delta that a disk spoiled goes, so that the next run fetches it anew.
            let _ = store.verify(&hop.delta.sha256);
            let _ = fs::remove_file(to);
            Ok(Err((hop.delta.sha256, wrong.to_string())))
        }
    }
}
