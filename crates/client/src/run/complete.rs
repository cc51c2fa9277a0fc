//! The steps of a run, in order.

use std::path::PathBuf;
use std::time::Instant;

use headwater_api::report::{ClassOutcome, ClassResult, Report};
use headwater_policy::Class;
use headwater_repo::error_chain;

use crate::bundle::{self, BundleUse};
use crate::classes::{look_for_roots, outcome, run_class, run_policy};
use crate::collect_garbage::collect_garbage;
use crate::config::Config;
use crate::data::{DataFolder, State, client_id};
use crate::decide::network_is_new;
use crate::error::Error;
use crate::install::recover;
use crate::options::{RunOptions, Trigger};
use crate::os::{self, Lock, Locked};
use crate::render::counted;
use crate::repair::{check_and_repair, conclude};
use crate::run::identity;
use crate::session::{Change, Context, Findings, Session};
use crate::{report, serving};

/// A run that reached its end.
#[derive(Debug, Clone)]
pub struct CompletedRun {
    pub report: Report,
    /// What it installed, in the order of the run.
    pub changes: Vec<Change>,
    /// The newer `headwater-client` that was activated.
    pub replaced: Option<PathBuf>,
}

/// Makes one run over the policy and the three classes and returns its report, which is also sent to the server (or kept until it can
/// be).
///
/// # Errors
///
/// The run could not start or could not continue: see [`Error`]. Failures of sources are in the report.
pub async fn run_once(config: &Config, options: &RunOptions) -> Result<Report, Error> {
    complete(config, options, Vec::new()).await.map(|completed| completed.report)
}

/// As [`run_once`]. `warnings` are added to those of the report.
pub(crate) async fn complete(
    config: &Config,
    options: &RunOptions,
    warnings: Vec<String>,
) -> Result<CompletedRun, Error> {
    let begun = Instant::now();
    let folder = DataFolder::new(&config.data);
    if !folder.root().exists() {
        // A mistyped folder is not made.
        bundle::passed(config)?;
    }
    folder.prepare()?;
    let _lock = if options.self_trial { None } else { Some(take_lock(&folder)?) };
    let mut session = open(config, options, folder)?;
    session.findings.warnings.extend(warnings);
    session.state.run += 1;
    let ended = run_steps(&mut session).await.err();
    identity::warn_if_not_admitted(&mut session);
    serving::finish(&mut session);
    collect_garbage(&mut session);
    session.findings.warnings.extend(ended.as_ref().map(|error| error_chain(error)));
    let duration_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    let report = report::build(&session, duration_ms)?;
    if options.self_trial {
        // The trial proves what it did and leaves no other trace.
        return ended.map_or(Ok(CompletedRun { report, changes: Vec::new(), replaced: None }), Err);
    }
    let stored = store_run(&mut session, &report);
    let sent = match report::send(&session, &report).await {
        Ok(refused) => identity::answer_refusal(&mut session, refused).await,
        Err(error) => Err(error),
    };
    let changes = session.findings.changes;
    match ended.or(stored.and(sent).err()) {
        Some(error) => Err(Error::Ended { report: Box::new(report), changes, source: Box::new(error) }),
        None => Ok(CompletedRun { report, changes, replaced: session.findings.replaced }),
    }
}

fn take_lock(folder: &DataFolder) -> Result<Lock, Error> {
    let path = folder.lock();
    match os::lock(&path).map_err(Error::file("locking", &path))? {
        Locked::Held(lock) => Ok(lock),
        Locked::Busy(holder) => Err(Error::Busy { holder, lock: path }),
    }
}

/// Reads what a run starts from.
fn open(config: &Config, options: &RunOptions, folder: DataFolder) -> Result<Session, Error> {
    let (bundle, bundle_warning) = bundle::adopt(config, &folder, BundleUse::Start)?;
    let id_warning = client_id::persist(&config.id, &folder)?;
    let (mut state, state_warning) = State::load_or_reset(&folder)?;
    let context = Context::open(config, options, folder, bundle, &state, os::now())?;
    if network_is_new(state.last_run.as_ref(), &context.effective.addresses) {
        state.reset_check_in_pauses();
    }
    let warnings = state_warning.into_iter().chain(bundle_warning).chain(id_warning).collect();
    Ok(Session { context, state, findings: Findings { warnings, ..Findings::default() } })
}

/// Everything that can end a run early; the report is made and sent all the same.
async fn run_steps(session: &mut Session) -> Result<(), Error> {
    if !session.context.options.self_trial {
        // First of all: what a crash left behind may be what fills the disk.
        recover(session).await?;
        session.save_state()?;
        // Before anything that may fail: what is here needs no network.
        if session.context.options.trigger != Trigger::PolicyLook {
            check_and_repair(session).await;
        }
    }
    identity::establish(session).await?;
    identity::check_in_and_apply(session).await?;
    look_for_roots(session).await?;
    let outcome = run_policy(session).await;
    session.findings.outcomes.push(outcome);
    // The policy may name other CAs now, or give this client other addresses to serve at.
    identity::refresh(session).await?;
    // The policy is followed whatever the trigger: it may allow it again.
    check_trigger(session)?;
    if session.context.options.trigger != Trigger::PolicyLook {
        for class in Class::ALL {
            let repairs = &session.findings.repairs;
            let is_verified = session.context.options.trigger == Trigger::Repair && !repairs.wait_for(class);
            let outcome = if is_verified {
                verified(class, repairs.checked(class))
            } else {
                run_class(session, class).await?
            };
            let outcome = conclude(session, class, outcome)?;
            session.findings.outcomes.push(outcome);
        }
    }
    session.findings.deferred.take().map_or(Ok(()), Err)
}

/// The outcome of a class that was verified and asks no source.
fn verified(class: Class, releases: usize) -> ClassOutcome {
    let message =
        format!("every byte of {} was compared with what is signed", counted(releases, "installed release"));
    outcome(class, ClassResult::Current, None, message)
}

/// The domain may leave runs to the daemon (N4).
fn check_trigger(session: &Session) -> Result<(), Error> {
    let context = &session.context;
    if context.options.trigger == Trigger::Person && !context.effective.settings.allow_manual_update {
        return Err(Error::ManualNotAllowed(context.effective.domain.clone()));
    }
    Ok(())
}

fn store_run(session: &mut Session, report: &Report) -> Result<(), Error> {
    session.state.sources = serde_json::to_value(session.context.fetcher.source_memory()).unwrap_or_default();
    session.state.last_run = Some(report.clone());
    session.save_state()
}
