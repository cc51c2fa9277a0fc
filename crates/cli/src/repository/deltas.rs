//! `headwater repo deltas`: makes the deltas of a static repository and adds them as a server does; shows progress and result.

use headwater_publisher::deltas::{DeltaJob, DeltaObserver, DeltaReport, make};
use headwater_publisher::folder::StaticRepository;
use headwater_repo::ComponentName;
use jiff::Timestamp;
use serde_json::json;

use super::apart::open_key_folder;
use super::arguments::{DeltaFlags, DeltasArguments, KeyArguments, RepositoryArguments, component_name};
use crate::terminal::failure::{Exit, Failure};
use crate::terminal::output::{Output, bytes, counted};
use crate::terminal::progress::Progress;
use crate::terminal::stop::Stop;

/// Makes the missing deltas.
pub(super) fn run(
    arguments: &DeltasArguments,
    stop: &Stop,
    now: Timestamp,
    output: Output,
) -> Result<Exit, Failure> {
    let DeltasArguments { repository, keys, name, deltas } = arguments;
    let repository = open(repository, keys)?;
    let report = make_deltas(&repository, &component_name(name)?, deltas, stop, now, output)?;
    let answer = json!({
        "deltas": report.deltas,
        "delta_bytes": report.delta_bytes,
        "missing": report.missing,
        "left_out": report.left_out.union(&report.damaged).collect::<Vec<_>>(),
        "too_large": report.too_large,
    });
    output.result(&answer, |_| {
        let (count, size) = (report.deltas, bytes(report.delta_bytes));
        format!("{name} has {} ({size})", counted(count, "delta"))
    });
    Ok(report_end(&report, output))
}

/// Opens the repository for publishing.
pub(super) fn open(
    repository: &RepositoryArguments,
    keys: &KeyArguments,
) -> Result<StaticRepository, Failure> {
    let key_folder = open_key_folder(&keys.folder, &repository.folder, false)?;
    Ok(StaticRepository::open(repository.folder(), key_folder.ring()?, keys.lifetimes.expiry())?)
}

/// Makes deltas, with a progress bar on a terminal.
pub(super) fn make_deltas(
    repository: &StaticRepository,
    component: &ComponentName,
    flags: &DeltaFlags,
    stop: &Stop,
    now: Timestamp,
    output: Output,
) -> Result<DeltaReport, Failure> {
    let progress = output.progress("deltas", 0);
    let made = make(repository, component, &flags.settings(), &Shown { stop, progress: &progress }, now);
    progress.finish();
    Ok(made?)
}

/// Shows the progress of each delta, and passes a request to stop to the encoder.
struct Shown<'a> {
    stop: &'a Stop,
    progress: &'a Progress,
}

impl DeltaObserver for Shown<'_> {
    fn is_stopped(&self) -> bool {
        self.stop.is_requested()
    }

    fn advanced(&self, job: &DeltaJob) {
        let what = format!("delta to {}", job.path);
        let done = job.size.saturating_mul(job.permille().into()) / 1000;
        self.progress.show(&what, done, job.size);
    }
}

/// Notes what was left out or is missing, and how to continue; partly done if something is missing.
pub(super) fn report_end(report: &DeltaReport, output: Output) -> Exit {
    for reason in report.left_out.iter().chain(&report.damaged) {
        output.note(&format!("left out: {reason}; `headwater repo verify` reports all that is wrong"));
    }
    if !report.too_large.is_empty() {
        output.note(&format!(
            "no delta to {}: making it takes more memory than --deltas-memory-mib; raise it",
            report.too_large.join(", ")
        ));
    }
    if report.missing == 0 {
        return Exit::Done;
    }
    output.note(&format!(
        "stopped with {} to be made; `headwater repo deltas` continues. Until then clients fetch full bodies instead",
        counted(report.missing, "delta")
    ));
    Exit::Partly
}
