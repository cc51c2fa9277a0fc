//! `headwater-client`: arguments, log, command, exit code.

mod commands;
mod completions;
mod output;
mod progress_bar;

use std::io::{ErrorKind, IsTerminal as _};
use std::process::ExitCode;

use clap::Parser as _;
use headwater_client::arguments::Arguments;

use crate::output::StdoutError;

fn main() -> ExitCode {
    completions::answer_shell();
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return usage(&error),
    };
    let json = arguments.command.common().is_some_and(|common| common.json);
    start_log(json);
    match commands::run(arguments.command) {
        Ok(exit) => ExitCode::from(exit),
        Err(error) => ExitCode::from(output::fail(&error, json)),
    }
}

fn start_log(json: bool) {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
    let coloured = !json && std::io::stderr().is_terminal();
    let log =
        tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(coloured).with_env_filter(filter);
    if json { log.json().init() } else { log.init() }
}

/// Prints the requested help or version, or what is wrong with the arguments. With `--json`, the latter is also the one
/// object on stdout.
fn usage(usage: &clap::Error) -> ExitCode {
    if let Err(error) = usage.print()
        && !usage.use_stderr()
        && error.kind() != ErrorKind::BrokenPipe
    {
        return ExitCode::from(output::fail(&StdoutError(error).into(), false));
    }
    let json = std::env::args_os().skip(1).take_while(|word| word != "--").any(|word| word == "--json");
    if usage.use_stderr() && json {
        let _ = output::print_failure(&usage.render().to_string(), 2);
    }
    if usage.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS }
}
