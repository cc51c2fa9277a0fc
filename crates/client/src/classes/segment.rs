//! One segment of a plan: refresh the metadata, update this client, hold the repository for others, and note every
//! attempt.

use headwater_api::report::{Attempt, AttemptResult, ClassOutcome, ClassResult, Reason};
use headwater_depot::{Expected, MetadataStore, Source, Walk};
use headwater_policy::{Class, Repository, SourceKey, Step};
use headwater_repo::error_chain;
use jiff::Timestamp;

use crate::classes::outcome::outcome;
use crate::data::RepositoryOwner;
use crate::decide::{NameOutcome, class_message, class_result};
use crate::fetch::{ContentError, Scope, VerifiedRepository, open_repository};
use crate::server::over_tls;
use crate::session::{Session, Timeout};
use crate::{serving, update};

/// A segment that served.
pub(crate) struct ServedSegment {
    /// The outcome of the class, or of the policy.
    pub outcome: ClassOutcome,
    /// The step whose metadata was used.
    pub step: usize,
    /// Whether it is older than what the server announced.
    pub stale: bool,
}

/// Consecutive steps of a plan on one repository.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Segment<'a> {
    /// Whose repository it is.
    pub owner: RepositoryOwner,
    /// The steps.
    pub steps: &'a [Step],
    /// Which of its names are asked for.
    pub scope: Scope,
}

/// Runs one segment.
pub(crate) async fn run_segment(
    session: &mut Session,
    repository: Repository,
    segment: &Segment<'_>,
    timeout: Timeout,
) -> Result<ServedSegment, ContentError> {
    let Segment { owner, steps, scope } = *segment;
    session.context.set_timeout(timeout)?;
    let (metadata, trusted) = open_repository(session, repository, owner)?;
    let sources = steps.iter().map(|step| source(step, repository)).collect::<Vec<_>>();
    let name = owner.name_of(repository);
    let from = session.state.versions.get(name).copied().unwrap_or(0);
    // The server announces the organisation's content only; the vendor's repository has another name.
    let announced = session.findings.announced.get(name).copied();
    let first_seen = session.state.first_seen.get(name).cloned().unwrap_or_default();
    let expected = Expected { announced, root: session.root_named(owner, repository), first_seen };
    let now = session.context.time();
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
    note_stale_root(session, repository, owner, refreshed.trusted.root_version());
    session.state.first_seen.entry(name.to_owned()).or_default().note(&refreshed.trusted, now);
    let verified = VerifiedRepository { owner, repository, scope, trusted: &refreshed.trusted, walk: &walk };
    let applied = apply(session, &metadata, &verified).await;
    let findings = &mut session.findings;
    findings.attempts.extend(walk.attempts());
    let at = session.context.time();
    let fault = |reason, detail| local_fault(&walk.sources()[refreshed.source], at, reason, detail, from);
    for problem in std::mem::take(&mut findings.class.delta_problems) {
        findings.attempts.push(fault(Reason::Delta, problem));
    }
    if let Err(ContentError::Run(error)) = &applied {
        findings.attempts.push(fault(Reason::Disk, error_chain(error)));
    }
    let names = applied?;
    for done in &names {
        findings.attempts.extend(done.fault.map(|reason| fault(reason, done.message.clone())));
    }
    let result = class_result(&names);
    if matches!(result, ClassResult::Updated | ClassResult::Current) {
        session.state.versions.insert(name.to_owned(), refreshed.version);
    }
    let mut message = class_message(&names);
    if refreshed.stale {
        message.push_str("; the source is older than what the server announced, and no source is newer");
    }
    let source = walk.sources()[refreshed.source].key().to_owned();
    let outcome = outcome(repository, result, Some(source), message);
    let outcome = ClassOutcome { names: in_trouble(&names), ..outcome };
    Ok(ServedSegment { outcome, step: refreshed.source, stale: refreshed.stale })
}

/// The names that failed, were reverted or that no source gave, as reports state them.
fn in_trouble(names: &[NameOutcome]) -> Vec<headwater_api::report::NameOutcome> {
    let trouble = |name: &&NameOutcome| {
        matches!(name.result, ClassResult::Failed | ClassResult::Reverted | ClassResult::Partial)
    };
    let stated = |name: &NameOutcome| headwater_api::report::NameOutcome {
        name: name.name.clone(),
        result: name.result,
        message: name.message.clone(),
    };
    names.iter().filter(trouble).map(stated).collect()
}

/// Reports that the policy is under an older root than the server named. It is used all the same: see
/// [`Session::root_named`].
fn note_stale_root(session: &mut Session, repository: Repository, owner: RepositoryOwner, root: u64) {
    let named = session.findings.roots.get(repository.as_str()).copied().filter(|named| root < *named);
    if let Some(named) =
        named.filter(|_| owner == RepositoryOwner::Organisation && repository == Repository::Policy)
    {
        session.findings.warnings.push(format!(
            "stale root: every source has {repository} under root {root}, and the server named root {named}"
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
pub(crate) fn source(step: &Step, repository: Repository) -> Source {
    let url = match &step.source {
        SourceKey::UpdateAgent(_) => over_tls(step.url.as_str()).parse().ok(),
        _ => None,
    };
    Source::new(&step.source, url.as_ref().unwrap_or(&step.url), step.entry, repository)
}

/// Brings this client to what was verified, and holds it for others.
async fn apply(
    session: &mut Session,
    metadata: &MetadataStore,
    verified: &VerifiedRepository<'_>,
) -> Result<Vec<NameOutcome>, ContentError> {
    metadata.save(verified.trusted.received())?;
    let mut names = match verified.repository {
        Repository::Policy => update::update_policy(session, verified).await?,
        Repository::Class(Class::Settings) => vec![update::update_domain(session, verified).await?],
        Repository::Class(class) => update::update_names(session, verified, class).await?,
    };
    if verified.owner == RepositoryOwner::Organisation {
        serving::hold_for_others(session, verified).await;
    }
    names.append(&mut session.findings.class.finished);
    Ok(names)
}

/// What went wrong here and not at the source, listed beside the attempts (P9, P12).
fn local_fault(source: &Source, at: Timestamp, reason: Reason, detail: String, version: u64) -> Attempt {
    Attempt {
        source: source.key().to_owned(),
        url: source.url().to_owned(),
        entry: source.entry(),
        class: source.repository().to_owned(),
        result: AttemptResult::Failed,
        reason: Some(reason),
        detail,
        bytes: 0,
        delta_bytes: 0,
        started: at,
        duration_ms: 0,
        from_version: version,
        to_version: version,
    }
}
