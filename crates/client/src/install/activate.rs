//! Activation: switch, probe, keep or revert.

use std::time::Duration;

use headwater_policy::Class;
use jiff::Timestamp;

use crate::command;
use crate::data::{CommandRecord, FailedRelease, ReleaseRecord, Slot, State, Trial};
use crate::error::Error;
use crate::install::hooks::{Hooks, variables};
use crate::os::blocking;

/// How a trial ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeOutcome {
    /// The release is kept; the problem of the after hook, if it failed.
    Kept(Option<String>),
    /// The client reverted to the previous release; why.
    Reverted(String),
    /// There is no release that it may revert to, so none is installed now; why.
    Removed(String),
}

impl ProbeOutcome {
    /// The outcome of a trial that did not end well.
    fn failed(trial: &Trial, why: String) -> Self {
        if trial.previous.is_some() { Self::Reverted(why) } else { Self::Removed(why) }
    }
}

/// Makes an assembled release current and probes it. If that fails, the client reverts to a release that `may_return`
/// allows (P11).
pub(crate) async fn activate(
    class: Class,
    name: &str,
    slot: &Slot,
    release: &str,
    hooks: &Hooks,
    may_return: &(dyn Fn(&ReleaseRecord) -> bool + Sync),
) -> Result<ProbeOutcome, Error> {
    let at = || Error::file("switching", slot.folder());
    let previous = slot.returnable(release, may_return).map_err(at())?;
    let trial = Trial { release: release.to_owned(), previous, starts: 1 };
    slot.switch(&trial).map_err(at())?;
    probe(class, name, slot, &trial, hooks).await
}

/// Runs the install command and the probes of the current release; keeps it or reverts.
pub(crate) async fn probe(
    class: Class,
    name: &str,
    slot: &Slot,
    trial: &Trial,
    hooks: &Hooks,
) -> Result<ProbeOutcome, Error> {
    let at = || Error::file("probing in", slot.folder());
    let Some(record) = slot.record(&trial.release).map_err(at())? else {
        slot.revert(trial).map_err(at())?;
        return Ok(ProbeOutcome::failed(trial, "its record cannot be read".to_owned()));
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
        let outcome = command::run(&words, &folder, &variables, limit).await;
        if !outcome.succeeded() {
            let problem = revert(class, name, slot, trial, hooks).await?;
            return Ok(ProbeOutcome::failed(trial, format!("its {what} {outcome}{problem}")));
        }
    }
    note_reference(slot, &trial.release).await;
    slot.keep(trial).map_err(at())?;
    let problem = match &hooks.after {
        None => None,
        Some(after) => {
            let outcome = command::run(after, &folder, &variables, hooks.timeout).await;
            (!outcome.succeeded()).then(|| format!("the after hook {outcome}"))
        }
    };
    Ok(ProbeOutcome::Kept(problem))
}

/// Notes how a release looks that is about to be kept. Without that it is checked against its record.
pub(crate) async fn note_reference(slot: &Slot, release: &str) {
    let (at, release) = (slot.clone(), release.to_owned());
    if let Err(error) = blocking(move || at.take_reference(&release)).await {
        tracing::warn!(
            "cannot note how the files of {} look after their install command ({error}); what it changed counts as damage",
            slot.folder().display()
        );
    }
}

/// Points the link back and activates the previous release again. Returns the end of a sentence if that failed.
pub(crate) async fn revert(
    class: Class,
    name: &str,
    slot: &Slot,
    trial: &Trial,
    hooks: &Hooks,
) -> Result<String, Error> {
    let at = || Error::file("reverting in", slot.folder());
    slot.revert(trial).map_err(at())?;
    let Some(previous) = &trial.previous else { return Ok(String::new()) };
    let Some(record) = slot.record(previous).map_err(at())? else { return Ok(String::new()) };
    let Some(install) = &record.install else { return Ok(String::new()) };
    let folder = slot.release_folder(previous);
    let variables = variables(class, name, slot, &record, &folder, Some(&trial.release));
    let limit = Duration::from_secs(install.timeout_seconds).max(hooks.timeout);
    let outcome = command::run(&install.command, &folder, &variables, limit).await;
    if outcome.succeeded() {
        return Ok(String::new());
    }
    Ok(format!("; activating release {} again failed: its install command {outcome}", record.sequence))
}

/// Records that a release failed here, so that it is not tried again until there is a newer one.
pub(crate) fn remember_failure(
    state: &mut State,
    now: Timestamp,
    class: Class,
    name: &str,
    record: &ReleaseRecord,
    why: &str,
) {
    let failed =
        FailedRelease { sequence: record.sequence, manifest: record.manifest, why: why.to_owned(), at: now };
    state.remember_failed(class, name, failed);
}
