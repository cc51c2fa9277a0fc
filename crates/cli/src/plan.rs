//! `headwater plan`: the plans of one client, computed from files without a server.

use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use headwater_api::conversion::plan_document;
use headwater_api::plan::PlanDocument;
use headwater_api::policy::{ClientDocument, PolicyDocument};
use headwater_policy::{Class, Problem, WarningKind, explain, preview};

use crate::terminal::failure::{Exit, Failure};
use crate::terminal::input::read_text;
use crate::terminal::output::Output;

const EXAMPLES: &str = "\
Examples:
  headwater plan --policy policy.json --client pc-17.json
  headwater sources export | headwater plan --policy - --client pc-17.json";

/// Print the plans of one client as JSON, computed from files without a server
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct PlanArguments {
    /// The policy, as `headwater sources export` writes it; - reads stdin
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub policy: PathBuf,
    /// The client: {"id": …, "addresses": […], "download_from_vendor": false}
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub client: PathBuf,
}

/// Prints the plans. They are JSON with and without `--json`.
pub fn run(arguments: PlanArguments, output: Output) -> Result<Exit, Failure> {
    let plans = plans(&arguments.policy, &arguments.client, output)?;
    output.result(&plans, |plans| {
        serde_json::to_string_pretty(plans).expect("a wire message always serialises")
    });
    let is_incomplete = plans.values().any(|plan| plan.unserved.is_some() || plan.partial.is_some());
    Ok(if is_incomplete { Exit::Partly } else { Exit::Done })
}

/// Reads both files, reports every problem of both, and computes the plans. An address family that an entry selects and
/// its source does not have is a warning here: addresses change after a list was saved.
fn plans(policy_file: &Path, client_file: &Path, output: Output) -> Result<PlanDocument, Failure> {
    let policy = PolicyDocument::parse_for_plan(&read_text(policy_file)?);
    let client = ClientDocument::parse(&read_text(client_file)?);
    match (policy, client) {
        (Ok(policy), Ok(client)) => {
            let shown = [
                WarningKind::FamilyCannotMeet,
                WarningKind::Broken,
                WarningKind::GivesNothing,
                WarningKind::LinkLocal,
            ];
            for warning in preview(&policy, None, &[]).warnings {
                if shown.contains(&warning.kind) {
                    output.note(&format!("warning: {warning}"));
                }
            }
            let plans = explain(&policy, &client);
            for class in Class::ALL {
                if let Some(why) = &plans.get(class).unserved {
                    output.note(&format!("warning: no source for class {class}: {why}"));
                }
                if let Some(why) = &plans.get(class).partial {
                    output.note(&format!("warning: class {class} is partial: {why}"));
                }
            }
            Ok(plan_document(&plans))
        }
        (policy, client) => {
            let lines = |file: &Path, problems: Vec<Problem>| {
                let line = move |problem| format!("{}: {problem}", file.display());
                problems.into_iter().map(line).collect::<Vec<String>>()
            };
            let mut problems = lines(policy_file, policy.err().unwrap_or_default());
            problems.extend(lines(client_file, client.err().unwrap_or_default()));
            Err(Failure::bad_input("the input is not valid, so there is no plan").with_problems(problems))
        }
    }
}
