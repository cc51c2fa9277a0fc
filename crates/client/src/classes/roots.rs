//! Looks for newer roots at every source of the plan and at the server, at least once a day (I2b).
//!
//! A source that serves what stolen keys sign never has the root that ends these keys, and the walk of a class ends at the
//! first source that is good. So every source is asked, all at once and for a short time, and a valid root is followed
//! wherever it came from.

use futures_util::future::join_all;
use headwater_depot::{MetadataStore, RootLook, Source, Walk};
use headwater_policy::{Class, Repository, SourceKey, Step, is_last_resort, plan, policy_plan};
use headwater_repo::Trusted;

use crate::classes::segment::{owner, source};
use crate::data::{RepositoryOwner, RootsAsked};
use crate::decide::root_look_is_due;
use crate::error::Error;
use crate::fetch::{ContentError, open_repository};
use crate::limits::ROOT_LOOK_WAIT_MAX;
use crate::session::Session;

/// One repository to look for.
struct Look {
    repository: &'static str,
    metadata: MetadataStore,
    trusted: Trusted,
    walk: Walk,
}

/// Looks for the roots of every repository for which that is due, and stores those that are newer.
///
/// # Errors
///
/// The disk refuses. Sources that do not answer are no error: they are asked again soon.
pub(crate) async fn look_for_roots(session: &mut Session) -> Result<(), Error> {
    if session.context.options.self_trial {
        return Ok(());
    }
    let mut looks = Vec::new();
    let organisation = Repository::ALL.map(|repository| (RepositoryOwner::Organisation, repository));
    let vendor = (RepositoryOwner::Vendor, Class::Components.into());
    for (of, repository) in organisation.into_iter().chain([vendor]) {
        looks.extend(due(session, of, repository)?);
    }
    let all = looks.iter().map(|look| look.walk.look_for_roots(&look.trusted, ROOT_LOOK_WAIT_MAX));
    let found = join_all(all).await;
    for (look, found) in looks.iter().zip(found) {
        store(session, look, &found)?;
    }
    Ok(())
}

/// What to look for in a repository; `None` if nothing is due, or no source has it.
fn due(session: &mut Session, of: RepositoryOwner, repository: Repository) -> Result<Option<Look>, Error> {
    let sources = sources(session, of, repository);
    if sources.is_empty() {
        return Ok(None);
    }
    let name = of.name_of(repository);
    let opened = match open_repository(session, repository, of) {
        Ok(opened) => opened,
        // There is no root of the vendor source yet.
        Err(ContentError::Sources(_)) => return Ok(None),
        Err(ContentError::Run(error)) => return Err(error),
    };
    let (metadata, trusted) = opened;
    let now = session.context.now;
    let is_behind = session.root_named(of, repository).is_some_and(|named| trusted.root_version() < named);
    let asked = session.state.roots_asked.get(name).copied();
    if asked.is_none() && !is_behind {
        // The first walk takes the roots of the source that it uses; the others are asked a day later.
        session.state.roots_asked.insert(name.to_owned(), RootsAsked { at: now, all_answered: true });
        return Ok(None);
    }
    if !root_look_is_due(asked.map(|asked| (asked.at, asked.all_answered && !is_behind)), now) {
        return Ok(None);
    }
    let begun = session.context.time();
    let walk = Walk::new(&session.context.fetcher, sources, trusted.targets_version().unwrap_or(0), begun);
    Ok(Some(Look { repository: name, metadata, trusted, walk }))
}

/// The sources of the plan that have a repository, and the server if it answered this run.
fn sources(session: &Session, of: RepositoryOwner, repository: Repository) -> Vec<Source> {
    let effective = &session.context.effective;
    let client = effective.client();
    let mut plan = match repository {
        Repository::Policy => policy_plan(&effective.policy, &client, &session.state.former_sources()),
        Repository::Class(class) => plan(&effective.policy, &client, class),
    };
    // Asked below, if it answered.
    plan.steps.retain(|step| !is_last_resort(step));
    let steps: Vec<&Step> = plan.steps.iter().filter(|step| owner(step) == of).collect();
    let mut sources: Vec<Source> = steps.iter().map(|step| source(step, repository)).collect();
    let answered = session.findings.answered.as_ref().is_some_and(|route| route.carrier.is_none());
    let is_planned = steps.iter().any(|step| step.source == SourceKey::Server);
    if of == RepositoryOwner::Organisation && answered && !is_planned {
        sources.push(Source::new(SourceKey::Server, effective.policy.server(), None, repository));
    }
    sources
}

fn store(session: &mut Session, look: &Look, found: &RootLook) -> Result<(), Error> {
    let (repository, before, after) =
        (look.repository, look.trusted.root_version(), found.trusted.root_version());
    for refused in &found.refused {
        tracing::warn!(repository, refused, "a source has a root that is not valid");
    }
    if after > before {
        look.metadata.save(found.trusted.received())?;
        tracing::info!(repository, before, after, "followed a newer root");
    }
    let asked = RootsAsked { at: session.context.now, all_answered: found.unanswered.is_empty() };
    session.state.roots_asked.insert(repository.to_owned(), asked);
    Ok(())
}
