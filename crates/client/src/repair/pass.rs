//! The repairs of one run: what was found and repaired, and what is still damaged.

use std::collections::{BTreeMap, BTreeSet};

use headwater_api::report::{ClassOutcome, ClassResult};
use headwater_api::settings::FreeSettingsDocument;
use headwater_depot::files;
use headwater_policy::Class;
use headwater_repo::{ComponentName, FileEntry, Manifest, error_chain, layout};

use crate::assemble::{Assembly, copy_local, installed_files, make_and_fetch};
use crate::data::{Reference, ReleaseRecord, Slot, added};
use crate::decide::{NameOutcome, worst};
use crate::error::Error;
use crate::fetch::{ContentError, VerifiedRepository, target, unusable};
use crate::install::{Hooks, ProbeOutcome, activate, note_reference, remember_failure};
use crate::limits::{ADDED_FILES_MAX, NAMES_LISTED_MAX};
use crate::options::Trigger;
use crate::os::blocking;
use crate::repair::damage::{Damage, Depth, Fault, damage_of, described};
use crate::repair::mend::{self, Damaged};
use crate::self_update;
use crate::session::Session;
use crate::update::files_of;

/// What a run has repaired so far, and what it has not.
#[derive(Default)]
pub(crate) struct Repairs {
    /// Releases that were looked at, by class.
    checked: BTreeMap<Class, usize>,
    done: Vec<(Class, NameOutcome)>,
    unrepaired: BTreeMap<(Class, String), Unrepaired>,
    /// Classes of which an installed release is gone, with its link or its record.
    lost: BTreeSet<Class>,
}

/// A release that is damaged still.
struct Unrepaired {
    /// The name of its folder.
    release: String,
    /// What is damaged and why it is not repaired, a sentence.
    why: String,
    /// What a source can mend; `None` if the disk is the problem.
    damaged: Option<Damaged>,
}

impl Repairs {
    /// Whether a source is to give files of an installed release of the class.
    pub(crate) fn wait_for(&self, class: Class) -> bool {
        self.lost.contains(&class)
            || self
                .unrepaired
                .iter()
                .any(|((of, _), unrepaired)| *of == class && unrepaired.damaged.is_some())
    }

    /// Whether a release is damaged still.
    pub(crate) fn has_unrepaired(&self, class: Class, name: &str) -> bool {
        self.unrepaired.contains_key(&(class, name.to_owned()))
    }

    /// The releases of a class that were looked at.
    pub(crate) fn checked(&self, class: Class) -> usize {
        self.checked.get(&class).copied().unwrap_or(0)
    }
}

/// Checks every current release, and repairs from what is here. Nothing of this ends the run: what hinders a repair is the
/// class's failure.
pub(crate) async fn check_and_repair(session: &mut Session) {
    let slots = match session.context.folder.slots() {
        Ok(slots) => slots,
        Err(error) => {
            let problem = format!("cannot check the installed files: {error}");
            session.findings.warnings.push(problem);
            return;
        }
    };
    note_lost(session, &slots);
    let all: Vec<Slot> = slots.iter().map(|(_, _, slot)| slot.clone()).collect();
    for (class, name, slot) in slots {
        // A slot whose link cannot be read fails where the class needs it.
        let Ok(Some((release, record))) = slot.installed() else { continue };
        *session.findings.repairs.checked.entry(class).or_default() += 1;
        if let Err(error) = check_one(session, class, &name, &all, (slot, release.clone(), record)).await {
            let why = format!(
                "{name}: installed files are damaged and could not be repaired: {}",
                error_chain(&error)
            );
            note_unrepaired(session, class, &name, Unrepaired { release, why, damaged: None });
            if error.is_storage() {
                session.findings.deferred.get_or_insert(error);
            }
        }
    }
}

