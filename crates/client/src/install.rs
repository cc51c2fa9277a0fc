//! Puts assembled releases in force: switch, judge, keep or go back (P11).
//!
//! * [`activate`]: the link is switched; the install command and the probes judge; kept or back.
//! * [`recover`]: at the start of a run, what a crash cut short is judged again or taken back, and leftovers go.
//!
//! Going back puts the link back and, for a program with an install command, runs the former release's install
//! command again. An install command must therefore stand being run more than once.

use std::path::Path;
use std::time::Duration;

use headwater_policy::Class;

use crate::command::{self, Ended};
use crate::error::Error;
use crate::machine::{Resume, resume};
use crate::os;
use crate::session::Session;
use crate::slot::{CommandRecord, Record, Slot, Trial};
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
    Reverted(String),
}

/// Makes a placed release the current one and judges it.
pub(crate) async fn activate(
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
        return Ok(Judged::Reverted("its record cannot be read".to_owned()));
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
            return Ok(Judged::Reverted(format!("its {what} {ended}{undone}")));
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
            Judged::Reverted(format!("judging it was cut short {} times{undone}", trial.starts))
        }
    };
    match (judged, record) {
        (Judged::Kept(_), _) => {
            session.warnings.push(format!("{name}: a release put in place before a crash was kept"))
        }
        (Judged::Reverted(why), Some(record)) => remember(session, class, name, &record, &why),
        (Judged::Reverted(_), None) => {}
    }
    Ok(())
}

/// Remembers that a release failed here, so that it is not tried again until there is a newer one.
pub(crate) fn remember(session: &mut Session, class: Class, name: &str, record: &Record, why: &str) {
    let failed =
        Failed { sequence: record.sequence, manifest: record.manifest, why: why.to_owned(), at: session.now };
    session.state.remember_failed(class, name, failed);
}
