//! One segment of a plan: refresh the metadata, update this client, hold the class for others, and note every attempt.

use headwater_api::report::{Attempt, AttemptResult, ClassOutcome, ClassResult, Reason};
use headwater_depot::{Expected, MetadataStore, Source, Walk};
use headwater_policy::{Class, SourceKey, Step};
use headwater_repo::error_chain;
use jiff::Timestamp;

use crate::classes::outcome::outcome;
use crate::data::RepositoryOwner;
use crate::decide::{NameOutcome, class_message, class_result};
use crate::fetch::{ContentError, Verified, open_repository};
use crate::server::over_tls;
use crate::session::{Session, Timeout};
use crate::{serving, update};

/// Runs one segment.
pub(crate) async fn run_segment(
    session: &mut Session,
    class: Class,
    owner: RepositoryOwner,
    steps: &[Step],
    timeout: Timeout,
) -> Result<ClassOutcome, ContentError> {
    session.context.set_timeout(timeout)?;
    let (metadata, trusted) = open_repository(session, class, owner)?;
    let sources = steps.iter().map(|step| source(step, class)).collect::<Vec<_>>();
    let repository = owner.repository(class);
    let from = session.state.versions.get(repository).copied().unwrap_or(0);
    // The server announces the organisation's content only; the vendor's repository has another name.
    let announced = session.findings.announced.get(repository).copied();
    let first_seen = session.state.first_seen.get(repository).cloned().unwrap_or_default();
    let expected = Expected { announced, root: session.root_named(owner, class), first_seen };
    let now = session.context.now;
    let walk = Walk::new(&session.context.fetcher, sources, from, now);
    let refreshed = match walk.refresh_as(&trusted, &expected).await {
        Ok(refreshed) => refreshed,
        Err(unable) => {
            session.findings.attempts.extend(walk.attempts());
            if let Some(progress) = &unable.progress {
                metadata.save(progress.received())?;
            }
            return Err(ContentError::Sources(unable.message));
        }
    };
    note_stale_root(session, class, owner, refreshed.trusted.root_version());
    session.state.first_seen.entry(repository.to_owned()).or_default().note(&refreshed.trusted, now);
    let verified = Verified { owner, class, trusted: &refreshed.trusted, walk: &walk };
    let applied = apply(session, &metadata, &verified).await;
    let findings = &mut session.findings;
    findings.attempts.extend(walk.attempts());
    let fault = |reason, detail| local_fault(&walk.sources()[refreshed.source], now, reason, detail, from);
    for problem in std::mem::take(&mut findings.class.delta_problems) {
        findings.attempts.push(fault(Reason::Delta, problem));
    }
    if let Err(ContentError::Run(error)) = &applied {
        findings.attempts.push(fault(Reason::Disk, error_chain(error)));
    }
    let names = applied?;
    for name in &names {
        findings.attempts.extend(name.fault.map(|reason| fault(reason, name.message.clone())));
    }
    let result = class_result(&names);
    if matches!(result, ClassResult::Updated | ClassResult::Current) {
        session.state.versions.insert(repository.to_owned(), refreshed.version);
    }
    let mut message = class_message(&names);
    if refreshed.stale {
        message.push_str("; the source is older than what the server announced, and no source is newer");
    }
    let source = walk.sources()[refreshed.source].key().to_owned();
    Ok(ClassOutcome { names: in_trouble(&names), ..outcome(class, result, Some(source), message) })
}

/// The names that failed or were reverted, as reports state them.
fn in_trouble(names: &[NameOutcome]) -> Vec<headwater_api::report::NameOutcome> {
    let trouble = |name: &&NameOutcome| matches!(name.result, ClassResult::Failed | ClassResult::Reverted);
    let stated = |name: &NameOutcome| headwater_api::report::NameOutcome {
        name: name.name.clone(),
        result: name.result,
        message: name.message.clone(),
    };
    names.iter().filter(trouble).map(stated).collect()
}

/// Reports that class settings is under an older root than the server named. It is used all the same: see
/// [`Session::root_named`].
fn note_stale_root(session: &mut Session, class: Class, owner: RepositoryOwner, root: u64) {
    let named = session.findings.roots.get(class.as_str()).copied().filter(|named| root < *named);
    if let Some(named) = named.filter(|_| owner == RepositoryOwner::Organisation && class == Class::Settings)
    {
        session.findings.warnings.push(format!(
            "stale root: every source has class {class} under root {root}, and the server named root {named}"
        ));
    }
}

/// Who publishes the repository that a step's source has.
pub(crate) fn owner(step: &Step) -> RepositoryOwner {
    match step.source {
        SourceKey::Vendor => RepositoryOwner::Vendor,
        SourceKey::UpdateAgent(_) | SourceKey::Url(_) | SourceKey::Server => RepositoryOwner::Organisation,
    }
}

/// A step's source. The scheme of an update agent is always `https`.
pub(crate) fn source(step: &Step, class: Class) -> Source {
    let url = match &step.source {
        SourceKey::UpdateAgent(_) => over_tls(step.url.as_str()).parse().ok(),
        _ => None,
    };
    Source::new(&step.source, url.as_ref().unwrap_or(&step.url), step.entry, class)
}

/// Brings this client to what was verified, and holds it for others.
async fn apply(
    session: &mut Session,
    metadata: &MetadataStore,
    verified: &Verified<'_>,
) -> Result<Vec<NameOutcome>, ContentError> {
    metadata.save(verified.trusted.received())?;
    let mut names = match verified.class {
        Class::Settings => update::update_settings(session, verified).await?,
        Class::Components | Class::Programs => update::update_names(session, verified).await?,
    };
    if verified.owner == RepositoryOwner::Organisation {
        serving::hold_class(session, verified).await;
    }
    names.append(&mut session.findings.class.finished);
    Ok(names)
}

/// What went wrong here and not at the source, listed beside the attempts (P9, P12).
fn local_fault(source: &Source, now: Timestamp, reason: Reason, detail: String, version: u64) -> Attempt {
    Attempt {
        source: source.key().to_owned(),
        url: source.url().to_owned(),
        entry: source.entry(),
        class: source.class().to_owned(),
        result: AttemptResult::Failed,
        reason: Some(reason),
        detail,
        bytes: 0,
        delta_bytes: 0,
        started: now,
        duration_ms: 0,
        from_version: version,
        to_version: version,
    }
}
