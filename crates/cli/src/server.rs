//! `headwater server`: starts the organisation's server.

use clap::Args;

use crate::failure::{Exit, Failure};
use crate::output::Output;

/// Start the server
#[derive(Debug, Args)]
pub struct ServerArguments {}

/// Runs the server until it is told to stop.
pub async fn run(_arguments: ServerArguments, _output: Output) -> Result<Exit, Failure> {
    Err(Failure::failed("server is not built yet"))
}
