//! `headwater plan`: one client's plans from files, without a server.

use std::path::{Path, PathBuf};

use clap::Args;
use headwater_api::parse::plan_document;
use headwater_api::plan::PlanDocument;
use headwater_api::policy::{ClientDocument, PolicyDocument};
use headwater_policy::{Problem, WarningKind, explain, preview};

use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::sources::file::read_text;

const EXAMPLES: &str = "\
Examples:
  headwater plan --policy policy.json --client pc-17.json
  headwater sources export | headwater plan --policy - --client pc-17.json";

/// Print one client's plans as JSON, from files, without a server
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct PlanArguments {
    /// The policy, as `headwater sources export` writes it; - reads stdin
    #[arg(long, value_name = "FILE")]
    pub policy: PathBuf,
    /// The client: {"id": …, "addresses": […], "download_from_vendor": false}
    #[arg(long, value_name = "FILE")]
    pub client: PathBuf,
}

/// Prints the plans. They are JSON with and without `--json`.
pub fn run(arguments: PlanArguments, output: Output) -> Result<Exit, Failure> {
    let plans = plans(&arguments.policy, &arguments.client, output)?;
    output.result(&plans, |plans| {
        serde_json::to_string_pretty(plans).expect("a wire message always serialises")
    });
    Ok(Exit::Done)
}

/// Reads both files, tells every problem of both, and makes the plans. A family that an entry selects and its source
/// lacks is a warning here: addresses change after a list was saved.
fn plans(policy_file: &Path, client_file: &Path, output: Output) -> Result<PlanDocument, Failure> {
    let policy = PolicyDocument::parse_for_plan(&read_text(policy_file)?);
    let client = ClientDocument::parse(&read_text(client_file)?);
    match (policy, client) {
        (Ok(policy), Ok(client)) => {
            let told = [
                WarningKind::FamilyCannotMeet,
                WarningKind::Broken,
                WarningKind::GivesNothing,
                WarningKind::LinkLocal,
            ];
            for warning in preview(&policy, None, &[]).warnings {
                if told.contains(&warning.kind) {
                    output.note(&format!("warning: {warning}"));
                }
            }
            Ok(plan_document(&explain(&policy, &client)))
        }
        (policy, client) => {
            let told = |file: &Path, problems: Vec<Problem>| {
                let line = move |problem| format!("{}: {problem}", file.display());
                problems.into_iter().map(line).collect::<Vec<String>>()
            };
            let mut problems = told(policy_file, policy.err().unwrap_or_default());
            problems.extend(told(client_file, client.err().unwrap_or_default()));
            Err(Failure::bad_input("there is no plan for this input").with_problems(problems))
        }
    }
}
