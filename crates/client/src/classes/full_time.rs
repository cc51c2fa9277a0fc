//! Which sources used up the full time-outs in this run (P9): once is enough.

use headwater_api::report::Reason;
use headwater_policy::{Class, Repository, SourceKey, Step};

use crate::session::{Findings, Session};

/// Whether a source of these steps timed out.
pub(super) fn was_cut_short(findings: &Findings, class: Class, steps: &[Step]) -> bool {
    timed_out(findings, class, steps).next().is_some()
}

/// The steps whose source timed out.
fn timed_out<'a>(
    findings: &'a Findings,
    repository: impl Into<Repository>,
    steps: &'a [Step],
) -> impl Iterator<Item = &'a Step> {
    let repository = repository.into();
    steps.iter().filter(move |step| {
        findings.attempts.iter().any(|attempt| {
            attempt.class == repository.as_str()
                && matches!(attempt.reason, Some(Reason::Timeout | Reason::Silent))
                && attempt.source == step.source.to_string()
        })
    })
}

/// Whether all these sources used up the full time-outs earlier in this run (P9). Once a run is enough:
/// otherwise a silent source would cost it minutes.
pub(super) fn had_full_time(findings: &Findings, steps: &[Step]) -> bool {
    steps.iter().all(|step| findings.given_full_time.contains(&step.source))
}

/// Notes which of these sources used up the full time-outs.
pub(super) fn note_full_time(session: &mut Session, repository: impl Into<Repository>, steps: &[Step]) {
    let late: Vec<SourceKey> =
        timed_out(&session.findings, repository, steps).map(|step| step.source.clone()).collect();
    session.findings.given_full_time.extend(late);
}
