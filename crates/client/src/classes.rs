//! One class of a run: plan → walk the sources → verify → content (P7, P8).
//!
//! A plan's steps are walked in order. The vendor source is another repository, with a root and a memory of its
//! own, so a plan falls into stretches of steps on one repository; a stretch that is unable gives way to the next.

use std::net::IpAddr;

use headwater_api::report::{Attempt, AttemptResult, ClassOutcome, ClassResult, Reason};
use headwater_depot::{FetchError, MetadataStore, Source, StoreError, Walk};
use headwater_policy::{Class, SourceKey, Step, plan};
use headwater_repo::Trusted;

use crate::error::Error;
use crate::folder::Owner;
use crate::machine::{NameOutcome, class_message, class_result};
use crate::session::{Session, store_error};
use crate::{bundle, content, domain, os, role, way};
use headwater_repo::error_chain;

/// One repository as verified from one stretch, with the walk that goes on fetching from it.
pub(crate) struct Verified<'a> {
    pub owner: Owner,
    pub class: Class,
    pub trusted: &'a Trusted,
    pub walk: &'a Walk,
}

/// Why content could not be had.
#[derive(Debug)]
pub(crate) enum ContentError {
    /// No source of the stretch gives it: the next stretch may.
    Sources(String),
    /// The run cannot go on.
    Run(Error),
}

impl From<Error> for ContentError {
    fn from(error: Error) -> Self {
        Self::Run(error)
    }
}

impl From<FetchError> for ContentError {
    fn from(error: FetchError) -> Self {
        match error {
            FetchError::Disk(error) => Self::Run(store_error(error)),
            other @ (FetchError::NoSource { .. } | FetchError::EmptyPlan { .. }) => {
                Self::Sources(other.to_string())
            }
        }
    }
}

/// Runs one class. Attempts are added to the session also where it fails.
pub(crate) async fn run_class(session: &mut Session, class: Class) -> Result<ClassOutcome, Error> {
    session.spared_bytes = 0;
    match walk_plan(session, class).await {
        Ok(outcome) => Ok(ClassOutcome { spared_bytes: session.spared_bytes, ..outcome }),
        Err(error) => {
            let done = std::mem::take(&mut session.carried).into_iter().map(|name| name.message);
            let told: Vec<String> =
                done.chain([format!("the run ended early: {}", error_chain(&error))]).collect();
            session.outcomes.push(outcome(class, ClassResult::Failed, None, told.join("; ")));
            Err(error)
        }
    }
}

async fn walk_plan(session: &mut Session, class: Class) -> Result<ClassOutcome, Error> {
    let plan = plan(&session.in_force.policy, &session.in_force.client(), class);
    if plan.steps.is_empty() {
        let message = no_source(&session.in_force.addresses);
        return Ok(outcome(class, ClassResult::NoSource, None, message));
    }
    let stretches: Vec<(Owner, &[Step])> = stretches(&plan.steps).collect();
    let (mut last, count) = (String::new(), stretches.len());
    // While another stretch is left, a silent one is not waited for as long as it may take; when all have failed,
    // those that were cut short get their full time. Twice at most, so there is no endless loop (P7).
    for patient in [false, true] {
        for (number, (owner, steps)) in stretches.iter().enumerate() {
            let is_last = number + 1 == count;
            if patient && (is_last || !was_cut_short(session, class, steps)) {
                continue;
            }
            let patient = (patient || is_last) && !had_their_time(session, steps);
            match run_stretch(session, class, *owner, steps, patient).await {
                Ok(done) => return Ok(done),
                Err(ContentError::Sources(message)) => last = message,
                Err(ContentError::Run(error)) => return Err(error),
            }
            if patient {
                let late =
                    timed_out(session, class, steps).map(|step| step.source.clone()).collect::<Vec<_>>();
                session.had_their_time.extend(late);
            }
        }
    }
    let done = std::mem::take(&mut session.carried);
    let told: Vec<String> = std::iter::once(format!("every source failed; {last}"))
        .chain(done.into_iter().map(|name| name.message))
        .collect();
    Ok(outcome(class, ClassResult::Failed, None, told.join("; ")))
}

fn no_source(addresses: &[IpAddr]) -> String {
    if addresses.is_empty() {
        return "the plan has no source for this class as long as this computer has no address".to_owned();
    }
    let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    format!(
        "the plan has no source for this class and the addresses {}; `headwater sources explain` says why",
        addresses.join(", ")
    )
}

/// Whether a source of these steps was given up for being slow.
fn was_cut_short(session: &Session, class: Class, steps: &[Step]) -> bool {
    timed_out(session, class, steps).next().is_some()
}

/// The steps whose source was given up for being slow.
fn timed_out<'a>(session: &'a Session, class: Class, steps: &'a [Step]) -> impl Iterator<Item = &'a Step> {
    steps.iter().filter(move |step| {
        session.attempts.iter().any(|attempt| {
            attempt.class == class.as_str()
                && matches!(attempt.reason, Some(Reason::Timeout | Reason::Silent))
                && attempt.source == step.source.to_string()
        })
    })
}

/// Whether all these sources kept an earlier class of this run waiting for the full time-outs (P9): once a run is
/// enough, or a silent source would cost it minutes.
fn had_their_time(session: &Session, steps: &[Step]) -> bool {
    steps.iter().all(|step| session.had_their_time.contains(&step.source))
}

