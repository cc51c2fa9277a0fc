//! The command line of an administrator: binary `headwater`.
//!
//! Every command is a noun then a verb. Results go to stdout, as tables or with `--json` as one object;
//! remarks, progress and errors go to stderr. What the server knows is asked of its console listener;
//! `plan`, `repo` and `demo` need no server. Decisions are made in `headwater-policy`, signatures in
//! `headwater-repo`; here they are only asked for and shown.

pub mod administrators;
pub mod audit;
pub mod backup;
pub mod clients;
pub mod completions;
pub mod console;
pub mod credentials;
pub mod deltas;
pub mod demo;
pub mod domains;
pub mod failure;
pub mod keys;
pub mod limits;
pub mod login;
pub mod openapi;
pub mod output;
pub mod pack;
pub mod plan;
pub mod private;
pub mod progress;
pub mod publish;
pub mod releases;
pub mod repository;
pub mod server;
pub mod sources;
pub mod status;
pub mod stop;
pub mod update_agents;
pub mod vendor;

use std::env;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::failure::{Exit, Failure};
use crate::output::Output;

const EXAMPLES: &str = "\
Examples:
  headwater demo                                    a whole fleet on this machine, in one minute
  headwater server --data /var/lib/headwater        start the server
  headwater publish ./rules --name rules            publish a folder as the next release
  headwater sources add --ipv4 10.1.0.0-10.1.255.255 --update-agent ua-paris
  headwater sources save                            publish the edited source list
  headwater clients list

Exit codes: 0 done, 1 failed, 2 bad input, 3 partly done, 4 disk or permission.
`headwater COMMAND --help` shows examples of each command.";

/// Updates for every endpoint, from the right source.
#[derive(Debug, Parser)]
#[command(name = "headwater", version, about, after_help = EXAMPLES, max_term_width = 100)]
pub struct Arguments {
    /// Print one JSON object on stdout and nothing else there
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Server(server::ServerArguments),
    Status(status::StatusArguments),
    Publish(publish::PublishArguments),
    Releases(releases::ReleasesArguments),
    Deltas(deltas::DeltasArguments),
    Sources(sources::SourcesArguments),
    Clients(clients::ClientsArguments),
    Domains(domains::DomainsArguments),
    UpdateAgents(update_agents::UpdateAgentsArguments),
    Vendor(vendor::VendorArguments),
    Keys(keys::KeysArguments),
    Backup(backup::BackupArguments),
    Restore(backup::RestoreArguments),
    Administrators(administrators::AdministratorsArguments),
    Tokens(administrators::TokensArguments),
    Audit(audit::AuditArguments),
    Login(login::LoginArguments),
    Logout(login::LogoutArguments),
    Repo(repository::RepoArguments),
    Plan(plan::PlanArguments),
    Demo(demo::DemoArguments),
    Openapi(openapi::OpenapiArguments),
    Completions(completions::CompletionsArguments),
}

/// Reads the arguments, runs the command, says how it ended.
pub fn main() -> ExitCode {
    let read = command().try_get_matches().and_then(|matches| Arguments::from_arg_matches(&matches));
    let arguments = match read {
        Ok(arguments) => arguments,
        Err(error) => return misused(&error),
    };
    let no_color = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
        || env::var_os("TERM").is_some_and(|term| term == "dumb");
    let output = Output::new(arguments.json, no_color);
    let ended = run(arguments.command, output).and_then(|exit| output.lost().map_or(Ok(exit), Err));
    ExitCode::from(exit_code(output, ended))
}

fn exit_code(output: Output, ended: Result<Exit, Failure>) -> u8 {
    let exit = ended.unwrap_or_else(|failure| {
        output.failure(&failure);
        failure.exit
    });
    exit as u8
}

/// Help and version as asked for; or what is wrong with the arguments, with `--json` as an object on stdout too.
fn misused(error: &clap::Error) -> ExitCode {
    let output = Output::new(false, true);
    if !error.use_stderr() {
        output::keep(error.print());
        return ExitCode::from(exit_code(output, output.lost().map_or(Ok(Exit::Done), Err)));
    }
    // Where stderr is shut there is nobody to tell.
    let _ = error.print();
    let json = env::args_os().skip(1).take_while(|word| word != "--").any(|word| word == "--json");
    if json {
        let told = error.to_string();
        let message = told.lines().next().unwrap_or_default().trim_start_matches("error: ");
        output.raw(format!("{}\n", Failure::bad_input(message).to_json()).as_bytes());
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(Exit::BadInput as u8))
}

/// All commands; each below a noun shows those of the noun's examples that are its own.
pub fn command() -> clap::Command {
    with_examples(Arguments::command(), "headwater")
}

fn with_examples(command: clap::Command, path: &str) -> clap::Command {
    let examples = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    command.mut_subcommands(|verb| {
        let path = format!("{path} {}", verb.get_name());
        let own = |line: &&str| {
            line.trim_start().strip_prefix(&path).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
        };
        let lines: Vec<&str> = examples.lines().filter(own).collect();
        let verb = if verb.get_after_help().is_none() && !lines.is_empty() {
            verb.after_help(format!("Examples:\n{}", lines.join("\n")))
        } else {
            verb
        };
        with_examples(verb, &path)
    })
}

fn run(command: Command, output: Output) -> Result<Exit, Failure> {
    // A second installation only fails where one is in place already, which is what is wanted.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = tokio::runtime::Runtime::new()
        .map_err(|error| Failure::failed(format!("cannot start worker threads: {error}")))?;
    runtime.block_on(async {
        match command {
            Command::Server(arguments) => server::run(arguments, output).await,
            Command::Status(arguments) => status::run(arguments, output).await,
            Command::Publish(arguments) => publish::run(arguments, output).await,
            Command::Releases(arguments) => releases::run(arguments, output).await,
            Command::Deltas(arguments) => deltas::run(arguments, output).await,
            Command::Sources(arguments) => sources::run(arguments, output).await,
            Command::Clients(arguments) => clients::run(arguments, output).await,
            Command::Domains(arguments) => domains::run(arguments, output).await,
            Command::UpdateAgents(arguments) => update_agents::run(arguments, output).await,
            Command::Vendor(arguments) => vendor::run(arguments, output).await,
            Command::Keys(arguments) => keys::run(arguments, output).await,
            Command::Backup(arguments) => backup::backup(arguments, output).await,
            Command::Restore(arguments) => backup::restore(arguments, output).await,
            Command::Administrators(arguments) => administrators::run(arguments, output).await,
            Command::Tokens(arguments) => administrators::run_tokens(arguments, output).await,
            Command::Audit(arguments) => audit::run(arguments, output).await,
            Command::Login(arguments) => login::run(arguments, output).await,
            Command::Logout(arguments) => login::run_logout(arguments, output).await,
            Command::Repo(arguments) => repository::run(arguments, output).await,
            Command::Plan(arguments) => plan::run(arguments, output),
            Command::Demo(arguments) => demo::run(arguments, output).await,
            Command::Openapi(arguments) => openapi::run(&arguments, output),
            Command::Completions(arguments) => completions::run(&arguments, output),
        }
    })
}