/// Warns of each release that was installed when the last run ended, and of which the link or the record is gone: the
/// class installs it again.
fn note_lost(session: &mut Session, slots: &[(Class, String, Slot)]) {
    let Some(last) = &session.state.last_run else { return };
    let is_installed = |class: Class, name: &str| {
        let slot = slots.iter().find(|(of, its, _)| *of == class && its == name);
        // A link that cannot be read fails where the class needs it.
        slot.is_some_and(|(.., slot)| !matches!(slot.installed(), Ok(None)))
    };
    let mut lost = Vec::new();
    for class in Class::ALL {
        for (name, release) in last.installed.get(class.as_str()).into_iter().flatten() {
            if !is_installed(class, name) {
                lost.push((class, format!(
                    "{class}: {name}: release {} was installed, and something on this computer removed it, its record or its \
                     link; what is published is installed again",
                    release.version
                )));
            }
        }
    }
    for (class, message) in lost {
        tracing::warn!("{message}");
        session.findings.warnings.push(message);
        session.findings.repairs.lost.insert(class);
    }
}

/// What a look at a release found. Wrong modes were set again.
struct Found {
    reference: Reference,
    modes: Vec<Damage>,
    damage: Vec<Damage>,
    added: BTreeSet<String>,
}

async fn check_one(
    session: &mut Session,
    class: Class,
    name: &str,
    all: &[Slot],
    (slot, release, record): (Slot, String, ReleaseRecord),
) -> Result<(), Error> {
    let at = || Error::file("checking the files in", slot.folder());
    let depth = match session.context.options.trigger {
        Trigger::Repair => Depth::Content,
        Trigger::Poll | Trigger::PolicyLook | Trigger::Person => Depth::Metadata,
    };
    let looked = (slot.clone(), release.clone(), record.clone());
    let found = blocking(move || look(&looked.0, &looked.1, &looked.2, depth)).await.map_err(at())?;
    report_added(session, class, name, &slot, &release, &found).map_err(at())?;
    let Found { reference, modes, damage, .. } = found;
    if !modes.is_empty() {
        note_repaired(session, class, name, &record, &modes, ProbeOutcome::Kept(None));
    }
    let damaged = Damaged { slot: slot.clone(), release, record, reference, damage };
    if damaged.damage.is_empty() {
        if slot.repaired().map_err(at())?.as_ref() == Some(&damaged.release) {
            // A crash came between its repair and its activation.
            let outcome = reactivate(session, class, name, &damaged).await?;
            note_repaired(session, class, name, &damaged.record, &[], outcome);
        }
        return Ok(());
    }
    let known = known_files(&damaged.record);
    let (here, slots) = (damaged.clone(), all.to_vec());
    match blocking(move || mend::stage_from_here(&here, &slots, &known)).await? {
        Some(staging) => finish(session, class, name, &damaged, &staging).await,
        None => {
            let why = format!(
                "{name}: files of release {} are damaged and could not be repaired: {}; nothing else on this computer has \
                 their content, and no source gave it in this run. The next run tries again",
                damaged.record.version,
                described(&damaged.damage)
            );
            let release = damaged.release.clone();
            note_unrepaired(session, class, name, Unrepaired { release, why, damaged: Some(damaged) });
            Ok(())
        }
    }
}

fn look(slot: &Slot, release: &str, record: &ReleaseRecord, depth: Depth) -> std::io::Result<Found> {
    let (folder, reference) = (slot.release_folder(release), slot.reference(release)?);
    let mut damage = damage_of(&folder, record, &reference, depth);
    let modes: Vec<Damage> =
        damage.iter().filter(|damage| matches!(damage.fault, Fault::Mode { .. })).cloned().collect();
    if !modes.is_empty() {
        mend::set_wrong_modes(&folder, record, &damage)?;
        // What lies in a folder that was closed can be looked at now.
        damage = damage_of(&folder, record, &reference, depth);
    }
    Ok(Found { modes, damage, added: added(&folder, record)?, reference })
}

/// What a release's files contain, where the record itself has it: the settings.
fn known_files(record: &ReleaseRecord) -> BTreeMap<String, Vec<u8>> {
    let document = record.document.clone();
    let document =
        document.and_then(|document| serde_json::from_value::<FreeSettingsDocument>(document).ok());
    document.and_then(|document| files_of(&document).ok()).unwrap_or_default().into_iter().collect()
}

