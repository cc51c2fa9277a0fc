//! `headwater demo`: a whole fleet in one process, on this machine alone.

pub mod feed;

use clap::Args;

use crate::failure::{Exit, Failure};
use crate::output::Output;

/// Run a whole fleet on this machine and tell what each client did
#[derive(Debug, Args)]
pub struct DemoArguments {}

/// Runs the demo.
pub async fn run(_arguments: DemoArguments, _output: Output) -> Result<Exit, Failure> {
    Err(Failure::failed("demo is not built yet"))
}
