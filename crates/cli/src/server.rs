//! `headwater server`: starts the organisation's server.

use std::path::Path;

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

/// A server in this process.
#[derive(Debug)]
pub struct Running {
    /// Base URL of its fleet listener, as clients are told.
    pub fleet_url: String,
    /// Base URL of its console listener.
    pub console_url: String,
}

/// Starts a server on ports that are free.
pub async fn start_in_process(_data: &Path) -> Result<Running, Failure> {
    Err(Failure::failed("server is not built yet"))
}

impl Running {
    /// Stops it.
    pub async fn stop(self) {}
}
