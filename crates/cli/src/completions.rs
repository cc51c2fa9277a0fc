//! `headwater completions`: a script for a shell.

use clap::Args;
use clap_complete::Shell;
use serde_json::json;

use crate::failure::{Exit, Failure};
use crate::output::Output;

const EXAMPLES: &str = "\
Examples:
  headwater completions bash > /etc/bash_completion.d/headwater
  headwater completions zsh > ~/.zfunc/_headwater
  headwater completions fish > ~/.config/fish/completions/headwater.fish";

/// Print a completion script for a shell
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct CompletionsArguments {
    /// The shell
    shell: Shell,
}

/// Prints the script.
pub fn run(arguments: &CompletionsArguments, output: Output) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut crate::command(), "headwater", &mut script);
    if output.is_json() {
        let script = String::from_utf8_lossy(&script).into_owned();
        let shell = arguments.shell.to_string();
        output.result(&json!({"shell": shell, "script": script}), |_| String::new());
        return Ok(Exit::Done);
    }
    output.raw(&script);
    Ok(Exit::Done)
}