/// Warns once of each file that others added.
fn report_added(
    session: &mut Session,
    class: Class,
    name: &str,
    slot: &Slot,
    release: &str,
    found: &Found,
) -> std::io::Result<()> {
    let reference = &found.reference;
    let is_known = |path: &&String| reference.made.contains(*path) || reference.reported.contains(*path);
    let new: Vec<&str> = found.added.iter().filter(|path| !is_known(path)).map(String::as_str).collect();
    if new.is_empty() || reference.reported.len() >= ADDED_FILES_MAX {
        return Ok(());
    }
    let listed = new.iter().take(NAMES_LISTED_MAX).copied().collect::<Vec<_>>().join(", ");
    let more = match new.len().saturating_sub(NAMES_LISTED_MAX) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let message = format!(
        "{class}: {name}: something on this computer added files to the installed release: {listed}{more}; they stay until \
         the release is replaced"
    );
    tracing::warn!("{message}");
    session.findings.warnings.push(message);
    let mut reference = reference.clone();
    reference.reported.extend(new.into_iter().map(str::to_owned));
    slot.replace_reference(release, &reference)
}

/// Puts staged files into place, and activates the release again.
async fn finish(
    session: &mut Session,
    class: Class,
    name: &str,
    damaged: &Damaged,
    staging: &std::path::Path,
) -> Result<(), Error> {
    let (placed, from) = (damaged.clone(), staging.to_owned());
    let done = blocking(move || mend::place(&placed, &from)).await;
    if done.is_err() {
        let _ = files::remove_tree(staging);
    }
    done.map_err(Error::file("repairing in", damaged.slot.folder()))?;
    let outcome = reactivate(session, class, name, damaged).await?;
    note_repaired(session, class, name, &damaged.record, &damaged.damage, outcome);
    Ok(())
}

async fn reactivate(
    session: &Session,
    class: Class,
    name: &str,
    damaged: &Damaged,
) -> Result<ProbeOutcome, Error> {
    let Damaged { slot, release, .. } = damaged;
    let outcome = if self_update::is_own(&session.context, class, name) {
        note_reference(slot, release).await;
        ProbeOutcome::Kept(None)
    } else {
        let hooks = Hooks::of(&session.context.effective.settings);
        let state = &session.state;
        let may_return = |record: &ReleaseRecord| !state.was_withdrawn(class, name, record.sequence);
        activate(class, name, slot, release, &hooks, &may_return).await?
    };
    slot.forget_repaired().map_err(Error::file("repairing in", slot.folder()))?;
    Ok(outcome)
}

/// Logs and notes a repair.
fn note_repaired(
    session: &mut Session,
    class: Class,
    name: &str,
    record: &ReleaseRecord,
    damage: &[Damage],
    outcome: ProbeOutcome,
) {
    let version = &record.version;
    let what = match damage {
        [] => "the repair was interrupted before it was activated again".to_owned(),
        damage => format!("something on this computer had changed {}", described(damage)),
    };
    let (result, message) = match outcome {
        ProbeOutcome::Kept(problem) => {
            let problem = problem.map_or_else(String::new, |problem| format!(", but {problem}"));
            (ClassResult::Updated, format!("{name}: repaired release {version}: {what}{problem}"))
        }
        ProbeOutcome::Reverted(why) => {
            remember_failure(&mut session.state, session.context.now, class, name, record, &why);
            let message = format!("{name}: reverted after the repair of release {version} ({what}): {why}");
            (ClassResult::Reverted, message)
        }
        ProbeOutcome::Removed(why) => {
            remember_failure(&mut session.state, session.context.now, class, name, record, &why);
            let message = format!(
                "{name}: nothing is installed after the repair of release {version} ({what}), because no earlier release is \
                 here that may come back: {why}"
            );
            (ClassResult::Failed, message)
        }
    };
    tracing::warn!("{class}: {message}");
    session.findings.warnings.push(format!("{class}: {message}"));
    let repairs = &mut session.findings.repairs;
    repairs.unrepaired.remove(&(class, name.to_owned()));
    repairs.done.push((class, NameOutcome { name: name.to_owned(), result, message, fault: None }));
}

fn note_unrepaired(session: &mut Session, class: Class, name: &str, unrepaired: Unrepaired) {
    session.findings.repairs.unrepaired.insert((class, name.to_owned()), unrepaired);
}

