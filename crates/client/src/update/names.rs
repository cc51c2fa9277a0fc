//! Classes components and programs: for each name, what its signed release list requires here.

use std::collections::BTreeSet;
use std::path::PathBuf;

use headwater_api::report::{ClassResult, Reason};
use headwater_policy::Class;
use headwater_repo::{ComponentName, Manifest, ReleaseList, Sequence, TargetDescription, layout};

use crate::assemble::{AssembledRelease, assemble, record_of};
use crate::data::{ReleaseRecord, RepositoryOwner, Slot};
use crate::decide::{Decision, NameOutcome, Replaced, is_condemned};
use crate::error::Error;
use crate::fetch::{ContentError, Scope, VerifiedRepository, target, unusable};
use crate::install::{Hooks, ProbeOutcome, activate, remember_failure};
use crate::limits::NAMES_LISTED_MAX;
use crate::repair::fetch_repair;
use crate::self_update;
use crate::session::{Fetching, Session};
use crate::update::offer::{Offer, installed_release, kept_outcome, standing};
use crate::update::unlisted::{not_listed, unlisted_names};
use crate::update::voucher::renew_voucher;

/// Updates every name of the class. A name that no source has, or that does not fit on the disk, does not stop the names
/// after it.
pub(crate) async fn update_names(
    session: &mut Session,
    verified: &VerifiedRepository<'_>,
    class: Class,
) -> Result<Vec<NameOutcome>, ContentError> {
    let own = session.context.effective.policy.own_components().clone();
    let lists: Vec<(ComponentName, TargetDescription)> = verified
        .trusted
        .targets()
        .filter_map(|(name, description)| Some((layout::component_of_release_list(&name)?, description)))
        .filter(|(component, _)| class != Class::Components || verified.gives(&own, component.as_str()))
        .collect();
    let listed = |name: &str| lists.iter().any(|(component, _)| component.as_str() == name);
    let mut names = match verified.scope {
        Scope::All => unlisted_names(session, verified, class, &listed).await?,
        Scope::OwnComponents => not_listed(session, verified, &own, &listed)?,
    };
    if verified.scope == Scope::All {
        note_unusable_names(session, verified, class);
    }
    let mut unavailable = Vec::new();
    for (component, description) in lists {
        match update_one(session, verified, class, &component, &description).await {
            Ok(outcome) => {
                note_done(session, verified, &outcome);
                names.push(outcome);
            }
            Err(ContentError::Sources(message)) => unavailable.push((component, message)),
            Err(ContentError::Run(error)) if error.is_no_room() => {
                names.push(too_large(&component, &error));
                // Later names and classes continue; the run ends with this error.
                session.findings.deferred.get_or_insert(error);
            }
            Err(ContentError::Run(error)) => {
                finished(session, names);
                return Err(error.into());
            }
        }
    }
    let Some(message) = unavailable_message(&unavailable) else { return Ok(names) };
    finished(session, names);
    Err(ContentError::Sources(message))
}

/// Notes that a source of the organisation's brought a name up to date.
fn note_done(session: &mut Session, verified: &VerifiedRepository<'_>, outcome: &NameOutcome) {
    let is_good = matches!(outcome.result, ClassResult::Updated | ClassResult::Current);
    if verified.owner == RepositoryOwner::Organisation && is_good {
        session.findings.class.done.insert(outcome.name.clone());
    }
}

/// Keeps what was done before the class goes on elsewhere or fails.
fn finished(session: &mut Session, names: Vec<NameOutcome>) {
    let changed = names.into_iter().filter(|name| name.result != ClassResult::Current);
    session.findings.class.finished.extend(changed);
}

fn too_large(component: &ComponentName, error: &Error) -> NameOutcome {
    let message = format!("{component}: {error}");
    let name = component.to_string();
    NameOutcome { name, result: ClassResult::Failed, message, fault: Some(Reason::Disk) }
}

/// Why the first name is not available, and which others are not; `None` if all are.
fn unavailable_message(unavailable: &[(ComponentName, String)]) -> Option<String> {
    let [(first, why), more @ ..] = unavailable else { return None };
    let mut message = format!("{first}: {why}");
    if !more.is_empty() {
        let names: Vec<&str> = more.iter().map(|(name, _)| name.as_str()).collect();
        message.push_str(&format!("; also not available: {}", listed(&names)));
    }
    Some(message)
}

