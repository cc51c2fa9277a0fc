//! Which program a starting daemon runs, and the probation of a new one.

use std::path::{Path, PathBuf};

use headwater_depot::files::{self, FileAccess};
use headwater_policy::Class;

use crate::data::{DataFolder, FailedRelease, ReleaseRecord, Slot, State, Trial};
use crate::decide::{Launch, launch};
use crate::error::Error;
use crate::limits::NUMBER_FILE_BYTES_MAX;
use crate::os;
use crate::self_update::trial::{NAME, starts_path};

/// Set in the environment of a program that another one started: it does not look for a newer program.
pub const LAUNCHED: &str = "HEADWATER_LAUNCHED";

/// The program that a starting daemon becomes; `None` if it continues itself. Counts the start of a program on probation,
/// and reverts it after too many.
///
/// # Errors
///
/// The data folder cannot be read or written.
pub fn choose(data: &Path) -> Result<Option<PathBuf>, Error> {
    let folder = DataFolder::new(data);
    files::refuse_root_in_folder_of_another(data)?;
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
            files::replace(&starts_path(&slot), count.as_bytes(), FileAccess::Owner).map_err(at())?;
            Ok(Some(program(&name)))
        }
        (Launch::Revert, Some((name, record))) => {
            let previous = revert(&folder, &slot, name, &record, starts.unwrap_or(0))?;
            Ok(previous.map(|previous| program(&previous)))
        }
    }
}

/// Reverts to the previous release, and records that this one failed.
fn revert(
    folder: &DataFolder,
    slot: &Slot,
    name: String,
    record: &ReleaseRecord,
    starts: u32,
) -> Result<Option<String>, Error> {
    let at = || Error::file("reading", slot.folder());
    let (mut state, _) = State::load_or_reset(folder)?;
    let may_return = |record: &ReleaseRecord| !state.was_withdrawn(Class::Programs, NAME, record.sequence);
    let previous = slot.previous().map_err(at())?.filter(|(previous, _)| *previous != name);
    let previous = previous.filter(|(_, record)| may_return(record)).map(|(previous, _)| previous);
    let trial = Trial { release: name, previous: previous.clone(), starts: 0 };
    slot.revert(&trial).map_err(at())?;
    let why = format!("it completed no run as daemon in {starts} starts");
    let failed = FailedRelease { sequence: record.sequence, manifest: record.manifest, why, at: os::now() };
    state.remember_failed(Class::Programs, NAME, failed);
    state.save(folder)?;
    files::remove_if_present(&starts_path(slot)).map_err(at())?;
    Ok(previous)
}

/// After a completed run as daemon: ends the probation of the running program. Returns the current program if that is
/// another one, because another process activated a newer release.
pub(crate) fn confirm(folder: &DataFolder, own: &Path) -> Result<Option<PathBuf>, Error> {
    let slot = folder.slot(Class::Programs, NAME);
    let at = || Error::file("reading", slot.folder());
    if read_starts(&slot).map_err(at())?.is_none() {
        return Ok(None);
    }
    let Some((name, _)) = slot.installed().map_err(at())? else { return Ok(None) };
    let current = slot.release_folder(&name).join(NAME);
    let same = |a: &Path, b: &Path| a.canonicalize().ok().is_some_and(|a| b.canonicalize().ok() == Some(a));
    if same(&current, own) {
        files::remove_if_present(&starts_path(&slot)).map_err(at())?;
        return Ok(None);
    }
    Ok(Some(current))
}

fn read_starts(slot: &Slot) -> std::io::Result<Option<u32>> {
    let bytes = os::read_bounded(&starts_path(slot), NUMBER_FILE_BYTES_MAX)?;
    // An unreadable counter counts as spent: reverting is the safe choice.
    Ok(bytes.map(|bytes| {
        std::str::from_utf8(&bytes).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(u32::MAX)
    }))
}
