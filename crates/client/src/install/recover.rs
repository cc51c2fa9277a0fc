//! At the start of a run: finishes or reverts what a crash interrupted, and removes leftovers.

use headwater_depot::files;
use headwater_policy::Class;

use crate::data::{Slot, Trial};
use crate::decide::{Resume, resume};
use crate::error::Error;
use crate::install::activate::{ProbeOutcome, probe, remember_failure, revert};
use crate::install::hooks::Hooks;
use crate::session::Session;

/// Recovers every slot, and removes temporary files.
pub(crate) async fn recover(session: &mut Session) -> Result<(), Error> {
    let data = session.context.folder.clone();
    for folder in [data.root().to_owned(), data.reports()] {
        files::remove_temporaries(&folder).map_err(Error::file("cleaning", &folder))?;
    }
    let slots = data.slots().map_err(Error::file("reading", data.root()))?;
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
    let hooks = Hooks::of(&session.context.effective.settings);
    let outcome = match resume(trial.starts) {
        // The crash came before the switch: there is nothing to probe.
        _ if current.as_ref() != Some(&trial.release) => {
            slot.revert(&trial).map_err(at())?;
            return Ok(());
        }
        Resume::ProbeAgain => {
            let trial = Trial { starts: trial.starts + 1, ..trial };
            slot.note_trial(&trial).map_err(at())?;
            probe(class, name, slot, &trial, &hooks).await?
        }
        Resume::Revert => {
            let problem = revert(class, name, slot, &trial, &hooks).await?;
            ProbeOutcome::Reverted(format!("its probe was interrupted {} times{problem}", trial.starts))
        }
    };
    match (outcome, record) {
        (ProbeOutcome::Kept(_), _) => session
            .findings
            .warnings
            .push(format!("{name}: a release that was activated before a crash was probed again and kept")),
        (ProbeOutcome::Reverted(why) | ProbeOutcome::Removed(why), Some(record)) => {
            remember_failure(&mut session.state, session.context.now, class, name, &record, &why);
        }
        (ProbeOutcome::Reverted(_) | ProbeOutcome::Removed(_), None) => {}
    }
    Ok(())
}
