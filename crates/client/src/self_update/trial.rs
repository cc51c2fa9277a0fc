//! The trial of a new program, and the switch to it.

use std::path::Path;

use headwater_api::report::{ClassOutcome, Report};
use headwater_depot::files::{self, FileAccess};
use headwater_policy::Class;
use serde::{Deserialize, Serialize};
use tokio::process::Command;

use crate::command::{GroupGuard, Tail};
use crate::data::{ReleaseRecord, Slot, Trial};
use crate::decide::trial_verdict;
use crate::error::Error;
use crate::fetch::ContentError;
use crate::install::{ProbeOutcome, note_reference};
use crate::limits::{SELF_TRIAL_TIME_MAX, STATE_BYTES_MAX};
use crate::os;
use crate::session::{Context, Session};

/// The name of the program, and of its file in its releases.
pub const NAME: &str = "headwater-client";

/// What a trial run proves.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Proof {
    /// The word that was passed to the trial: an old proof proves nothing.
    pub word: String,
    /// The outcomes of its classes.
    pub classes: Vec<ClassOutcome>,
}

impl Proof {
    /// Writes the outcomes of a trial run.
    ///
    /// # Errors
    ///
    /// The disk refuses.
    pub fn write(path: &Path, word: &str, report: &Report) -> Result<(), Error> {
        let proof = Self { word: word.to_owned(), classes: report.classes.clone() };
        let bytes = serde_json::to_vec(&proof).map_err(|error| Error::Internal(error.to_string()))?;
        files::replace(path, &bytes, FileAccess::Owner).map_err(Error::file("writing the proof", path))
    }
}

/// Whether a release is one of this program, and this program may replace itself.
pub(crate) fn is_own(context: &Context, class: Class, name: &str) -> bool {
    class == Class::Programs && name == NAME && context.config.program.is_some()
}

/// Tries an assembled release and switches to it. Its probation may end with one that `may_return` allows.
pub(crate) async fn take_over(
    session: &mut Session,
    slot: &Slot,
    release: &str,
    record: &ReleaseRecord,
    may_return: &(dyn Fn(&ReleaseRecord) -> bool + Sync),
) -> Result<ProbeOutcome, ContentError> {
    if session.context.options.self_trial {
        return Ok(ProbeOutcome::Reverted("a trial run does not update the program itself".to_owned()));
    }
    session.save_state()?;
    let program = slot.release_folder(release).join(NAME);
    if !program.is_file() {
        let why = format!("it has no file {NAME}, which is the program to start");
        return Ok(ProbeOutcome::Reverted(why));
    }
    if let Err(why) = try_out(session, slot, &program).await? {
        return Ok(ProbeOutcome::Reverted(why));
    }
    let at = || Error::file("switching", slot.folder());
    let previous = slot.returnable(release, may_return).map_err(at())?;
    let trial = Trial { release: release.to_owned(), previous, starts: 0 };
    files::replace(&starts_path(slot), b"0", FileAccess::Owner).map_err(at())?;
    slot.switch(&trial).map_err(at())?;
    note_reference(slot, release).await;
    slot.keep(&trial).map_err(at())?;
    tracing::info!(version = %record.version, "switched to a newer headwater-client");
    session.findings.replaced = Some(program);
    Ok(ProbeOutcome::Kept(None))
}

/// The file of the start counter; it exists while a release is on probation.
pub(crate) fn starts_path(slot: &Slot) -> std::path::PathBuf {
    slot.folder().join("starts")
}

/// Makes a trial run. The inner error is a sentence: why the new program must not take over.
async fn try_out(session: &Session, slot: &Slot, program: &Path) -> Result<Result<(), String>, Error> {
    let proof_path = slot.folder().join("proof.json");
    files::remove_if_present(&proof_path).map_err(Error::file("removing", &proof_path))?;
    let word = format!("{}-{}", session.state.run, session.context.now.as_nanosecond());
    let mut command = trial_command(&session.context, program, &proof_path, &word);
    let mut child = match os::in_own_process_group(&mut command).spawn() {
        Ok(child) => child,
        Err(error) => return Ok(Err(format!("its trial run could not be started: {error}"))),
    };
    let group = GroupGuard::new(&child);
    let mut output = Tail::default();
    let stderr = child.stderr.take();
    let followed = async { tokio::join!(child.wait(), output.read_some(stderr)).0 };
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
        Some(proof) if proof.word == word => trial_verdict(&session.findings.outcomes, &proof.classes),
        Some(_) | None => Err(format!("its trial run ended ({status}) without proof: {}", output.text())),
    })
}

fn trial_command(context: &Context, program: &Path, proof: &Path, word: &str) -> Command {
    let mut command = Command::new(program);
    command.arg("trial").arg("--data").arg(context.folder.root()).arg("--id").arg(context.config.id.as_str());
    for address in context.config.addresses.iter().flatten() {
        command.arg("--address").arg(address.to_string());
    }
    command.arg("--proof").arg(proof).arg("--word").arg(word);
    command.stdin(std::process::Stdio::null()).kill_on_drop(true);
    command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::piped());
    command
}

/// The end of a trial run; the error states that it was stopped.
async fn in_time<T>(followed: impl Future<Output = T>) -> Result<T, String> {
    let stopped = |_| format!("its trial run was stopped after {} s", SELF_TRIAL_TIME_MAX.as_secs());
    tokio::time::timeout(SELF_TRIAL_TIME_MAX, followed).await.map_err(stopped)
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
