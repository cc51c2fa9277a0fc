//! `headwater status`: the state of the server, its repositories and its jobs, and what an administrator should do.

use clap::Args;
use headwater_api::v1::{DiskStatus, JobStatus, RepositoryStatus, ServerProblem, Severity, Status};

use crate::api_client::{ApiClient, ServerLocation};
use crate::clients::counts_text;
use crate::terminal::failure::{Exit, Failure};
use crate::terminal::output::{Output, bytes, table, time};

const EXAMPLES: &str = "\
Examples:
  headwater status
  headwater status --json";

/// Show the state of the server, its repositories and its jobs, and what an administrator should do
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct StatusArguments {
    #[command(flatten)]
    server: ServerLocation,
}

/// Shows it.
pub async fn run(arguments: StatusArguments, output: Output) -> Result<Exit, Failure> {
    let status: Status = ApiClient::new(&arguments.server)?.get("/api/v1/status").await?;
    output.result(&status, text);
    Ok(Exit::Done)
}

fn text(status: &Status) -> String {
    let row = |status: &RepositoryStatus| {
        vec![
            status.repository.clone(),
            status.names.to_string(),
            status.targets_version.to_string(),
            status.root_version.to_string(),
            time(status.expires),
            format!("{} in {} blobs", bytes(status.blob_bytes), status.blobs),
        ]
    };
    let job = |job: &JobStatus| {
        let last = job.last_run.map_or_else(|| "not yet".to_owned(), time);
        let outcome = match (&job.error, job.failing_since) {
            (Some(error), Some(since)) => format!("failed since {}: {error}", time(since)),
            (Some(error), None) => format!("failed: {error}"),
            (None, _) => job.message.clone(),
        };
        vec![job.name.clone(), last, outcome]
    };
    let repositories = table(
        &["repository", "names", "version", "root", "signed until", "content"],
        status.repositories.iter().map(row).collect(),
        "none",
    );
    let disk = |disk: &DiskStatus| {
        let files = match (disk.free_files, disk.files) {
            (Some(free), Some(all)) => format!("{free} of {all}"),
            _ => "no limit".to_owned(),
        };
        let free = format!("{} of {}", bytes(disk.free_bytes), bytes(disk.bytes));
        vec![disk.folders.join(", "), free, files]
    };
    let disks = table(
        &["disk of", "free", "free inodes"],
        status.disks.iter().map(disk).collect(),
        "disk: not known",
    );
    let jobs = table(&["job", "last run", "result"], status.jobs.iter().map(job).collect(), "no jobs");
    let mut text: String = status.problems.iter().map(problem).collect();
    text.push_str(&format!(
        "headwater {} at {}, since {}; server time {}\n{}\nupdate agents {}, policy version {}\n\n{repositories}\n\n{jobs}\n\n{disks}",
        status.program,
        status.fleet_url,
        time(status.started),
        time(status.server_time),
        counts_text(&status.client_counts, status.policy_version),
        status.update_agents,
        status.policy_version,
    ));
    for warning in &status.warnings {
        text.push_str(&format!("\n\nwarning: {warning}"));
    }
    text
}

/// A problem as it stands above everything else.
fn problem(problem: &ServerProblem) -> String {
    let word = match problem.severity {
        Severity::Failed => "FAILED",
        Severity::Warning => "warning",
    };
    let since = problem.since.map_or_else(String::new, |since| format!(" since {}", time(since)));
    format!("{word}{since}: {}\n\n", problem.message)
}
