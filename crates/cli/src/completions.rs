//! `headwater completions`: a script for a shell.

use std::io;

use clap::Args;
use clap_complete::Shell;

use crate::failure::{Exit, Failure};

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
pub fn run(arguments: &CompletionsArguments) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut crate::command(), "headwater", &mut script);
    // A reader that went away is not an error.
    let _ = io::Write::write_all(&mut io::stdout(), &script);
    Ok(Exit::Done)
}
