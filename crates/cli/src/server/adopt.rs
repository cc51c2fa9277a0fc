//! `headwater adopt`: what is published is taken as the truth, where database and repositories are of different times.

use clap::Args;
use headwater_api::v1::{AdoptAnswer, AdoptRequest, AdoptedRepository};
use reqwest::Method;

use crate::api_client::{ApiClient, ServerLocation};
use crate::terminal::failure::{Exit, Failure};
use crate::terminal::output::{Output, counted, table};

const EXAMPLES: &str = "\
Examples:
  headwater adopt
  headwater adopt --raise

If the database is older than the repositories, or the other way round, the server stops signing. Put the two of one
time in place if a backup has them. If not, this command takes the published releases and source list as the truth, and
signs everything again with higher numbers. What was set at domains since, drafts, administrators and clients that
enrolled since are gone. docs/recovery.md explains the procedure.";

/// Take what is published as the truth, where database and repositories are of different times
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct AdoptArguments {
    /// Raise every number also where database and repositories agree: the whole machine was set back, and clients refuse
    /// what it signs
    #[arg(long)]
    raise: bool,
    #[command(flatten)]
    server: ServerLocation,
}

/// Adopts.
pub async fn run(arguments: AdoptArguments, output: Output) -> Result<Exit, Failure> {
    let api = ApiClient::new(&arguments.server)?;
    let request = AdoptRequest { raise: arguments.raise };
    let adopted: AdoptAnswer = api.call(Method::POST, "/api/v1/adopt", &request).await?;
    output.result(&adopted, text);
    if !output.is_json() {
        output.note(
            "next: `headwater status`; set again what was set at domains, and publish again what is missing",
        );
        output.note(
            "next: `headwater clients unknown` shows clients that enrolled since the database was copied",
        );
    }
    Ok(Exit::Done)
}

fn text(adopted: &AdoptAnswer) -> String {
    let row = |it: &AdoptedRepository| {
        vec![it.repository.clone(), it.targets_version_before.to_string(), it.targets_version.to_string()]
    };
    let rows = adopted.repositories.iter().map(row).collect();
    let mut text =
        format!("signing goes on\n{}", table(&["repository", "version taken", "version now"], rows, ""));
    let releases = usize::try_from(adopted.releases).unwrap_or(usize::MAX);
    text.push_str(&format!("\nthe database learnt of {}", counted(releases, "release")));
    if !adopted.domains.is_empty() {
        let domains = adopted.domains.join(", ");
        text.push_str(&format!("\ndomains that it did not know, at which nothing is set now: {domains}"));
    }
    if !adopted.revoked.is_empty() {
        text.push_str(&format!("\nrevoked again: {}", adopted.revoked.join(", ")));
    }
    text
}
