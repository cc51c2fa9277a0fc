//! `headwater-client` as a program that it updates itself.
//!
//! 1. The new release is placed like any other, but not made current.
//! 2. A trial: the new program, as a child, makes a complete run without updating itself, within a time limit, and
//!    writes a proof. It must do as well as the running one does ([`trial_verdict`]).
//! 3. Only then the link is switched, and the start counter is set: the release is on probation.
//! 4. The daemon becomes the new program (`exec`). Each start counts; the first completed run as daemon takes the
//!    counter away. Too many starts without one, and the next start goes back to the release before.

use std::path::{Path, PathBuf};

use headwater_api::report::{ClassOutcome, Report};
use headwater_policy::Class;
use serde::{Deserialize, Serialize};
use tokio::process::Command;

use crate::classes::ContentError;
use crate::command::{GroupGuard, Tail};
use crate::error::Error;
use crate::folder::DataFolder;
use crate::install::Judged;
use crate::limits::{SELF_TRIAL_TIME_MAX, STATE_BYTES_MAX};
use crate::machine::{Launch, launch, trial_verdict};
use crate::os;
use crate::session::Session;
use crate::slot::{Record, Slot, Trial};
use crate::state::{Failed, State};

/// The program's name, and the file's in its releases.
pub const NAME: &str = "headwater-client";

/// Set in the environment of a program that was started by another: it does not look for a newer one again.
pub const LAUNCHED: &str = "HEADWATER_LAUNCHED";

/// What a trial run proves.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Proof {
    /// The word that the trial was given: an old proof proves nothing.
    pub word: String,
    /// What it came to.
    pub classes: Vec<ClassOutcome>,
}

impl Proof {
    /// Writes what a trial run came to.
    ///
    /// # Errors
    ///
    /// The disk refuses.
    pub fn write(path: &Path, word: &str, report: &Report) -> Result<(), Error> {
        let proof = Self { word: word.to_owned(), classes: report.classes.clone() };
        let bytes = serde_json::to_vec(&proof).map_err(|error| Error::Internal(error.to_string()))?;
        os::write_atomic(path, &bytes).map_err(Error::file("writing the proof", path))
    }
}

/// Whether a release is of this very program, and this one may replace itself.
pub(crate) fn is_own(session: &Session, class: Class, name: &str) -> bool {
    class == Class::Programs && name == NAME && session.config.program.is_some()
}

/// Tries a placed release and lets it take over.
pub(crate) async fn take_over(
    session: &mut Session,
    slot: &Slot,
    release: &str,
    record: &Record,
) -> Result<Judged, ContentError> {
    if session.options.self_trial {
        return Ok(Judged::Reverted("a trial run does not update the program itself".to_owned()));
    }
    session.save_state()?;
    let program = slot.release_folder(release).join(NAME);
    if !program.is_file() {
        return Ok(Judged::Reverted(format!("it has no file {NAME}, which is the program to take over")));
    }
    if let Err(why) = try_out(session, slot, &program).await? {
        return Ok(Judged::Reverted(why));
    }
    let at = || Error::file("switching", slot.folder());
    let previous = slot.installed().map_err(at())?.map(|(name, _)| name);
    let trial = Trial { release: release.to_owned(), previous, starts: 0 };
    os::write_atomic(&starts_path(slot), b"0").map_err(at())?;
    slot.switch(&trial).map_err(at())?;
    slot.keep(&trial).map_err(at())?;
    tracing::info!(version = %record.version, "a newer headwater-client takes over");
    session.replaced = Some(program);
    Ok(Judged::Kept(None))
}

/// A trial run's end; an error is the sentence that it was stopped.
async fn in_time<T>(followed: impl Future<Output = T>) -> Result<T, String> {
    let stopped = |_| format!("its trial run was stopped after {} s", SELF_TRIAL_TIME_MAX.as_secs());
    tokio::time::timeout(SELF_TRIAL_TIME_MAX, followed).await.map_err(stopped)
}

