//! Puts releases in place: assemble beside the current one, switch, judge, keep or go back (P11).
//!
//! 1. [`place`]: files that an installed release has are copied from it (verified while copying; not linked, so
//!    that a program which changes its own files cannot change another release's); the bodies of the others are
//!    fetched and unpacked; all is made durable and gets its name.
//! 2. [`put_in_force`]: the link is switched; the install command and the probes judge; kept or back.
//! 3. [`recover`]: at the start of a run, what a crash cut short is judged again or taken back, and leftovers go.
//!
//! Going back puts the link back and, for a program with an install command, runs the former release's install
//! command again. An install command must therefore stand being run more than once.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use headwater_depot::store::UnpackError;
use headwater_depot::{Blob, Store, Walk};
use headwater_policy::Class;
use headwater_repo::{Digest, FileEntry, Hasher, Manifest};

use crate::classes::ContentError;
use crate::command::{self, Ended};
use crate::error::Error;
use crate::limits::FREE_BYTES_MIN;
use crate::machine::{Resume, resume};
use crate::os;
use crate::session::{Session, store_error};
use crate::slot::{CommandRecord, Record, RecordFile, Slot, Trial};
use crate::state::Failed;

/// What judges a release beside its own probe, and what runs after it was kept.
#[derive(Debug, Clone)]
pub(crate) struct Hooks {
    pub probe: Option<Vec<String>>,
    pub after: Option<Vec<String>>,
    pub timeout: Duration,
}

impl Hooks {
    pub(crate) fn of(settings: &headwater_api::settings::EffectiveSettingsDocument) -> Self {
        let some = |command: &Option<Vec<String>>| command.clone().filter(|words| !words.is_empty());
        Self {
            probe: some(&settings.probe_command),
            after: some(&settings.after_command),
            timeout: Duration::from_secs(settings.hook_timeout_seconds.into()),
        }
    }
}

/// How judging ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Judged {
    /// The release is kept; a problem of the after hook, if it had one.
    Kept(Option<String>),
    /// The client went back to the release before.
    WentBack(String),
}

/// A release's record, from its manifest.
pub(crate) fn record_of(manifest: &Manifest, digest: Digest) -> Record {
    let command = |command: &[String], timeout_seconds: u64| CommandRecord {
        command: command.to_vec(),
        timeout_seconds,
    };
    Record {
        sequence: manifest.sequence,
        version: manifest.version.to_string(),
        manifest: digest,
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

/// Makes a release whole beside the current one and says the name of its folder. `current` is untouched.
pub(crate) async fn place(
    session: &Session,
    walk: &Walk,
    slot: &Slot,
    manifest: &Manifest,
    record: &Record,
) -> Result<String, ContentError> {
    let beginning = {
        let (slot, record, files) = (slot.clone(), record.clone(), manifest.files.clone());
        blocking(move || begin(&slot, &record, files)).await
    };
    let (assembling, missing) = match beginning? {
        Begun::Whole(name) => return Ok(name),
        Begun::Partly { assembling, missing } => (assembling, missing),
    };
    let done = fetch_and_finish(session, walk, slot, record, &assembling, missing).await;
    if done.is_err() {
        // What was fetched stays in the store; only the half-made folder goes.
        let _ = os::remove_tree(&assembling);
    }
    done
}

async fn fetch_and_finish(
    session: &Session,
    walk: &Walk,
    slot: &Slot,
    record: &Record,
    assembling: &Path,
    missing: Vec<FileEntry>,
) -> Result<String, ContentError> {
    let wanted: Vec<Blob> =
        missing.iter().map(|file| Blob { digest: file.body.sha256, size: file.body.size }).collect();
    let to_fetch: u64 =
        missing.iter().filter(|file| !session.store.has(&file.body.sha256)).map(|file| file.body.size).sum();
    let to_write: u64 = missing.iter().map(|file| file.size).sum();
    check_room(assembling, to_fetch.saturating_add(to_write))?;
    walk.blobs(&session.store, &wanted, &|_| {}).await?;
    let at = slot.folder().to_owned();
    let (store, slot, record, assembling) =
        (session.store.clone(), slot.clone(), record.clone(), assembling.to_owned());
    blocking(move || {
        for file in &missing {
            unpack(&store, file, &assembling)?;
        }
        slot.finish(&assembling, &record)
            .map_err(Error::file("assembling in", &at))
            .map_err(ContentError::from)
    })
    .await
}

/// Refuses before a byte is fetched if the disk would be full.
fn check_room(folder: &Path, wanted: u64) -> Result<(), Error> {
    let free = os::free_bytes(folder).map_err(Error::file("asking for the free space of", folder))?;
    if wanted > 0 && wanted.saturating_add(FREE_BYTES_MIN) > free {
        let told = format!("{wanted} bytes are needed and {FREE_BYTES_MIN} must stay free, {free} are free");
        let full = io::Error::new(io::ErrorKind::StorageFull, told);
        return Err(Error::file("assembling in", folder)(full));
    }
    Ok(())
}

enum Begun {
    /// The release is there already, and whole.
    Whole(String),
    /// Its folder is begun; these files are missing.
    Partly { assembling: PathBuf, missing: Vec<FileEntry> },
}

fn begin(slot: &Slot, record: &Record, files: Vec<FileEntry>) -> Result<Begun, Error> {
    let at = || Error::file("assembling in", slot.folder());
    let name = record.folder_name();
    if slot.record(&name).map_err(at())?.as_ref() == Some(record)
        && is_whole(&slot.release_folder(&name), record)
    {
        return Ok(Begun::Whole(name));
    }
    let assembling = slot.begin(record).map_err(at())?;
    let begun = check_room(&assembling, files.iter().map(|file| file.size).sum())
        .and_then(|()| copy_known(slot, &assembling, files).map_err(at()));
    match begun {
        Ok(missing) => Ok(Begun::Partly { assembling, missing }),
        Err(error) => {
            // On a full disk above all: a half-made folder must not keep it full.
            let _ = os::remove_tree(&assembling);
            Err(error)
        }
    }
}

/// Copies the files that an installed release has, and says which are missing.
fn copy_known(slot: &Slot, assembling: &Path, files: Vec<FileEntry>) -> io::Result<Vec<FileEntry>> {
    let mut here: BTreeMap<Digest, PathBuf> = BTreeMap::new();
    for (name, record) in [slot.previous()?, slot.installed()?].into_iter().flatten() {
        let folder = slot.release_folder(&name);
        here.extend(record.files.iter().map(|file| (file.sha256, folder.join(&file.path))));
    }
    let mut missing = Vec::new();
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
            missing.push(file);
        }
    }
    Ok(missing)
}

