//! `headwater plan`: one client's plans from files, without a server.

use std::path::PathBuf;

use clap::Args;

use crate::failure::{Exit, Failure};
use crate::output::Output;

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

/// Prints the plans.
pub fn run(_arguments: PlanArguments, _output: Output) -> Result<Exit, Failure> {
    Err(Failure::failed("plan is not built yet"))
}
