//! What the log states about a run: one line for each class that changed or failed.

use headwater_api::report::{Attempt, ClassOutcome, ClassResult, Report};
use headwater_repo::error_chain;

use crate::error::Error;
use crate::render;

/// Logs a run.
pub(crate) fn log_run(run: Result<&Report, &Error>) {
    match run {
        Ok(report) => {
            log_classes(report);
            tracing::info!("run {} completed in {}", report.run, seconds(report.duration_ms));
        }
        Err(Error::Ended { report, source }) => {
            log_classes(report);
            tracing::error!("run {} ended early: {}", report.run, error_chain(source.as_ref()));
        }
        Err(error) => tracing::error!("the run failed: {}", error_chain(error)),
    }
}

fn log_classes(report: &Report) {
    for class in &report.classes {
        match class.result {
            ClassResult::Updated => tracing::info!("{}", updated_line(report, class)),
            ClassResult::Failed | ClassResult::Reverted | ClassResult::Partial | ClassResult::Unserved => {
                tracing::warn!("{}: {}", class.class, class.message);
            }
            ClassResult::Current => {}
        }
    }
}

/// `components: rules updated from 3 to 4; source: server (61.00 KiB, 0.4 s)`.
fn updated_line(report: &Report, class: &ClassOutcome) -> String {
    let attempts = || report.attempts.iter().filter(|attempt: &&Attempt| attempt.class == class.class);
    let bytes: u64 = attempts().map(|attempt| attempt.bytes).sum();
    let duration_ms: u64 = attempts().map(|attempt| attempt.duration_ms).sum();
    format!(
        "{}: {}; source: {} ({}, {})",
        class.class,
        class.message,
        report.sources(class).join(", then "),
        render::bytes(bytes),
        seconds(duration_ms)
    )
}

fn seconds(duration_ms: u64) -> String {
    format!("{}.{} s", duration_ms / 1000, duration_ms % 1000 / 100)
}
