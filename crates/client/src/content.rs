//! Classes components and programs: for each name, what its signed list says is done here.

use std::collections::BTreeSet;
use std::path::PathBuf;

use headwater_api::report::{ClassResult, Reason};
use headwater_policy::Class;
use headwater_repo::{
    ComponentName, Digest, Manifest, ReleaseList, Sequence, TargetDescription, Trusted, layout,
};

use crate::assemble::{Placed, place, record_of};
use crate::classes::{ContentError, Verified};
use crate::error::Error;
use crate::folder::Owner;
use crate::install::{Hooks, Judged, activate, remember};
use crate::limits::NAMES_TOLD_MAX;
use crate::machine::{Decision, Known, NameOutcome, decide};
use crate::self_update;
use crate::session::{Session, store_error};
use crate::slot::Record;

/// Updates every name of the class. What no source gives, or is too large for this disk, does not stop the names after it.
pub(crate) async fn update(
    session: &mut Session,
    verified: &Verified<'_>,
) -> Result<Vec<NameOutcome>, ContentError> {
    let lists: Vec<(ComponentName, TargetDescription)> = verified
        .trusted
        .targets()
        .filter_map(|(name, description)| Some((layout::component_of_release_list(&name)?, description)))
        .collect();
    let mut names = no_longer_published(session, verified, &lists)?;
    let mut unable = Vec::new();
    for (component, description) in lists {
        match update_one(session, verified, &component, &description).await {
            Ok(outcome) => names.push(outcome),
            Err(ContentError::Sources(message)) => {
                unable.push((component, message));
            }
            Err(ContentError::Run(error @ Error::NoRoom { .. })) => {
                names.push(too_large(&component, &error));
                // Names and classes after it are not held up; the run says at its end that the disk is at fault.
                session.no_room.get_or_insert(error);
            }
            Err(ContentError::Run(error)) => {
                names.retain(|name| name.result != ClassResult::Current);
                session.carried.extend(names);
                return Err(error.into());
            }
        }
    }
    let Some(message) = unable_message(&unable) else { return Ok(names) };
    names.retain(|name| name.result != ClassResult::Current);
    session.carried.extend(names);
    Err(ContentError::Sources(message))
}

fn too_large(component: &ComponentName, error: &Error) -> NameOutcome {
    let message = format!("{component}: {error}");
    let name = component.to_string();
    NameOutcome { name, result: ClassResult::Failed, message, fault: Some(Reason::Disk) }
}

/// Why the first of them was not had, and which more were not. Nothing if all were.
fn unable_message(unable: &[(ComponentName, String)]) -> Option<String> {
    let [(first, why), more @ ..] = unable else { return None };
    let mut message = format!("{first}: {why}");
    if !more.is_empty() {
        let named: Vec<&str> = more.iter().take(NAMES_TOLD_MAX).map(|(name, _)| name.as_str()).collect();
        let left = more.len() - named.len();
        let others = if left == 0 { String::new() } else { format!(" and {left} more") };
        message.push_str(&format!("; {}{others} could not be had either", named.join(", ")));
    }
    Some(message)
}

/// What is installed and no longer published stays: taking content away from every endpoint is nothing to be done by
/// leaving something out. It is told, in every run, until it is published again or somebody removes its folder.
fn no_longer_published(
    session: &Session,
    verified: &Verified<'_>,
    lists: &[(ComponentName, TargetDescription)],
) -> Result<Vec<NameOutcome>, Error> {
    if verified.owner == Owner::Vendor {
        // The organisation decides what there is.
        return Ok(Vec::new());
    }
    let root = session.folder.root();
    let mut names = Vec::new();
    for name in session.folder.slot_names(verified.class).map_err(Error::file("reading", root))? {
        let slot = session.folder.slot(verified.class, &name);
        let published = lists.iter().any(|(component, _)| component.as_str() == name);
        let installed = slot.installed().map_err(Error::file("reading", slot.folder()))?;
        if let Some((_, record)) = installed.filter(|_| !published) {
            let message = format!(
                "{name} is no longer published; {} stays as it is (to take it away here, remove {})",
                record.version,
                slot.folder().display()
            );
            names.push(NameOutcome { name, result: ClassResult::Current, message, fault: None });
        }
    }
    Ok(names)
}

