//! One run: check-in → settings → components → programs → sweep → report (P7–P12).
//!
//! The check-in waits at most a second and its answer is a hint. Each class is run whatever became of the one
//! before (P8). A disk or permission error ends the run with its own message (P9); the report is sent all the same.

use std::path::PathBuf;
use std::time::Instant;

use headwater_api::checkin::{CheckIn, CheckInAnswer};
use headwater_api::report::{ClassOutcome, ClassResult, FORMAT, Report};
use headwater_policy::Class;

use crate::classes::run_class;
use crate::config::Config;
use crate::error::Error;
use crate::folder::DataFolder;
use crate::install::recover;
use crate::member::Believed;
use crate::os::{self, Lock, Locked};
use crate::progress_sink::ProgressSink;
use crate::server::{Server, clock_warning};
use crate::session::Session;
use crate::spool::Spool;
use crate::sweep::sweep;
use crate::way::Way;
use crate::{domain_keys, enrol, role};
use headwater_repo::error_chain;

/// Who asked for a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Trigger {
    /// The daemon's poll, a notice, or the program that this client is part of.
    #[default]
    Poll,
    /// A person on the endpoint (N4); refused where the domain does not allow it.
    Person,
}

/// How a run is to be made.
#[derive(Debug, Clone, Default)]
pub struct RunOptions {
    /// Who asked.
    pub trigger: Trigger,
    /// Try releases again that failed here.
    pub retry_failed: bool,
    /// The run is a new program's trial, inside the run of the one it is to replace: it takes no lock, remembers
    /// and reports nothing, and does not update the program itself.
    pub self_trial: bool,
    /// Who is told how far it has come.
    pub progress_sink: ProgressSink,
}

/// A completed run.
#[derive(Debug, Clone)]
pub(crate) struct Completed {
    pub report: Report,
    /// The newer `headwater-client` that was put in place.
    pub replaced: Option<PathBuf>,
}

/// Makes one run over the three classes and returns its report, which is also sent (or kept) for the server.
///
/// # Errors
///
/// The run could not start or could not go on: see [`Error`]. What failed at sources is in the report.
pub async fn run_once(config: &Config, options: &RunOptions) -> Result<Report, Error> {
    complete(config, options, Vec::new()).await.map(|completed| completed.report)
}

/// `warnings`: what the report is to say beside what the run finds.
pub(crate) async fn complete(
    config: &Config,
    options: &RunOptions,
    warnings: Vec<String>,
) -> Result<Completed, Error> {
    let begun = Instant::now();
    let folder = DataFolder::new(&config.data);
    os::create_folder(folder.root()).map_err(Error::file("making", folder.root()))?;
    let _lock = if options.self_trial { None } else { Some(take_lock(&folder)?) };
    let mut session = Session::open(config, options, os::now())?;
    session.warnings.extend(warnings);
    session.state.run += 1;
    let ended = run_classes(&mut session).await.err();
    role::settle(&mut session);
    sweep(&mut session);
    let report = report(&mut session, begun, ended.as_ref())?;
    if options.self_trial {
        // The trial proves what it did and leaves no other trace.
        return ended.map_or(Ok(Completed { report, replaced: None }), Err);
    }
    let remembered = remember(&mut session, &report);
    let sent = send(&session, &report).await;
    match ended.or(remembered.and(sent).err()) {
        Some(error) => Err(Error::Ended { report: Box::new(report), source: Box::new(error) }),
        None => Ok(Completed { report, replaced: session.replaced }),
    }
}

fn take_lock(folder: &DataFolder) -> Result<Lock, Error> {
    let path = folder.lock();
    match os::lock(&path).map_err(Error::file("locking", &path))? {
        Locked::Held(lock) => Ok(lock),
        Locked::Busy(holder) => Err(Error::Busy { holder, lock: path }),
    }
}

/// Everything that can end a run early: then the report tells the server all the same.
async fn run_classes(session: &mut Session) -> Result<(), Error> {
    if !session.options.self_trial {
        // First of all: what a crash left behind may be what fills the disk.
        recover(session).await?;
        session.save_state()?;
    }
    join(session).await?;
    check_in(session).await?;
    for class in Class::ALL {
        // Settings are followed whoever starts the run: they are where it may be allowed again.
        if class != Class::Settings {
            allowed(session)?;
        }
        match run_class(session, class).await {
            Ok(outcome) => {
                session.outcomes.push(outcome);
                if class == Class::Settings {
                    // The policy may believe others now, or give this client other addresses to serve at.
                    keep_membership(session).await?;
                }
            }
            Err(error) => {
                session.outcomes.push(ClassOutcome {
                    class: class.to_string(),
                    result: ClassResult::Failed,
                    source: None,
                    message: error_chain(&error),
                    spared_bytes: 0,
                });
                return Err(error);
            }
        }
    }
    session.no_room.take().map_or(Ok(()), Err)
}