/// Repairs the installed release of a name from the source that is being walked, if it is damaged still. A source that has
/// its manifest no longer has nothing to give.
pub(crate) async fn fetch_repair(
    session: &mut Session,
    verified: &VerifiedRepository<'_>,
    class: Class,
    name: &str,
) -> Result<(), ContentError> {
    let waiting = session.findings.repairs.unrepaired.get(&(class, name.to_owned()));
    let Some(damaged) = waiting.and_then(|unrepaired| unrepaired.damaged.clone()) else { return Ok(()) };
    let Ok(component) = ComponentName::new(name) else { return Ok(()) };
    let manifest = layout::manifest(&component, damaged.record.sequence);
    let Some(description) = verified.trusted.target(&manifest) else { return Ok(()) };
    let manifest = target(&session.context, verified, &description).await?;
    let manifest = Manifest::parse(&manifest).map_err(unusable)?;
    if manifest.identity() != damaged.record.manifest {
        return Ok(());
    }
    let staging = mend::begin(&damaged).map_err(Error::file("repairing in", damaged.slot.folder()))?;
    if let Err(error) = stage_fetched(session, verified, &damaged, &manifest, &staging).await {
        // Fetched bytes stay in the store.
        let _ = files::remove_tree(&staging);
        return Err(error);
    }
    Ok(finish(session, class, name, &damaged, &staging).await?)
}

async fn stage_fetched(
    session: &Session,
    verified: &VerifiedRepository<'_>,
    damaged: &Damaged,
    manifest: &Manifest,
    staging: &std::path::Path,
) -> Result<(), ContentError> {
    let context = &session.context;
    let wanted: BTreeSet<String> = damaged.files().into_iter().map(|file| file.path).collect();
    let files: Vec<FileEntry> =
        manifest.files.iter().filter(|file| wanted.contains(file.path.as_str())).cloned().collect();
    let (folder, to) = (context.folder.clone(), staging.to_owned());
    let wrong: BTreeSet<_> =
        wanted.iter().map(|path| damaged.slot.release_folder(&damaged.release).join(path)).collect();
    let copied = blocking(move || -> std::io::Result<_> {
        let mut local = installed_files(&folder)?;
        local.retain(|_, path| !wrong.contains(path));
        let (missing, _) = copy_local(&mut local, &to, files)?;
        Ok((missing, local))
    });
    let (missing, local) = copied.await.map_err(Error::file("repairing in", damaged.slot.folder()))?;
    let assembly = Assembly { context, walk: verified.walk, slot: &damaged.slot, manifest, folder: staging };
    make_and_fetch(&assembly, missing, local).await?;
    Ok(())
}

/// Adds to the outcome of a class what was repaired of it. A class with a release that is still damaged has failed.
///
/// # Errors
///
/// A link cannot be read.
pub(crate) fn conclude(
    session: &mut Session,
    class: Class,
    mut outcome: ClassOutcome,
) -> Result<ClassOutcome, Error> {
    let repairs = std::mem::take(&mut session.findings.repairs);
    let (of_class, others): (Vec<_>, Vec<_>) = repairs.done.into_iter().partition(|(of, _)| *of == class);
    let mut names: Vec<NameOutcome> = of_class.into_iter().map(|(_, name)| name).collect();
    for ((_, name), unrepaired) in repairs.unrepaired.iter().filter(|((of, _), _)| *of == class) {
        let slot = match class {
            Class::Settings => session.context.folder.settings_slot(),
            Class::Components | Class::Programs => session.context.folder.slot(class, name),
        };
        let installed = slot.installed().map_err(Error::file("reading", slot.folder()))?;
        // Another release may be current now.
        if installed.is_some_and(|(release, _)| release == unrepaired.release) {
            let (name, message) = (name.clone(), unrepaired.why.clone());
            tracing::warn!("{class}: {message}");
            names.push(NameOutcome { name, result: ClassResult::Failed, message, fault: None });
        }
    }
    session.findings.repairs = Repairs { done: others, ..repairs };
    for name in names {
        outcome.result = worst([outcome.result, name.result]);
        outcome.message = format!("{}; {}", outcome.message, name.message);
        if matches!(name.result, ClassResult::Failed | ClassResult::Reverted) {
            let NameOutcome { name, result, message, .. } = name;
            outcome.names.push(headwater_api::report::NameOutcome { name, result, message });
        }
    }
    Ok(outcome)
}