async fn try_out(session: &Session, slot: &Slot, program: &Path) -> Result<Result<(), String>, Error> {
    let proof_path = slot.folder().join("proof.json");
    os::remove_file(&proof_path).map_err(Error::file("removing", &proof_path))?;
    let word = format!("{}-{}", session.state.run, session.now.as_nanosecond());
    let mut command = Command::new(program);
    command.arg("trial").arg("--data").arg(session.folder.root()).arg("--id").arg(session.config.id.as_str());
    for address in session.config.addresses.iter().flatten() {
        command.arg("--address").arg(address.to_string());
    }
    command.arg("--proof").arg(&proof_path).arg("--word").arg(&word);
    command.stdin(std::process::Stdio::null()).kill_on_drop(true);
    command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::piped());
    let mut child = match os::in_own_process_group(&mut command).spawn() {
        Ok(child) => child,
        Err(error) => return Ok(Err(format!("its trial run could not be started: {error}"))),
    };
    let group = GroupGuard::new(&child);
    let mut said = Tail::default();
    let stderr = child.stderr.take();
    let followed = async { tokio::join!(child.wait(), said.read_some(stderr)).0 };
    let ended = in_time(followed).await;
    drop(group);
    let status = match ended {
        Err(stopped) => return Ok(Err(stopped)),
        Ok(Err(error)) => return Ok(Err(format!("its trial run could not be followed: {error}"))),
        Ok(Ok(status)) => status,
    };
    let bytes =
        os::read_bounded(&proof_path, STATE_BYTES_MAX).map_err(Error::file("reading", &proof_path))?;
    let proof: Option<Proof> = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    Ok(match proof {
        Some(proof) if proof.word == word => trial_verdict(&session.outcomes, &proof.classes),
        Some(_) | None => Err(format!("its trial run ended ({status}) without proof: {}", said.text())),
    })
}

/// Which program a starting daemon becomes: `None` to go on itself. Counts the start of one on probation, and
/// goes back where it had too many.
///
/// # Errors
///
/// The data folder cannot be read or written.
pub fn choose(data: &Path) -> Result<Option<PathBuf>, Error> {
    let folder = DataFolder::new(data);
    let slot = folder.slot(Class::Programs, NAME);
    let at = || Error::file("reading", slot.folder());
    let installed = slot.installed().map_err(at())?;
    let starts = read_starts(&slot).map_err(at())?;
    let program = |name: &str| slot.release_folder(name).join(NAME);
    match (launch(installed.is_some(), starts), installed) {
        (Launch::Own, _) | (_, None) => Ok(None),
        (Launch::Current, Some((name, _))) => Ok(Some(program(&name))),
        (Launch::Probation, Some((name, _))) => {
            let count = (starts.unwrap_or(0) + 1).to_string();
            os::write_atomic(&starts_path(&slot), count.as_bytes()).map_err(at())?;
            Ok(Some(program(&name)))
        }
        (Launch::GoBack, Some((name, record))) => {
            let previous =
                slot.previous().map_err(at())?.map(|(name, _)| name).filter(|previous| *previous != name);
            let trial = Trial { release: name, previous: previous.clone(), starts: 0 };
            slot.go_back(&trial).map_err(at())?;
            let (mut state, _) = State::load_or_put_aside(&folder)?;
            let why = format!("it completed no run as daemon in {} starts", starts.unwrap_or(0));
            state.remember_failed(
                Class::Programs,
                NAME,
                Failed { sequence: record.sequence, manifest: record.manifest, why, at: os::now() },
            );
            state.save(&folder)?;
            os::remove_file(&starts_path(&slot)).map_err(at())?;
            Ok(previous.map(|previous| program(&previous)))
        }
    }
}

/// After a completed run as daemon: the running program is no longer on probation, if it was; or it is not the
/// one that is current (another process put a newer one in place), and then that one is to go on.
pub(crate) fn after_run(folder: &DataFolder, own: &Path) -> Result<Option<PathBuf>, Error> {
    let slot = folder.slot(Class::Programs, NAME);
    let at = || Error::file("reading", slot.folder());
    if read_starts(&slot).map_err(at())?.is_none() {
        return Ok(None);
    }
    let Some((name, _)) = slot.installed().map_err(at())? else { return Ok(None) };
    let current = slot.release_folder(&name).join(NAME);
    let same = |a: &Path, b: &Path| a.canonicalize().ok().is_some_and(|a| b.canonicalize().ok() == Some(a));
    if same(&current, own) {
        os::remove_file(&starts_path(&slot)).map_err(at())?;
        return Ok(None);
    }
    Ok(Some(current))
}

fn read_starts(slot: &Slot) -> std::io::Result<Option<u32>> {
    let bytes = os::read_bounded(&starts_path(slot), 64)?;
    // An unreadable counter counts as spent: going back is the safe side.
    Ok(bytes.map(|bytes| {
        std::str::from_utf8(&bytes).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(u32::MAX)
    }))
}

fn starts_path(slot: &Slot) -> PathBuf {
    slot.folder().join("starts")
}

#[cfg(test)]
mod tests {
    use super::in_time;
    use crate::limits::SELF_TRIAL_TIME_MAX;

    #[tokio::test(start_paused = true)]
    async fn a_trial_run_without_end_is_stopped() {
        let begun = tokio::time::Instant::now();
        let stopped = in_time(std::future::pending::<()>()).await.unwrap_err();
        assert!(stopped.contains("stopped after 120 s"), "{stopped}");
        assert_eq!(begun.elapsed().as_secs(), SELF_TRIAL_TIME_MAX.as_secs());
    }
}
