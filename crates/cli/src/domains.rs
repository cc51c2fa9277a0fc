//! `headwater domains`: the tree of domains (D1); [`settings`] holds what is set at one of them.

mod path;
mod settings;

use clap::{Args, Subcommand, ValueHint};
use headwater_api::v1::{DomainRequest, DomainView, DomainsAnswer};
use reqwest::Method;
use serde_json::json;

use self::path::address;
use crate::api_client::{ApiClient, ServerLocation};
use crate::completions::candidates;
use crate::terminal::failure::{Exit, Failure};
use crate::terminal::output::{Output, table};

const EXAMPLES: &str = "\
Examples:
  headwater domains list
  headwater domains add root/paris
  headwater domains settings get root/paris
  headwater domains settings set root/paris poll_interval_minutes=15 download_from_vendor=true
  headwater domains settings set root/paris 'probe_command=[\"./engine\",\"--self-test\"]'
  headwater domains settings set root/paris --unset poll_interval_minutes
  headwater domains settings set root --value scan.heuristics=high --file exclusions.txt=./exclusions.txt
  headwater domains settings set root/paris poll_interval_minutes=15 --save --comment 'faster polling'
  headwater domains settings diff root/paris
  headwater domains settings save root/paris --comment 'Paris polls more often'
  headwater domains settings discard root/paris
  headwater domains settings drafts root/paris
  headwater domains settings history root/paris
  headwater domains settings diff root/paris 3 4
  headwater domains settings restore root/paris 3 --comment 'back to last week'
  headwater domains remove root/paris

Edits collect in a draft. Clients see them after `headwater domains settings save`.";

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
        /// The path of the new domain, such as root/paris
        #[arg(value_hint = ValueHint::Other, add = candidates::domains())]
        path: String,
    },
    /// Remove a domain that has no clients, no sub-domains and no unsaved drafts
    Remove {
        /// The path of the domain
        #[arg(value_hint = ValueHint::Other, add = candidates::domains())]
        path: String,
    },
    Settings(settings::SettingsArguments),
}

/// Runs one of the commands.
pub async fn run(arguments: DomainsArguments, output: Output) -> Result<Exit, Failure> {
    let api = ApiClient::new(&arguments.server)?;
    match arguments.command {
        Command::List => {
            let answer: DomainsAnswer = api.get("/api/v1/domains").await?;
            output.result(&answer, list_text);
        }
        Command::Add { path } => {
            let domain: DomainView =
                api.call(Method::POST, "/api/v1/domains", &DomainRequest { path }).await?;
            output.result(&domain, |domain| format!("added {}", domain.path));
        }
        Command::Remove { path } => {
            let (): () = api.ask(Method::DELETE, &address(&path)).await?;
            output.result(&json!({"removed": path}), |_| format!("removed {path}"));
        }
        Command::Settings(arguments) => settings::run(arguments, api, output).await?,
    }
    Ok(Exit::Done)
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
            settings::draft_names(&domain.drafts),
        ]
    });
    table(
        &["domain", "clients", "set here", "version", "release", "unsaved drafts"],
        rows.collect(),
        "no domains",
    )
}