async fn update_one(
    session: &mut Session,
    verified: &Verified<'_>,
    component: &ComponentName,
    description: &TargetDescription,
) -> Result<NameOutcome, ContentError> {
    let (class, name) = (verified.class, component.as_str());
    let list = target(session, verified, description).await?;
    let list = ReleaseList::parse(&list).map_err(unusable)?;
    if list.component() != component {
        return Err(unusable(format!("the list of {component} is one of {}", list.component())));
    }
    if verified.owner == Owner::Organisation && class == Class::Components {
        let withdrawn = list.withdrawn().iter().copied().collect();
        session.state.withdrawn.insert(name.to_owned(), withdrawn);
    }
    let mut offer = Offer::of(verified.trusted, list).map_err(ContentError::Sources)?;
    if session.state.any_failed(class, name, offer.sequence()) {
        let manifest = target(session, verified, &offer.manifest).await?;
        offer.identify(&Manifest::parse(&manifest).map_err(unusable)?);
    }
    let (decision, installed) = offer.decide(session, verified.owner, class)?;
    match decision {
        Decision::Install => install(session, verified, &offer, installed, "updated").await,
        Decision::RollBack { .. } => {
            install(session, verified, &offer, installed, "rolled back by signature").await
        }
        kept => Ok(kept_outcome(&offer, kept)),
    }
}

/// The release that a source offers of one name.
pub(crate) struct Offer {
    list: ReleaseList,
    /// The target that is its manifest.
    pub manifest: TargetDescription,
    /// Which release it is, as far as is known: one sequence may be published anew. Deltas that join it do not
    /// make it another, so its manifest's own digest does not tell.
    identity: Option<Digest>,
}

impl Offer {
    /// The current release of a list, or why the metadata does not give it.
    pub(crate) fn of(trusted: &Trusted, list: ReleaseList) -> Result<Self, String> {
        let name = list.manifest(list.current().sequence);
        let manifest =
            trusted.target(&name).ok_or_else(|| format!("the signed metadata has no manifest {name}"))?;
        if manifest.sha256.is_none() {
            return Err(format!("the manifest {name} has no SHA-256"));
        }
        Ok(Self { list, manifest, identity: None })
    }

    /// Says which release it is, by its manifest; needed where a release of this sequence failed before.
    pub(crate) fn identify(&mut self, manifest: &Manifest) {
        self.identity = Some(manifest.identity());
    }

    /// What to do about it; and the record of what is installed.
    pub(crate) fn decide(
        &self,
        session: &Session,
        owner: Owner,
        class: Class,
    ) -> Result<(Decision, Option<Record>), Error> {
        let slot = session.folder.slot(class, self.name());
        let installed = slot.installed().map_err(Error::file("reading", slot.folder()))?;
        let installed = installed.map(|(_, record)| record);
        let none = BTreeSet::new();
        let withdrawn = match owner {
            // Its own list, this one, says what it withdrew.
            Owner::Organisation => None,
            Owner::Vendor => session.state.withdrawn.get(self.name()),
        };
        let failed = self
            .identity
            .and_then(|identity| session.state.failed_why(class, self.name(), self.sequence(), &identity));
        let decision = decide(&Known {
            installed: installed.as_ref().map(|record| record.sequence),
            list: &self.list,
            withdrawn_by_organisation: withdrawn.unwrap_or(&none),
            failed_before: failed.filter(|_| !session.options.retry_failed),
        });
        Ok((decision, installed))
    }

    fn name(&self) -> &str {
        self.list.component().as_str()
    }

    fn sequence(&self) -> Sequence {
        self.list.current().sequence
    }
}

fn kept_outcome(offer: &Offer, decision: Decision) -> NameOutcome {
    let (name, offered) = (offer.name(), offer.sequence());
    let (result, message, fault) = match decision {
        Decision::FailedBefore { why } => {
            let message = format!(
                "{name}: release {offered} failed here and is not tried again until there is a newer one or `update --retry-failed`: {why}"
            );
            (ClassResult::Reverted, message, None)
        }
        Decision::Backwards { have } => {
            let message =
                format!("{name}: kept release {have}; the source offers {offered}, and no signed rollback");
            (ClassResult::Current, message, Some(Reason::Backwards))
        }
        Decision::Withdrawn => {
            let message =
                format!("{name}: release {offered} was withdrawn by the organisation and is not taken");
            (ClassResult::Current, message, None)
        }
        Decision::UpToDate | Decision::Install | Decision::RollBack { .. } => {
            (ClassResult::Current, String::new(), None)
        }
    };
    NameOutcome { name: name.to_owned(), result, message, fault }
}

