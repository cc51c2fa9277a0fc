//! `headwater domains`: the tree (D1). What is set at a domain: `settings`.

mod settings;

use clap::{Args, Subcommand};
use headwater_api::v1::{DomainRequest, DomainView, DomainsAnswer};
use reqwest::Method;
use serde_json::json;

use crate::console::{Console, ServerLocation, segment};
use crate::failure::{Exit, Failure};
use crate::output::{Output, table};

const EXAMPLES: &str = "\
Examples:
  headwater domains list
  headwater domains add root/paris
  headwater domains settings get root/paris
  headwater domains settings set root/paris poll_interval_minutes=15 download_from_vendor=true
  headwater domains settings set root/paris 'probe_command=[\"./engine\",\"--self-test\"]'
  headwater domains settings set root/paris --unset poll_interval_minutes
  headwater domains settings set root --value scan.heuristics=high --file exclusions.txt=./exclusions.txt
  headwater domains settings set root/paris poll_interval_minutes=15 --save --comment 'in a hurry'
  headwater domains settings diff root/paris
  headwater domains settings save root/paris --comment 'Paris polls more often'
  headwater domains settings discard root/paris
  headwater domains settings drafts root/paris
  headwater domains settings history root/paris
  headwater domains settings diff root/paris 3 4
  headwater domains settings restore root/paris 3 --comment 'back to last week'
  headwater domains remove root/paris

Settings gather in a draft; no client sees any of it before `headwater domains settings save`.";

/// List, add and remove domains; edit and publish their settings
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct DomainsArguments {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    server: ServerLocation,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the domains
    List,
    /// Add a domain below one that exists
    Add {
        /// Its path, such as root/paris
        path: String,
    },
    /// Remove a domain that has no clients, no sub-domains and no unsaved drafts
    Remove {
        /// Its path
        path: String,
    },
    Settings(settings::SettingsArguments),
}

/// Runs one of the commands.
pub async fn run(arguments: DomainsArguments, output: Output) -> Result<Exit, Failure> {
    let console = Console::new(&arguments.server)?;
    match arguments.command {
        Command::List => {
            let answer: DomainsAnswer = console.get("/api/v1/domains").await?;
            output.result(&answer, list_text);
        }
        Command::Add { path } => {
            let domain: DomainView =
                console.call(Method::POST, "/api/v1/domains", &DomainRequest { path }).await?;
            output.result(&domain, |domain| format!("added {}", domain.path));
        }
        Command::Remove { path } => {
            let (): () = console.ask(Method::DELETE, &address(&path)).await?;
            output.result(&json!({"removed": path}), |_| format!("removed {path}"));
        }
        Command::Settings(arguments) => settings::run(arguments, console, output).await?,
    }
    Ok(Exit::Done)
}

/// Where the API has a domain.
fn address(path: &str) -> String {
    format!("/api/v1/domains/{}", segment(path))
}

fn list_text(answer: &DomainsAnswer) -> String {
    let rows = answer.items.iter().map(|domain| {
        let set = domain.set.settings.len() + domain.set.values.len() + domain.set.files.len();
        vec![
            domain.path.clone(),
            domain.clients.to_string(),
            set.to_string(),
            domain.saved_version.to_string(),
            domain.effective.version.to_string(),
            domain.drafts.join(" "),
        ]
    });
    table(
        &["domain", "clients", "set here", "version", "release", "unsaved drafts"],
        rows.collect(),
        "no domains",
    )
}
