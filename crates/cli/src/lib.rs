//! The command line of an administrator: binary `headwater`.
//!
//! Every command is a noun and then a verb. Results go to stdout, as tables or with `--json` as one object; remarks,
//! progress and errors go to stderr. Most commands ask the server over its console listener or its local socket; `plan`,
//! `repo` and `demo` need no running server. Decisions are made in `headwater-policy` and signatures in `headwater-repo`.

pub mod access;
pub mod api_client;
pub mod clients;
mod command;
pub mod completions;
pub mod demo;
pub mod domains;
pub mod keys;
pub mod limits;
pub mod plan;
pub mod reference;
pub mod releases;
pub mod repository;
mod repository_look;
pub mod server;
pub mod sources;
pub mod terminal;
pub mod update_agents;
pub mod values;
pub mod vendor;

use std::env;
use std::process::ExitCode;

use clap::FromArgMatches as _;

use crate::command::Arguments;
pub use crate::command::command;
use crate::terminal::failure::{Exit, Failure};
use crate::terminal::output::Output;

/// Reads the arguments, runs the command, and returns its exit code.
pub fn main() -> ExitCode {
    completions::answer_shell(command);
    let read = command().try_get_matches().and_then(|matches| Arguments::from_arg_matches(&matches));
    let arguments = match read {
        Ok(arguments) => arguments,
        Err(error) => return misused(&error),
    };
    let no_color = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
        || env::var_os("TERM").is_some_and(|term| term == "dumb");
    let output = Output::new(arguments.json, no_color);
    let ended = command::run(arguments.command, output).and_then(|exit| output.lost().map_or(Ok(exit), Err));
    ExitCode::from(exit_code(output, ended))
}

fn exit_code(output: Output, ended: Result<Exit, Failure>) -> u8 {
    let exit = ended.unwrap_or_else(|failure| {
        output.failure(&failure);
        failure.exit
    });
    exit as u8
}

/// Prints help or the version, or what is wrong with the arguments; with `--json` also as one object on stdout.
fn misused(error: &clap::Error) -> ExitCode {
    let output = Output::new(false, true);
    if !error.use_stderr() {
        terminal::output::keep(error.print());
        return ExitCode::from(exit_code(output, output.lost().map_or(Ok(Exit::Done), Err)));
    }
    // If stderr is closed, there is nowhere to report to.
    let _ = error.print();
    let json = env::args_os().skip(1).take_while(|word| word != "--").any(|word| word == "--json");
    if json {
        let text = error.to_string();
        let message = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
        output.raw(format!("{}\n", Failure::bad_input(message).to_json()).as_bytes());
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(Exit::BadInput as u8))
}