async fn install(
    session: &mut Session,
    verified: &Verified<'_>,
    offer: &Offer,
    installed: Option<Record>,
    verb: &str,
) -> Result<NameOutcome, ContentError> {
    let (class, name) = (verified.class, offer.name());
    let manifest = target(session, verified, &offer.manifest).await?;
    let manifest = Manifest::parse(&manifest).map_err(unusable)?;
    let slot = session.folder.slot(class, name);
    let record = record_of(&manifest);
    let Placed { release, spared_bytes, troubles, changed } =
        place(session, verified.walk, &slot, &manifest, &record).await?;
    session.spared_bytes += spared_bytes;
    session.troubles.extend(troubles.into_iter().map(|trouble| format!("{name}: {trouble}")));
    session.warnings.extend(changed_message(name, &changed));
    let hooks = Hooks::of(&session.in_force.settings);
    let judged = if self_update::is_own(session, class, name) {
        self_update::take_over(session, &slot, &release, &record).await?
    } else {
        activate(class, name, &slot, &release, &hooks).await?
    };
    let to = &record.version;
    let from = installed.map(|was| was.version);
    let said = |word: &str| from.as_ref().map_or_else(String::new, |from| format!(" {word} {from}"));
    Ok(match judged {
        Judged::Kept(problem) => {
            session.state.forget_failed(class, name, record.sequence);
            let problem = problem.map_or_else(String::new, |problem| format!(", but {problem}"));
            let message = format!("{name} {verb}{} to {to}{problem}", said("from"));
            NameOutcome { name: name.to_owned(), result: ClassResult::Updated, message, fault: None }
        }
        Judged::Reverted(why) => {
            remember(session, class, name, &record, &why);
            let message = format!("{name}: went back{} after trying {to}: {why}", said("to"));
            NameOutcome {
                name: name.to_owned(),
                result: ClassResult::Reverted,
                message,
                fault: Some(Reason::Install),
            }
        }
    })
}

/// Which installed files were found to be others. Nothing if none was.
fn changed_message(name: &str, changed: &BTreeSet<PathBuf>) -> Option<String> {
    let told: Vec<String> =
        changed.iter().take(NAMES_TOLD_MAX).map(|path| path.display().to_string()).collect();
    let left = changed.len() - told.len();
    let others = if left == 0 { String::new() } else { format!(" and {left} more") };
    (!told.is_empty()).then(|| {
        format!(
            "{name}: not what was installed, because something on this computer changed or removed it: {}{others}; the \
             new release is made without that, for more bytes",
            told.join(", ")
        )
    })
}

/// A target's bytes: those in the store, or fetched and put there (P10).
pub(crate) async fn target(
    session: &Session,
    verified: &Verified<'_>,
    description: &TargetDescription,
) -> Result<Vec<u8>, ContentError> {
    if let Some(kept) = session.store.target(description).map_err(store_error)? {
        return Ok(kept);
    }
    let bytes = verified.walk.target(description).await?;
    session.store.put(&bytes).map_err(store_error)?;
    Ok(bytes)
}

/// Signed, and not of a form that this program knows: no other source has another.
pub(crate) fn unusable(error: impl std::fmt::Display) -> ContentError {
    ContentError::Sources(format!("what was signed cannot be used: {error}"))
}

#[cfg(test)]
mod tests {
    use super::{NAMES_TOLD_MAX, changed_message, unable_message};

    #[test]
    fn every_changed_file_is_told_up_to_a_number() {
        let told =
            |count: usize| changed_message("rules", &(0..count).map(|n| format!("f{n:02}").into()).collect());
        assert_eq!(told(0), None);
        let most = told(NAMES_TOLD_MAX).unwrap();
        assert!(most.contains(": f00, f01,") && most.contains(", f09; the new"), "{most}");
        let more = told(NAMES_TOLD_MAX + 1).unwrap();
        assert!(more.contains(", f09 and 1 more; the new"), "{more}");
    }

    #[test]
    fn every_name_that_is_not_had_is_told_up_to_a_number() {
        let unable = |count: usize| {
            let names = (0..count).map(|n| (format!("c{n}").parse().unwrap(), format!("why {n}")));
            unable_message(&names.collect::<Vec<_>>())
        };
        assert_eq!(unable(0), None);
        assert_eq!(unable(1).unwrap(), "c0: why 0");
        assert_eq!(unable(3).unwrap(), "c0: why 0; c1, c2 could not be had either");
        let most = unable(1 + NAMES_TOLD_MAX).unwrap();
        assert!(most.ends_with("c9, c10 could not be had either"), "{most}");
        let more = unable(2 + NAMES_TOLD_MAX).unwrap();
        assert!(more.ends_with("c9, c10 and 1 more could not be had either"), "{more}");
    }
}
