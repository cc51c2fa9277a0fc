//! Completes class components after the vendor source served it (P4a): one walk over the other sources of the plan, earlier
//! ones included, for the organisation's own components alone. Where that does not give all of them, the class is
//! *partial*.

use headwater_api::report::{ClassOutcome, ClassResult};
use headwater_depot::MetadataStore;
use headwater_policy::{Class, OwnComponents, Plan, Step};
use headwater_repo::{ComponentName, layout};

use crate::classes::full_time::{had_full_time, note_full_time};
use crate::classes::outcome::{finished_messages, joined, outcome};
use crate::classes::segment::{Segment, owner, run_segment};
use crate::data::RepositoryOwner;
use crate::decide::{Gaps, KnownOwn, LastList, gaps, partial_is_a_finding, worst};
use crate::error::Error;
use crate::fetch::{ContentError, Scope};
use crate::session::{Session, Timeout};

const CLASS: Class = Class::Components;

/// Adds to what the vendor source gave what the other sources of the plan have of the organisation's own.
pub(super) async fn complete(
    session: &mut Session,
    plan: &Plan,
    by_vendor: ClassOutcome,
) -> Result<ClassOutcome, Error> {
    let own = session.context.effective.policy.own_components().clone();
    if own.is_empty() {
        return Ok(by_vendor);
    }
    let by_others = match walk_others(session, plan).await {
        Ok(outcome) => outcome,
        Err(ContentError::Sources(problem)) => without_source(session, &own, &problem)?,
        Err(ContentError::Run(error)) => return Err(error),
    };
    if by_others.result == ClassResult::Partial {
        note_finding(session, plan, &by_others.message);
    }
    Ok(both(by_vendor, by_others))
}

/// One walk over the steps that are not the vendor source. They may have failed in this run already: once more each, at
/// the pace of what is remembered of them.
async fn walk_others(session: &mut Session, plan: &Plan) -> Result<ClassOutcome, ContentError> {
    let is_other = |step: &&Step| owner(step) == RepositoryOwner::Organisation;
    let steps: Vec<Step> = plan.steps.iter().filter(is_other).cloned().collect();
    if steps.is_empty() {
        return Err(ContentError::Sources("the plan has no other source".to_owned()));
    }
    let timeout = if had_full_time(&session.findings, &steps) { Timeout::Short } else { Timeout::Full };
    let others = Segment { owner: RepositoryOwner::Organisation, steps: &steps, scope: Scope::OwnComponents };
    let walked = run_segment(session, CLASS.into(), &others, timeout).await;
    if timeout == Timeout::Full && walked.is_err() {
        note_full_time(session, CLASS, &steps);
    }
    Ok(walked?.outcome)
}

/// The outcome for the own components where no other source gave them: by what this client knows of them.
fn without_source(session: &mut Session, own: &OwnComponents, problem: &str) -> Result<ClassOutcome, Error> {
    let (known, last) = known(session, own)?;
    let gaps = gaps(&known, &last);
    let (result, message) = match gaps.is_empty() {
        true => (
            ClassResult::Current,
            format!(
                "the organisation's own components are those of the last good list of the organisation; no source gave a \
                 newer one: {problem}"
            ),
        ),
        false => (ClassResult::Partial, format!("{}; no source gave them: {problem}", sentence(&gaps))),
    };
    let message = joined(finished_messages(session).chain([message]));
    let outcome = outcome(CLASS, result, None, message);
    let stated = |(name, why): (&&str, &str)| headwater_api::report::NameOutcome {
        name: (*name).to_owned(),
        result: ClassResult::Partial,
        message: format!("{name}: {why}"),
    };
    let missing = gaps.missing.iter().map(|name| (name, "no source gave it, and nothing of it is installed"));
    let outdated = gaps.outdated.iter().map(|name| (name, "no source gave it, and it may be outdated"));
    Ok(ClassOutcome { names: missing.chain(outdated).map(stated).collect(), ..outcome })
}

/// What this client knows of the own components.
fn known<'a>(session: &Session, own: &'a OwnComponents) -> Result<(Vec<KnownOwn<'a>>, LastList), Error> {
    let folder = &session.context.folder;
    let metadata = folder.metadata(RepositoryOwner::Organisation, CLASS);
    let stored = match metadata.is_dir() {
        true => MetadataStore::open(metadata).and_then(|metadata| metadata.load()).ok().flatten(),
        false => None,
    };
    let content = RepositoryOwner::Organisation.name_of(CLASS);
    let last = LastList {
        is_good: stored.as_ref().is_some_and(|stored| stored.authorised(session.context.now).is_ok()),
        version: stored.as_ref().and_then(|stored| stored.targets_version()).unwrap_or(0),
        applied: session.state.versions.get(content).copied().unwrap_or(0),
        announced: session.findings.announced.get(content).copied(),
    };
    let is_listed = |name: &str| {
        let list = ComponentName::new(name).map(|name| layout::release_list(&name));
        stored.as_ref().is_some_and(|stored| list.is_ok_and(|list| stored.target(&list).is_some()))
    };
    let known = own.iter().map(|name| {
        let slot = folder.slot(CLASS, name);
        Ok(KnownOwn {
            name,
            is_installed: slot.installed().map_err(Error::file("reading", slot.folder()))?.is_some(),
            is_listed: is_listed(name),
            is_done: session.findings.class.done.contains(name),
        })
    });
    Ok((known.collect::<Result<_, Error>>()?, last))
}

fn sentence(gaps: &Gaps<'_>) -> String {
    let Gaps { missing, outdated } = gaps;
    let named = |names: &[&str]| {
        OwnComponents::new(names.iter().filter_map(|name| name.parse().ok())).unwrap_or_default().to_string()
    };
    let parts = [(missing, "missing"), (outdated, "perhaps outdated")];
    let parts = parts.iter().filter(|(names, _)| !names.is_empty());
    let parts: Vec<String> = parts.map(|(names, what)| format!("{what}: {}", named(names))).collect();
    format!("of the organisation's own components are {}", parts.join("; "))
}

/// A finding once under each policy version, with what to do if the plan is the reason.
fn note_finding(session: &mut Session, plan: &Plan, message: &str) {
    let version = session.state.policy.as_ref().map_or(0, |policy| policy.version);
    if !partial_is_a_finding(session.state.partial_reported, version) {
        return;
    }
    let hint = plan.partial.as_ref().map_or_else(String::new, |partial| format!(". In the plan, {partial}"));
    session.findings.warnings.push(format!("class {CLASS} is partial: {message}{hint}"));
    session.state.partial_reported = Some(version);
}

/// One outcome of both walks. Its source is the vendor's, unless the organisation's alone gave anything.
fn both(by_vendor: ClassOutcome, by_others: ClassOutcome) -> ClassOutcome {
    let mut names = by_vendor.names;
    names.extend(by_others.names);
    let is_theirs = by_vendor.result == ClassResult::Current && by_others.result == ClassResult::Updated;
    let source = if is_theirs { by_others.source } else { by_vendor.source };
    ClassOutcome {
        result: worst([by_vendor.result, by_others.result]),
        message: joined([by_vendor.message, by_others.message].into_iter()),
        source,
        names,
        ..by_vendor
    }
}