/// Enrols where this client is not a member yet, and renews its certificate where it is time.
async fn join(session: &mut Session) -> Result<(), Error> {
    let Session { config, folder, bundle, state, .. } = session;
    let member = enrol::member(config, folder, bundle, state).await?;
    let believed = Believed::of(&session.bundle, &session.state)?;
    session.set_member(member, believed)?;
    keep_membership(session).await
}

async fn keep_membership(session: &mut Session) -> Result<(), Error> {
    let Some((member, _)) = session.member.clone() else { return Ok(()) };
    let believed = Believed::of(&session.bundle, &session.state)?;
    session.set_member(member.clone(), believed.clone())?;
    if session.options.self_trial {
        return Ok(());
    }
    if let Some(renewed) = enrol::renewed(session, &member, &believed).await? {
        session.set_member(renewed, believed)?;
    }
    Ok(())
}

/// The domain may leave runs to the daemon (N4).
fn allowed(session: &Session) -> Result<(), Error> {
    if session.options.trigger == Trigger::Person && !session.in_force.settings.allow_manual_update {
        return Err(Error::ManualNotAllowed(session.in_force.domain.clone()));
    }
    Ok(())
}

async fn check_in(session: &mut Session) -> Result<(), Error> {
    let message = CheckIn {
        client: session.in_force.id.to_string(),
        domain: session.in_force.domain.clone(),
        addresses: session.in_force.addresses.iter().map(ToString::to_string).collect(),
        program: env!("CARGO_PKG_VERSION").to_owned(),
        policy_version: session.state.policy.as_ref().map_or(0, |policy| policy.version),
        versions: Class::ALL
            .iter()
            .filter_map(|class| Some((class.to_string(), *session.state.versions.get(class.as_str())?)))
            .collect(),
        reports_made: Spool::open(session.folder.reports())?.made()?,
    };
    let Some((answer, way)) = say(session, &message).await? else { return Ok(()) };
    let Some((member, _)) = session.member.clone() else { return Ok(()) };
    session.answered = Some(way);
    if !session.options.self_trial {
        domain_keys::keep(&session.folder, &member, &answer.domain_keys)?;
    }
    session.warnings.extend(clock_warning(answer.server_time, session.now));
    if answer.domain.parse::<headwater_policy::DomainPath>().is_ok() {
        session.in_force.domain.clone_from(&answer.domain);
        session.state.domain = Some(answer.domain);
    }
    session.announced = answer.announced;
    Ok(())
}

/// Checks in. A server that refuses this client is shown its certificate, and asked once more if it took it.
async fn say(session: &mut Session, message: &CheckIn) -> Result<Option<(CheckInAnswer, Way)>, Error> {
    for again in [true, false] {
        let Some((member, believed)) = session.member.clone() else { return Ok(None) };
        let server = Server::new(session.ways(), member, believed)?;
        let answered = server.check_in(message, &mut session.state, session.now).await;
        if answered.is_some() || session.state.refused.is_none() {
            return Ok(answered);
        }
        if again {
            keep_membership(session).await?;
        }
        if let Some(why) = &session.state.refused {
            session.warnings.push(format!("the server refuses this client, which goes on asking: {why}"));
            break;
        }
    }
    Ok(None)
}

fn report(session: &mut Session, begun: Instant, ended: Option<&Error>) -> Result<Report, Error> {
    if let Some(error) = ended {
        session.warnings.push(error_chain(error));
    }
    Ok(Report {
        format: FORMAT,
        client: session.in_force.id.to_string(),
        domain: session.in_force.domain.clone(),
        run: session.state.run,
        started: session.now,
        duration_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
        addresses: session.in_force.addresses.iter().map(ToString::to_string).collect(),
        program: env!("CARGO_PKG_VERSION").to_owned(),
        policy_version: session.state.policy.as_ref().map_or(0, |policy| policy.version),
        classes: session.outcomes.clone(),
        attempts: session.attempts.clone(),
        installed: session.folder.installed()?,
        update_agent: session.update_agent.clone(),
        warnings: session.warnings.clone(),
    })
}

fn remember(session: &mut Session, report: &Report) -> Result<(), Error> {
    session.state.back_off = serde_json::to_value(session.fetcher.back_off()).unwrap_or_default();
    session.state.last_run = Some(report.clone());
    session.save_state()
}

async fn send(session: &Session, report: &Report) -> Result<(), Error> {
    let spool = Spool::open(session.folder.reports())?;
    let kept = spool.keep(report);
    let Some((member, believed)) = session.member.clone() else {
        // Nobody would believe it yet. It waits.
        return kept.map(|_| ());
    };
    let server = Server::new(session.ways(), member, believed)?;
    let answered = session.answered.as_ref();
    if kept.is_err() {
        // A full disk must not keep the server from learning of it.
        server.send_unkept(&spool, report, answered).await;
    }
    kept?;
    server.send_reports(&spool, answered).await
}
