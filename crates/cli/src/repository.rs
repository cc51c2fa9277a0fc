//! `headwater repo`: a static repository without a server, for vendors and air gaps.

use clap::Args;

use crate::failure::{Exit, Failure};
use crate::output::Output;

/// Make and maintain a static repository, with no server
#[derive(Debug, Args)]
pub struct RepoArguments {}

/// Runs one of the commands.
pub fn run(_arguments: RepoArguments, _output: Output) -> Result<Exit, Failure> {
    Err(Failure::failed("repo is not built yet"))
}
