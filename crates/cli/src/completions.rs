//! `headwater completions`, and the answers to a shell that completes a command line.
//!
//! The script asks this program at each press of the key, with the line so far in its arguments ([`answer_shell`]).
//! Subcommands, flags and enumerated values come from clap; ids, names and versions come from the server
//! ([`candidates`]); file names are offered only where a file is meant ([`clap::ValueHint`]).

pub mod candidates;

use std::env;

use clap::{Args, ValueEnum};
use clap_complete::CompleteEnv;
use clap_complete::env::Shells;
use serde_json::json;

use crate::terminal::failure::{Exit, Failure};
use crate::terminal::output::Output;

/// The environment variable by which a shell's script asks for completions.
const VARIABLE: &str = "HEADWATER_COMPLETE";
/// The name that the program is called by.
const PROGRAM: &str = "headwater";

const EXAMPLES: &str = "\
Examples:
  headwater completions bash > /etc/bash_completion.d/headwater
  headwater completions zsh > ~/.zfunc/_headwater
  headwater completions fish > ~/.config/fish/completions/headwater.fish

The script calls `headwater` for each completion. Ids, domains, names and versions come from the server that the
line, HEADWATER_SERVER, HEADWATER_DATA or `headwater login` names; a server that does not answer within a second
completes nothing.";

/// Print a completion script for a shell
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct CompletionsArguments {
    /// The shell
    shell: Shell,
}

/// A shell that completions exist for.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Shell {
    Bash,
    Elvish,
    Fish,
    Powershell,
    Zsh,
}

impl Shell {
    fn name(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Elvish => "elvish",
            Self::Fish => "fish",
            Self::Powershell => "powershell",
            Self::Zsh => "zsh",
        }
    }
}

/// Answers a shell that asks for completions, and ends the process; does nothing in every other run.
pub fn answer_shell(command: fn() -> clap::Command) {
    if env::var_os(VARIABLE).is_some() {
        CompleteEnv::with_factory(command).var(VARIABLE).complete();
    }
}

/// Prints the script.
pub fn run(arguments: &CompletionsArguments, output: Output) -> Result<Exit, Failure> {
    let shell = arguments.shell.name();
    let completer = Shells::builtins();
    let completer = completer.completer(shell).expect("every shell listed here is a built-in one");
    let mut script = Vec::new();
    completer
        .write_registration(VARIABLE, PROGRAM, PROGRAM, PROGRAM, &mut script)
        .map_err(|error| Failure::failed(format!("cannot write the script for {shell}: {error}")))?;
    if output.is_json() {
        let script = String::from_utf8_lossy(&script).into_owned();
        output.result(&json!({"shell": shell, "script": script}), |_| String::new());
        return Ok(Exit::Done);
    }
    output.raw(&script);
    Ok(Exit::Done)
}