/// The first [`NAMES_LISTED_MAX`] of a list, and how many more there are.
fn listed(all: &[&str]) -> String {
    let shown = &all[..all.len().min(NAMES_LISTED_MAX)];
    match all.len() - shown.len() {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

async fn update_one(
    session: &mut Session,
    verified: &VerifiedRepository<'_>,
    class: Class,
    component: &ComponentName,
    description: &TargetDescription,
) -> Result<NameOutcome, ContentError> {
    let name = component.as_str();
    let list = target(&session.context, verified, description).await?;
    let list = ReleaseList::parse(&list).map_err(unusable)?;
    if list.component() != component {
        return Err(unusable(format!("the release list of {component} names {}", list.component())));
    }
    if verified.owner == RepositoryOwner::Organisation {
        session.state.note_withdrawn(class, name, list.withdrawn().iter().copied().collect());
    }
    let offer = Offer::of(verified.trusted, list).map_err(ContentError::Sources)?;
    let (decision, installed) =
        offer.decide(&session.context, &session.state, (verified.owner, class), verified.trusted)?;
    if let Some((release, record)) = &installed
        && offer.list.confirms(record.sequence, &record.manifest)
    {
        let slot = session.context.folder.slot(class, name);
        let of = (verified.owner, class);
        let standing = standing(&session.context, of, verified.trusted, &record.voucher);
        renew_voucher(session, verified, &slot, release, record.clone(), standing)?;
    }
    let kept_instead_of = matches!(decision, Decision::Unconfirmed { .. }).then(|| offer.sequence());
    session.state.note_kept(class, name, kept_instead_of);
    let installed = installed.map(|(_, record)| record);
    match decision {
        Decision::Install => install(session, verified, class, &offer, installed, ("updated", None)).await,
        Decision::RollBack { .. } => {
            install(session, verified, class, &offer, installed, ("rolled back by signature", None)).await
        }
        Decision::Replace { have, why } => {
            let outcome = install(session, verified, class, &offer, installed, replaced(why)).await?;
            Ok(replaced_outcome(outcome, have, why))
        }
        Decision::Deactivate => deactivate(session, class, name, &offer),
        kept => {
            fetch_repair(session, verified, class, name).await?;
            Ok(kept_outcome(&offer, kept))
        }
    }
}

/// The verb of a replacement, and the finding that it is.
fn replaced(why: Replaced) -> (&'static str, Option<Reason>) {
    match why {
        Replaced::OtherContent => ("replaced", Some(Reason::OtherContent)),
        Replaced::Compromised => ("replaced", Some(Reason::Unconfirmed)),
    }
}

/// Adds to an outcome why the installed release was replaced by one that is not newer.
fn replaced_outcome(mut outcome: NameOutcome, have: Sequence, why: Replaced) -> NameOutcome {
    let why = match why {
        Replaced::OtherContent => format!("the signed list has other content as release {have}"),
        Replaced::Compromised => {
            format!("only keys that were compromised vouch for release {have}")
        }
    };
    outcome.message.push_str(&format!(" ({why})"));
    outcome
}

/// Leaves nothing of a name installed.
fn deactivate(
    session: &Session,
    class: Class,
    name: &str,
    offer: &Offer,
) -> Result<NameOutcome, ContentError> {
    if !session.context.options.self_trial {
        let slot = session.context.folder.slot(class, name);
        slot.deactivate().map_err(Error::file("deactivating", slot.folder()))?;
    }
    let message = format!(
        "{name}: deactivated, because only keys that were compromised vouch for what was installed and the organisation \
         has withdrawn release {}",
        offer.sequence()
    );
    Ok(NameOutcome {
        name: name.to_owned(),
        result: ClassResult::Failed,
        message,
        fault: Some(Reason::Unconfirmed),
    })
}

/// Reports release lists that this program leaves out because no component may have their names.
fn note_unusable_names(session: &mut Session, verified: &VerifiedRepository<'_>, class: Class) {
    let names = verified.trusted.unusable_release_lists();
    if !names.is_empty() {
        let warning =
            format!("class {class}: names that no component may have were left out: {}", listed(&names));
        session.findings.warnings.push(warning);
    }
}

async fn install(
    session: &mut Session,
    verified: &VerifiedRepository<'_>,
    class: Class,
    offer: &Offer,
    installed: Option<ReleaseRecord>,
    (verb, finding): (&str, Option<Reason>),
) -> Result<NameOutcome, ContentError> {
    let name = offer.name();
    let fetching = Fetching::begin(verified.walk);
    let manifest = target(&session.context, verified, &offer.manifest).await?;
    let manifest = Manifest::parse(&manifest).map_err(unusable)?;
    if manifest.identity() != offer.list.current().identity {
        let sequence = offer.sequence();
        return Err(unusable(format!(
            "the manifest of {name} release {sequence} is not what its list names"
        )));
    }
    let slot = session.context.folder.slot(class, name);
    let record = record_of(&manifest, verified.voucher()?);
    let AssembledRelease { release, spared_bytes, delta_problems, changed } =
        assemble(&session.context, verified.walk, &slot, &manifest, &record).await?;
    let findings = &mut session.findings;
    findings.class.spared_bytes += spared_bytes;
    let problems = delta_problems.into_iter().map(|problem| format!("{name}: {problem}"));
    findings.class.delta_problems.extend(problems);
    findings.warnings.extend(changed_message(name, &changed));
    let returnable = returnable(session, verified, class, &slot, offer)?;
    let may_return = |record: &ReleaseRecord| returnable.contains(&record.folder_name());
    let outcome = if self_update::is_own(&session.context, class, name) {
        self_update::take_over(session, &slot, &release, &record, &may_return).await?
    } else {
        let hooks = Hooks::of(&session.context.effective.settings);
        activate(class, name, &slot, &release, &hooks, &may_return).await?
    };
    let from = installed.map(|was| was.version);
    if matches!(outcome, ProbeOutcome::Kept(_)) {
        let versions = (from.as_deref(), record.version.as_str());
        session.findings.changes.push(fetching.end(verified.walk, class, name, versions));
    }
    let outcome = installed_outcome(session, class, name, &record, from.as_deref(), outcome, verb);
    Ok(NameOutcome { fault: outcome.fault.or(finding), ..outcome })
}

/// The held releases to which a failed probe may lead back: not withdrawn, and not vouched for by compromised keys alone.
fn returnable(
    session: &Session,
    verified: &VerifiedRepository<'_>,
    class: Class,
    slot: &Slot,
    offer: &Offer,
) -> Result<BTreeSet<String>, Error> {
    let at = || Error::file("reading", slot.folder());
    let held = slot.installed().map_err(at())?.into_iter().chain(slot.previous().map_err(at())?);
    let of = (verified.owner, class);
    let may_return = |record: &ReleaseRecord| {
        let standing = standing(&session.context, of, verified.trusted, &record.voucher);
        let installed = installed_release(record, standing, verified.owner);
        !offer.list.withdrawn().contains(&record.sequence)
            && !session.state.was_withdrawn(class, offer.name(), record.sequence)
            && !is_condemned(&offer.list, &installed)
    };
    Ok(held.filter(|(_, record)| may_return(record)).map(|(name, _)| name).collect())
}

/// Remembers how the trial ended, and describes it.
fn installed_outcome(
    session: &mut Session,
    class: Class,
    name: &str,
    record: &ReleaseRecord,
    from: Option<&str>,
    outcome: ProbeOutcome,
    verb: &str,
) -> NameOutcome {
    let to = &record.version;
    let former = |word: &str| from.map_or_else(String::new, |from| format!(" {word} {from}"));
    let (result, message, fault) = match outcome {
        ProbeOutcome::Kept(problem) => {
            session.state.forget_failed(class, name, record.sequence);
            let problem = problem.map_or_else(String::new, |problem| format!(", but {problem}"));
            let message = format!("{name} {verb}{} to {to}{problem}", former("from"));
            (ClassResult::Updated, message, None)
        }
        ProbeOutcome::Reverted(why) => {
            remember_failure(&mut session.state, session.context.now, class, name, record, &why);
            let message = format!("{name}: reverted{} after a trial of {to}: {why}", former("to"));
            (ClassResult::Reverted, message, Some(Reason::Install))
        }
        ProbeOutcome::Removed(why) => {
            remember_failure(&mut session.state, session.context.now, class, name, record, &why);
            let message = format!(
                "{name}: nothing is installed after a trial of {to}, because no earlier release is here that may come \
                 back: {why}"
            );
            (ClassResult::Failed, message, Some(Reason::Install))
        }
    };
    NameOutcome { name: name.to_owned(), result, message, fault }
}

/// Which installed files have changed; `None` if none has.
fn changed_message(name: &str, changed: &BTreeSet<PathBuf>) -> Option<String> {
    if changed.is_empty() {
        return None;
    }
    let paths: Vec<String> = changed.iter().map(|path| path.display().to_string()).collect();
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    Some(format!(
        "{name}: something on this computer changed or removed installed files: {}; the new release is made without \
         them and needs more bytes",
        listed(&paths)
    ))
}

#[cfg(test)]
mod tests {
    use super::{NAMES_LISTED_MAX, changed_message, unavailable_message};

    #[test]
    fn changed_files_are_listed_up_to_a_limit() {
        let message =
            |count: usize| changed_message("rules", &(0..count).map(|n| format!("f{n:02}").into()).collect());
        assert_eq!(message(0), None);
        let most = message(NAMES_LISTED_MAX).unwrap();
        assert!(most.contains(": f00, f01,") && most.contains(", f09; the new"), "{most}");
        let more = message(NAMES_LISTED_MAX + 1).unwrap();
        assert!(more.contains(", f09 and 1 more; the new"), "{more}");
    }

    #[test]
    fn unavailable_names_are_listed_up_to_a_limit() {
        let message = |count: usize| {
            let names = (0..count).map(|n| (format!("c{n}").parse().unwrap(), format!("why {n}")));
            unavailable_message(&names.collect::<Vec<_>>())
        };
        assert_eq!(message(0), None);
        assert_eq!(message(1).unwrap(), "c0: why 0");
        assert_eq!(message(3).unwrap(), "c0: why 0; also not available: c1, c2");
        let most = message(1 + NAMES_LISTED_MAX).unwrap();
        assert!(most.ends_with("c9, c10"), "{most}");
        let more = message(2 + NAMES_LISTED_MAX).unwrap();
        assert!(more.ends_with("c9, c10 and 1 more"), "{more}");
    }
}
