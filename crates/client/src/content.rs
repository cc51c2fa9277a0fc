//! Classes components and programs: for each name, what its signed list says is done here.

use std::collections::BTreeSet;
use std::io::Read as _;

use headwater_api::report::{ClassResult, Reason};
use headwater_policy::Class;
use headwater_repo::{ComponentName, Digest, Manifest, ReleaseList, Sequence, TargetDescription, layout};

use crate::classes::{ContentError, Owner, Verified};
use crate::error::Error;
use crate::install::{Hooks, Judged, place, put_in_force, record_of, remember};
use crate::machine::{Decision, Known, NameOutcome, decide};
use crate::own_program;
use crate::session::{Session, store_error};

/// Updates every name of the class. What no source gives does not stop the names after it.
pub(crate) async fn update(
    session: &mut Session,
    verified: &Verified<'_>,
) -> Result<Vec<NameOutcome>, ContentError> {
    let lists: Vec<(ComponentName, TargetDescription)> = verified
        .trusted
        .targets()
        .filter_map(|(name, description)| Some((layout::component_of_release_list(&name)?, description)))
        .collect();
    let mut names = Vec::new();
    let mut unable = None;
    for (component, description) in lists {
        match update_one(session, verified, &component, &description).await {
            Ok(outcome) => names.push(outcome),
            Err(ContentError::Sources(message)) => {
                unable.get_or_insert(format!("{component}: {message}"));
            }
            Err(ContentError::Run(error)) => return Err(error.into()),
        }
    }
    match unable {
        None => Ok(names),
        Some(message) => {
            names.retain(|name| name.result != ClassResult::Current);
            session.carried.extend(names);
            Err(ContentError::Sources(message))
        }
    }
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
    if verified.owner == Owner::Organisation && class == Class::Components {
        let withdrawn = list.withdrawn().iter().copied().collect();
        session.state.withdrawn.insert(name.to_owned(), withdrawn);
    }
    let offered = list.current().sequence;
    let manifest = verified.trusted.target(&list.manifest(offered)).ok_or_else(|| {
        ContentError::Sources(format!("the signed metadata has no manifest of {name} release {offered}"))
    })?;
    let digest = manifest.sha256.ok_or_else(|| {
        ContentError::Sources(format!("the manifest of {name} release {offered} has no SHA-256"))
    })?;
    let slot = session.folder.slot(class, name);
    let installed = slot.installed().map_err(Error::file("reading", slot.folder()))?;
    let decision = decide(&Known {
        installed: installed.as_ref().map(|(_, record)| record.sequence),
        list: &list,
        withdrawn_by_organisation: &withdrawn(session, verified, name),
        failed_before: failed_before(session, class, name, offered, &digest),
    });
    let from = installed.map(|(_, record)| record.version);
    match decision {
        Decision::Install => install(session, verified, name, &manifest, digest, from, "updated").await,
        Decision::RollBack { .. } => {
            install(session, verified, name, &manifest, digest, from, "rolled back by signature").await
        }
        kept => Ok(kept_outcome(name, offered, kept)),
    }
}

fn withdrawn(session: &Session, verified: &Verified<'_>, name: &str) -> BTreeSet<Sequence> {
    match verified.owner {
        Owner::Organisation => BTreeSet::new(),
        Owner::Vendor => session.state.withdrawn.get(name).cloned().unwrap_or_default(),
    }
}

fn failed_before<'a>(
    session: &'a Session,
    class: Class,
    name: &str,
    offered: Sequence,
    manifest: &Digest,
) -> Option<&'a str> {
    if session.options.retry_failed {
        return None;
    }
    session.state.failed_why(class, name, offered, manifest)
}

fn kept_outcome(name: &str, offered: Sequence, decision: Decision) -> NameOutcome {
    let (result, message, fault) = match decision {
        Decision::FailedBefore { why } => {
            let message = format!(
                "{name}: release {offered} failed here and is not tried again until there is a newer one or `update --retry-failed`: {why}"
            );
            (ClassResult::WentBack, message, None)
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
    name: &str,
    description: &TargetDescription,
    digest: Digest,
    from: Option<String>,
    verb: &str,
) -> Result<NameOutcome, ContentError> {
    let class = verified.class;
    let manifest = target(session, verified, description).await?;
    let manifest = Manifest::parse(&manifest).map_err(unusable)?;
    let slot = session.folder.slot(class, name);
    let record = record_of(&manifest, digest);
    let release = place(session, verified.walk, &slot, &manifest, &record).await?;
    let hooks = Hooks::of(&session.settings);
    let judged = if own_program::is_own(session, class, name) {
        own_program::take_over(session, &slot, &release, &record).await?
    } else {
        put_in_force(class, name, &slot, &release, &hooks).await?
    };
    let to = &record.version;
    let was = from.map_or_else(String::new, |from| format!(" from {from}"));
    Ok(match judged {
        Judged::Kept(problem) => {
            session.state.forget_failed(class, name, record.sequence);
            let problem = problem.map_or_else(String::new, |problem| format!(", but {problem}"));
            let message = format!("{name} {verb}{was} to {to}{problem}");
            NameOutcome { name: name.to_owned(), result: ClassResult::Updated, message, fault: None }
        }
        Judged::WentBack(why) => {
            remember(session, class, name, &record, &why);
            let message =
                format!("{name}: went back{} after trying {to}: {why}", was.replace(" from ", " to "));
            NameOutcome {
                name: name.to_owned(),
                result: ClassResult::WentBack,
                message,
                fault: Some(Reason::Install),
            }
        }
    })
}

/// A target's bytes: kept from an earlier run (and verified again), or fetched and kept (P10).
pub(crate) async fn target(
    session: &Session,
    verified: &Verified<'_>,
    description: &TargetDescription,
) -> Result<Vec<u8>, ContentError> {
    if let Some(digest) = &description.sha256
        && let Some(kept) = session.store.read(digest).map_err(store_error)?
    {
        let mut bytes = Vec::new();
        let path = session.store.path(digest);
        kept.take(description.length + 1).read_to_end(&mut bytes).map_err(Error::file("reading", &path))?;
        if description.check(&bytes).is_ok() {
            return Ok(bytes);
        }
    }
    let bytes = verified.walk.target(description).await?;
    session.store.put(&bytes).map_err(store_error)?;
    Ok(bytes)
}

/// Signed, and not of a form that this program knows: no other source has another.
pub(crate) fn unusable(error: impl std::fmt::Display) -> ContentError {
    ContentError::Sources(format!("what was signed cannot be used: {error}"))
}