fn is_whole(folder: &Path, record: &Record) -> bool {
    record.files.iter().all(|file| {
        File::open(folder.join(&file.path)).is_ok_and(|mut opened| {
            let mut hasher = Hasher::new();
            copy(&mut opened, &mut io::sink(), &mut hasher).is_ok() && hasher.finish() == file.sha256
        })
    })
}

/// Copies a file if it still is what its digest says.
fn copy_verified(from: &Path, to: &Path, digest: &Digest) -> io::Result<bool> {
    let Ok(mut source) = File::open(from) else { return Ok(false) };
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

/// Makes a placed release the current one and judges it.
pub(crate) async fn put_in_force(
    class: Class,
    name: &str,
    slot: &Slot,
    release: &str,
    hooks: &Hooks,
) -> Result<Judged, Error> {
    let at = || Error::file("switching", slot.folder());
    let previous = slot.installed().map_err(at())?.map(|(name, _)| name);
    let trial = Trial { release: release.to_owned(), previous, starts: 1 };
    slot.switch(&trial).map_err(at())?;
    judge(class, name, slot, &trial, hooks).await
}

async fn judge(class: Class, name: &str, slot: &Slot, trial: &Trial, hooks: &Hooks) -> Result<Judged, Error> {
    let at = || Error::file("judging in", slot.folder());
    let Some(record) = slot.record(&trial.release).map_err(at())? else {
        slot.go_back(trial).map_err(at())?;
        return Ok(Judged::WentBack("its record cannot be read".to_owned()));
    };
    let folder = slot.release_folder(&trial.release);
    let variables = variables(class, name, slot, &record, &folder, trial.previous.as_deref());
    let own = |record: &Option<CommandRecord>| {
        record.as_ref().map(|own| (own.command.clone(), Duration::from_secs(own.timeout_seconds)))
    };
    let steps = [
        ("install command", own(&record.install)),
        ("probe", own(&record.probe)),
        ("domain's probe", hooks.probe.clone().map(|probe| (probe, hooks.timeout))),
    ];
    for (what, step) in steps {
        let Some((words, limit)) = step else { continue };
        let ended = command::run(&words, &folder, &variables, limit).await;
        if !ended.succeeded() {
            let undone = go_back(class, name, slot, trial, hooks).await?;
            return Ok(Judged::WentBack(format!("its {what} {ended}{undone}")));
        }
    }
    slot.keep(trial).map_err(at())?;
    let problem = match &hooks.after {
        None => None,
        Some(after) => {
            let ended: Ended = command::run(after, &folder, &variables, hooks.timeout).await;
            (!ended.succeeded()).then(|| format!("the after hook {ended}"))
        }
    };
    Ok(Judged::Kept(problem))
}

/// Puts the link back and the former release in force again; a sentence's end if that did not go well.
async fn go_back(
    class: Class,
    name: &str,
    slot: &Slot,
    trial: &Trial,
    hooks: &Hooks,
) -> Result<String, Error> {
    let at = || Error::file("going back in", slot.folder());
    slot.go_back(trial).map_err(at())?;
    let Some(previous) = &trial.previous else { return Ok(String::new()) };
    let Some(record) = slot.record(previous).map_err(at())? else { return Ok(String::new()) };
    let Some(install) = &record.install else { return Ok(String::new()) };
    let folder = slot.release_folder(previous);
    let variables = variables(class, name, slot, &record, &folder, Some(&trial.release));
    let limit = Duration::from_secs(install.timeout_seconds).max(hooks.timeout);
    let ended = command::run(&install.command, &folder, &variables, limit).await;
    if ended.succeeded() {
        return Ok(String::new());
    }
    Ok(format!(
        "; and putting release {} in force again failed: its install command {ended}",
        record.sequence
    ))
}

/// The environment of hooks and install commands, beside `PATH` and `LANG`.
fn variables(
    class: Class,
    name: &str,
    slot: &Slot,
    record: &Record,
    folder: &Path,
    previous: Option<&str>,
) -> Vec<(&'static str, String)> {
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let mut variables = vec![
        ("HEADWATER_CLASS", class.to_string()),
        ("HEADWATER_NAME", name.to_owned()),
        ("HEADWATER_SEQUENCE", record.sequence.to_string()),
        ("HEADWATER_VERSION", record.version.clone()),
        ("HEADWATER_RELEASE", text(folder)),
        ("HEADWATER_CURRENT", text(&slot.current())),
    ];
    if let Some(previous) = previous {
        variables.push(("HEADWATER_PREVIOUS", text(&slot.release_folder(previous))));
    }
    variables
}

/// At the start of a run: judges again or takes back what a crash cut short, and removes leftovers.
pub(crate) async fn recover(session: &mut Session) -> Result<(), Error> {
    for folder in [session.folder.root().to_owned(), session.folder.reports()] {
        os::remove_temporaries(&folder).map_err(Error::file("cleaning", &folder))?;
    }
    let slots = session.folder.slots().map_err(Error::file("reading", session.folder.root()))?;
    for (class, name, slot) in slots {
        let at = || Error::file("cleaning", slot.folder());
        if let Some(trial) = slot.trial().map_err(at())? {
            recover_trial(session, class, &name, &slot, trial).await?;
        }
        slot.clean().map_err(at())?;
    }
    Ok(())
}

async fn recover_trial(
    session: &mut Session,
    class: Class,
    name: &str,
    slot: &Slot,
    trial: Trial,
) -> Result<(), Error> {
    let at = || Error::file("recovering", slot.folder());
    let record = slot.record(&trial.release).map_err(at())?;
    let current = slot.installed().map_err(at())?.map(|(name, _)| name);
    let hooks = Hooks::of(&session.in_force.settings);
    let judged = match resume(trial.starts) {
        // The crash came before the switch: nothing is to be judged.
        _ if current.as_ref() != Some(&trial.release) => {
            slot.go_back(&trial).map_err(at())?;
            return Ok(());
        }
        Resume::JudgeAgain => {
            let trial = Trial { starts: trial.starts + 1, ..trial };
            slot.note_trial(&trial).map_err(at())?;
            judge(class, name, slot, &trial, &hooks).await?
        }
        Resume::GoBack => {
            let undone = go_back(class, name, slot, &trial, &hooks).await?;
            Judged::WentBack(format!("judging it was cut short {} times{undone}", trial.starts))
        }
    };
    match (judged, record) {
        (Judged::Kept(_), _) => {
            session.warnings.push(format!("{name}: a release put in place before a crash was kept"))
        }
        (Judged::WentBack(why), Some(record)) => remember(session, class, name, &record, &why),
        (Judged::WentBack(_), None) => {}
    }
    Ok(())
}

/// Remembers that a release failed here, so that it is not tried again until there is a newer one.
pub(crate) fn remember(session: &mut Session, class: Class, name: &str, record: &Record, why: &str) {
    let failed =
        Failed { sequence: record.sequence, manifest: record.manifest, why: why.to_owned(), at: session.now };
    session.state.remember_failed(class, name, failed);
}

/// Runs work that waits for the disk where it holds up nothing else.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.expect("disk work does not panic")
}
