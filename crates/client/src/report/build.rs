//! The report of a run, from its findings.

use headwater_api::report::{FORMAT, Report};

use crate::error::Error;
use crate::os;
use crate::session::Session;

/// Builds the report.
///
/// # Errors
///
/// What is installed cannot be read.
pub(crate) fn build(session: &Session, duration_ms: u64) -> Result<Report, Error> {
    let Session { context, state, findings } = session;
    Ok(Report {
        format: FORMAT,
        client: context.effective.id.to_string(),
        domain: context.effective.domain.clone(),
        run: state.run,
        started: context.now,
        duration_ms,
        addresses: context.effective.addresses.iter().map(ToString::to_string).collect(),
        host: os::host_name(),
        program: env!("CARGO_PKG_VERSION").to_owned(),
        policy_version: state.policy.as_ref().map_or(0, |policy| policy.version),
        classes: findings.outcomes.clone(),
        attempts: findings.attempts.clone(),
        installed: context.folder.installed()?,
        update_agent: findings.update_agent.clone(),
        warnings: findings.warnings.clone(),
    })
}
