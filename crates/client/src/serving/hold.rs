//! After a repository was updated, holds for others what the signed policy lets this client share, and with any class
//! the policy itself (P5a).

use headwater_agent::{HoldOutcome, HoldRequest, ServedTree, hold};
use headwater_api::report::UpdateAgentReport;
use headwater_policy::Repository;
use headwater_repo::error_chain;

use crate::assemble::installed_files;
use crate::fetch::VerifiedRepository;
use crate::os;
use crate::session::{Context, Findings, Session};

/// Holds a repository for others, if this client serves it.
pub(crate) async fn hold_for_others(session: &mut Session, verified: &VerifiedRepository<'_>) {
    let Session { context, findings, .. } = session;
    let repository = verified.repository;
    if context.options.self_trial || !context.effective.serves(repository) {
        return;
    }
    let tree = ServedTree::new(context.folder.served());
    let files = installed_files(&context.folder).unwrap_or_default();
    let request = HoldRequest {
        repository,
        trusted: verified.trusted,
        walk: verified.walk,
        store: &context.store,
        tree: &tree,
        files: &files,
        quota_bytes: quota_bytes(context),
        free_bytes: os::free_bytes(context.folder.root()).unwrap_or(u64::MAX),
        free_files: os::free_files(context.folder.root()).unwrap_or_default(),
    };
    let progress_sink = context.options.progress_sink.clone();
    let what = format!("{repository} for others");
    match hold(&request, &move |progress| progress_sink.report(&what, progress)).await {
        Ok(outcome) => note(findings, repository, outcome),
        Err(error) => {
            let problem = error_chain(&error);
            tracing::warn!(%repository, problem, "cannot hold it for others; the previous content stays");
            report(findings).problems.insert(repository.to_string(), problem);
        }
    }
}

/// Reports what an operator is to know about a repository that is held.
fn note(findings: &mut Findings, repository: Repository, outcome: HoldOutcome) {
    if outcome.damaged > 0 {
        let damaged = match outcome.damaged {
            1 => format!("1 file of {repository} held for others was"),
            count => format!("{count} files of {repository} held for others were"),
        };
        findings.warnings.push(format!("{damaged} damaged on the disk and fetched again; check the disk"));
    }
    if outcome.deltas_left_out > 0 {
        let deltas = match outcome.deltas_left_out {
            1 => "1 delta is".to_owned(),
            count => format!("{count} deltas are"),
        };
        let problem = format!(
            "{deltas} not held, because of the size or because no source has it. Clients fetch from their next source \
             (update_agent_quota_mib and the free disk space decide what fits)"
        );
        report(findings).problems.insert(repository.to_string(), problem);
    }
}

/// At the end of a run: removes what is no longer shared, and reports what is held.
pub(crate) fn finish(session: &mut Session) {
    let Session { context, findings, .. } = session;
    if context.options.self_trial {
        return;
    }
    let tree = ServedTree::new(context.folder.served());
    for repository in Repository::ALL {
        if !context.effective.serves(repository)
            && let Err(error) = tree.remove(repository)
        {
            findings
                .warnings
                .push(format!("cannot remove {repository}, which is no longer held for others: {error}"));
        }
    }
    if context.effective.update_agent().is_none() {
        findings.update_agent = None;
        return;
    }
    let serves = Repository::ALL.into_iter().filter(|repository| context.effective.serves(*repository));
    let serves = serves.filter_map(|repository| Some((repository.to_string(), tree.version(repository)?)));
    let serves = serves.collect();
    let report = report(findings);
    *report = UpdateAgentReport {
        serves,
        bytes_held: tree.bytes_held(),
        bytes_quota: quota_bytes(context),
        bytes_free: os::free_bytes(context.folder.root()).ok(),
        problems: std::mem::take(&mut report.problems),
    };
}

fn report(findings: &mut Findings) -> &mut UpdateAgentReport {
    findings.update_agent.get_or_insert_default()
}

fn quota_bytes(context: &Context) -> u64 {
    context.effective.settings.update_agent_quota_mib.saturating_mul(1024 * 1024)
}