/// Splits a plan where the repository changes.
fn stretches(steps: &[Step]) -> impl Iterator<Item = (Owner, &[Step])> {
    let owner = |step: &Step| match step.source {
        SourceKey::Vendor => Owner::Vendor,
        SourceKey::UpdateAgent(_) | SourceKey::Url(_) | SourceKey::Server => Owner::Organisation,
    };
    steps.chunk_by(move |a, b| owner(a) == owner(b)).map(move |chunk| (owner(&chunk[0]), chunk))
}

async fn run_stretch(
    session: &mut Session,
    class: Class,
    owner: Owner,
    steps: &[Step],
    patient: bool,
) -> Result<ClassOutcome, ContentError> {
    session.set_patience(patient)?;
    let (metadata, trusted) = open_repository(session, class, owner)?;
    let sources = steps.iter().map(|step| source(step, class)).collect::<Vec<_>>();
    let repository = owner.repository(class);
    let from = session.state.versions.get(repository).copied().unwrap_or(0);
    // What is announced is the organisation's; the vendor source has no such name.
    let announced = session.announced.get(repository).copied();
    let walk = Walk::new(&session.fetcher, sources, from, session.now);
    let refreshed = match walk.refresh(&trusted, announced).await {
        Ok(refreshed) => refreshed,
        Err(unable) => {
            session.attempts.extend(walk.attempts());
            if let Some(progress) = &unable.progress {
                metadata.save(progress.received()).map_err(store_error)?;
            }
            return Err(ContentError::Sources(unable.message));
        }
    };
    let verified = Verified { owner, class, trusted: &refreshed.trusted, walk: &walk };
    let taken = take(session, &metadata, &verified).await;
    session.attempts.extend(walk.attempts());
    let source = &walk.sources()[refreshed.source];
    for trouble in std::mem::take(&mut session.troubles) {
        session.attempts.push(own_fault(source, session, Reason::Delta, trouble, from));
    }
    if let Err(ContentError::Run(error)) = &taken {
        session.attempts.push(own_fault(source, session, Reason::Disk, error_chain(error), from));
    }
    let names = taken?;
    let result = class_result(&names);
    if matches!(result, ClassResult::Updated | ClassResult::Current) {
        session.state.versions.insert(repository.to_owned(), refreshed.version);
    }
    for name in &names {
        if let Some(reason) = name.fault {
            session.attempts.push(own_fault(source, session, reason, name.message.clone(), from));
        }
    }
    let mut message = class_message(&names);
    if refreshed.stale {
        message.push_str("; the source was older than what the server announced, and none was fresher");
    }
    Ok(outcome(class, result, Some(source.key().to_owned()), message))
}

/// A step's source. Update agents are spoken to over TLS, whatever scheme an old policy gives them.
fn source(step: &Step, class: Class) -> Source {
    let over_tls = || way::over_tls(step.url.as_str()).parse().ok();
    let url = match &step.source {
        SourceKey::UpdateAgent(_) => over_tls(),
        _ => None,
    };
    Source::new(&step.source, url.as_ref().unwrap_or(&step.url), step.entry, class)
}

/// Brings this client to what was verified, and holds it for others.
async fn take(
    session: &mut Session,
    metadata: &MetadataStore,
    verified: &Verified<'_>,
) -> Result<Vec<NameOutcome>, ContentError> {
    metadata.save(verified.trusted.received()).map_err(store_error)?;
    let mut names = match verified.class {
        Class::Settings => domain::update(session, verified).await?,
        Class::Components | Class::Programs => content::update(session, verified).await?,
    };
    if verified.owner == Owner::Organisation {
        role::hold(session, verified).await;
    }
    names.append(&mut session.carried);
    Ok(names)
}

fn open_repository(
    session: &mut Session,
    class: Class,
    owner: Owner,
) -> Result<(MetadataStore, Trusted), ContentError> {
    let root = match owner {
        Owner::Organisation => bundle::root(&session.bundle, class),
        Owner::Vendor => {
            let signed = session.state.policy.as_ref().and_then(|policy| policy.vendor_root.as_ref());
            let Some(root) = signed else {
                let message = "the signed policy does not carry the vendor source's root, so nothing from it can be verified";
                return Err(ContentError::Sources(message.to_owned()));
            };
            serde_json::to_vec(root).expect("a JSON value is written as JSON")
        }
    };
    let folder = session.folder.metadata(owner, class);
    let open = || -> Result<(MetadataStore, Trusted), StoreError> {
        let metadata = MetadataStore::open(&folder)?;
        let trusted = metadata.load_or_start(&root)?;
        Ok((metadata, trusted))
    };
    os::create_folder(&folder).map_err(Error::file("making", &folder))?;
    match open() {
        Err(StoreError::Damaged { path, reason }) => {
            // Everything in it is fetched and verified again, from the roots that this client began with.
            session.warnings.push(format!(
                "kept metadata was damaged ({}: {reason}) and is fetched anew",
                path.display()
            ));
            os::remove_tree(&folder).map_err(Error::file("removing", &folder))?;
            os::create_folder(&folder).map_err(Error::file("making", &folder))?;
            open().map_err(|error| store_error(error).into())
        }
        other => other.map_err(|error| store_error(error).into()),
    }
}

/// What went wrong here and not at the source, told beside the attempts (P9, P12).
fn own_fault(source: &Source, session: &Session, reason: Reason, detail: String, from: u64) -> Attempt {
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
        started: session.now,
        duration_ms: 0,
        from_version: from,
        to_version: from,
    }
}

fn outcome(class: Class, result: ClassResult, source: Option<String>, message: String) -> ClassOutcome {
    ClassOutcome { class: class.to_string(), result, source, message, spared_bytes: 0 }
}
