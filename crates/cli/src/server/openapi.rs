//! `headwater openapi`: the OpenAPI document of the console plane.

use clap::Args;

use crate::terminal::failure::{Exit, Failure};
use crate::terminal::output::Output;

const EXAMPLES: &str = "\
Examples:
  headwater openapi > headwater.json
  curl http://127.0.0.1:8470/api/v1/openapi.json   # the same, from a server";

/// Print the OpenAPI document of the server's REST API
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct OpenapiArguments {}

/// Prints the document.
pub fn run(_: &OpenapiArguments, output: Output) -> Result<Exit, Failure> {
    output.raw(headwater_server::openapi().as_bytes());
    Ok(Exit::Done)
}
