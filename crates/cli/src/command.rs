//! The commands: arguments, examples, and which module runs what.

use clap::{CommandFactory, Parser, Subcommand};

use crate::access::{administrators, audit, login};
use crate::api_client::install_tls_provider;
use crate::releases::{deltas, publish};
use crate::server::{adopt, backup, openapi, restore, status};
use crate::terminal::failure::{Exit, Failure};
use crate::terminal::output::Output;
use crate::{
    clients, completions, demo, domains, keys, plan, reference, releases, repository, server, sources,
};
use crate::{update_agents, vendor};

const EXAMPLES: &str = "\
Examples:
  headwater demo                                    a whole fleet on this machine, for a minute
  headwater server --data /var/lib/headwater        start the server
  headwater publish ./rules --name rules            publish a folder as the next release
  headwater sources add --ipv4 10.1.0.0-10.1.255.255 --update-agent ua-paris
  headwater sources save                            publish the edited source list
  headwater clients list

Exit codes: 0 done, 1 failed, 2 bad input, 3 partly done, 4 disk or permission.
`headwater COMMAND --help` shows examples of each command.";

/// Signed updates for every endpoint, from the right source.
#[derive(Debug, Parser)]
#[command(name = "headwater", version, about, after_help = EXAMPLES, max_term_width = 100)]
pub struct Arguments {
    /// Print one JSON object on stdout and nothing else there
    #[arg(long, global = true)]
    pub json: bool,
    #[command(subcommand)]
    /// The command.
    pub command: Command,
}

/// All commands.
#[derive(Debug, Subcommand)]
pub enum Command {
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
    Restore(restore::RestoreArguments),
    Adopt(adopt::AdoptArguments),
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
    Reference(reference::ReferenceArguments),
}

/// The command line. A verb shows those examples of its noun that use it.
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

/// Runs a command to its end.
pub fn run(command: Command, output: Output) -> Result<Exit, Failure> {
    install_tls_provider();
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
            Command::Restore(arguments) => restore::restore(arguments, output).await,
            Command::Adopt(arguments) => adopt::run(arguments, output).await,
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
            Command::Reference(arguments) => reference::run(&arguments, self::command(), output),
        }
    })
}
