//! `headwater sources`: the source list, edited in a draft and published by `save` (S2, S6–S10).
//!
//! All commands work on the draft; a draft without edits equals the saved list. The server decides and refuses; these
//! commands show its answers.

pub mod csv;
pub mod draft_client;
pub mod edit;
pub mod file;
pub mod show;

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};
use headwater_api::v1::{DraftsAnswer, HistoryAnswer, RestoreRequest, SaveRequest};
use reqwest::Method;
use serde_json::json;

use self::draft_client::DraftClient;
use crate::api_client::{ApiClient, ServerLocation, segment};
use crate::completions::candidates;
use crate::terminal::failure::{Exit, Failure};
use crate::terminal::output::Output;
use crate::values::mode_words;

const EXAMPLES: &str = "\
Examples:
  headwater sources mode customized
  headwater sources add --ipv4 10.1.0.0-10.1.255.255 --ipv6 2001:db8:1::/48 --update-agent ua-paris
  headwater sources add --ipv4 10.2.0.0-10.2.255.255 --url http://mirror.example/hw --classes components
  headwater sources add --ipv6 2001:db8::/32 --vendor
  headwater sources list
  headwater sources edit 2 --ipv4 10.2.0.0-10.3.255.255
  headwater sources move 3 --up
  headwater sources move 3 --to 1
  headwater sources remove 4 5
  headwater sources find 10.1.3.4
  headwater sources options --server-fallback-programs off --vendor-fallback never
  headwater sources preview
  headwater sources save --comment 'Paris has its own update agent'
  headwater sources discard
  headwater sources drafts
  headwater sources history
  headwater sources diff 3 4
  headwater sources restore 3 --comment 'back to last week'
  headwater sources explain --client pc-17
  headwater sources explain --address 10.1.3.4 --address 2001:db8:1::4
  headwater sources export --format csv --out sources.csv
  headwater sources import sources.csv

Edits collect in a draft. Clients see them after `headwater sources save`.";

/// Show, edit, preview and publish the source list
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct SourcesArguments {
    #[command(subcommand)]
    command: Command,
    /// The draft to work on, by default one of your own
    #[arg(long, global = true, default_value = "default", value_name = "NAME", value_hint = ValueHint::Other, add = candidates::drafts())]
    draft: String,
    /// Work on another administrator's draft: the owner, as `headwater sources drafts` shows it
    #[arg(long, global = true, value_name = "OWNER", value_hint = ValueHint::Other, add = candidates::draft_owners())]
    owner: Option<String>,
    #[command(flatten)]
    server: ServerLocation,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the entries, in order
    List {
        /// Use the published list instead of the draft
        #[arg(long)]
        saved: bool,
    },
    /// Add an entry
    Add(edit::AddArguments),
    /// Change an entry; flags that are not given leave their part as it is
    Edit(edit::EditArguments),
    /// Remove entries
    Remove {
        /// The numbers of the entries
        #[arg(required = true, value_name = "NUMBER", value_hint = ValueHint::Other)]
        numbers: Vec<u32>,
    },
    /// Move an entry one step, or to a position
    Move(edit::MoveArguments),
    /// Find the entries that select an address
    Find {
        /// An IPv4 or IPv6 address
        #[arg(value_hint = ValueHint::Other)]
        address: String,
    },
    /// Set the mode: all clients update from the server, or as the source list says
    Mode {
        /// The mode
        #[arg(value_parser = mode_words())]
        mode: String,
    },
    /// Show or set the options beside the list
    Options(edit::OptionsArguments),
    /// Replace the draft by a file: JSON (with mode and options) or CSV (the entries alone)
    Import {
        /// The file; - reads stdin
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
        /// The format [default: csv if the file name ends in .csv, else json]
        #[arg(long)]
        format: Option<file::Format>,
    },
    /// Write the list as JSON or CSV
    Export {
        /// The file to write [default: stdout]
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        out: Option<PathBuf>,
        /// The format [default: csv if the file name ends in .csv, else json]
        #[arg(long)]
        format: Option<file::Format>,
        /// Use the published list instead of the draft
        #[arg(long)]
        saved: bool,
    },
    /// Show what saving would do: changes, errors, warnings
    Preview,
    /// Publish the draft as one new signed version
    Save {
        /// The reason, for the history
        #[arg(long, value_hint = ValueHint::Other)]
        comment: Option<String>,
        /// Publish over this version although the draft began from an older one: you have reviewed what changed
        #[arg(long, value_name = "VERSION")]
        over_version: Option<u64>,
    },
    /// Discard the draft
    Discard,
    /// List the drafts of all administrators
    Drafts,
    /// List the saved versions, newest first
    History {
        /// How many at most
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
    },
    /// Show what changed: from the published version to the draft, or between two saved versions
    Diff {
        /// A saved version [default: the published one]
        #[arg(value_hint = ValueHint::Other)]
        from: Option<u64>,
        /// A saved version [default: the draft]
        #[arg(value_hint = ValueHint::Other)]
        to: Option<u64>,
    },
    /// Show what restoring an earlier version would do; with --over-version, publish its mode, options and entries as a new
    /// version
    Restore {
        /// The saved version
        #[arg(value_hint = ValueHint::Other)]
        version: u64,
        /// The reason, for the history
        #[arg(long, value_hint = ValueHint::Other)]
        comment: Option<String>,
        /// Publish it over this version, the published one: the preview names it
        #[arg(long, value_name = "VERSION", value_hint = ValueHint::Other)]
        over_version: Option<u64>,
    },
    /// Explain a client's plans: its sources in order with the reasons, and every entry that does not apply
    Explain {
        #[command(flatten)]
        subject: Subject,
        /// Use the published list instead of the draft
        #[arg(long)]
        saved: bool,
    },
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Subject {
    /// The id of a known client
    #[arg(long, value_name = "ID", value_hint = ValueHint::Other, add = candidates::clients())]
    client: Option<String>,
    /// An address of a client that does not have to exist; repeat for several
    #[arg(long = "address", value_name = "IP", value_hint = ValueHint::Other)]
    addresses: Vec<String>,
}

impl Subject {
    /// The query that names it.
    fn query(&self) -> String {
        match &self.client {
            Some(id) => format!("client={}", segment(id)),
            None => format!("addresses={}", segment(&self.addresses.join(","))),
        }
    }
}

/// Runs one of the commands.
pub async fn run(arguments: SourcesArguments, output: Output) -> Result<Exit, Failure> {
    let draft_client = DraftClient {
        api: ApiClient::new(&arguments.server)?,
        name: arguments.draft,
        owner: arguments.owner,
        output,
    };
    match arguments.command {
        Command::List { saved: true } => output.result(&draft_client.saved().await?, show::saved),
        Command::List { saved: false } => output.result(&draft_client.draft().await?, show::draft),
        Command::Add(arguments) => edit::add(&draft_client, arguments).await?,
        Command::Edit(arguments) => edit::edit(&draft_client, arguments).await?,
        Command::Remove { numbers } => edit::remove(&draft_client, numbers).await?,
        Command::Move(arguments) => edit::move_entry(&draft_client, &arguments).await?,
        Command::Find { address } => show::find(&draft_client.draft().await?, &address, output)?,
        Command::Mode { mode } => edit::set_mode(&draft_client, mode).await?,
        Command::Options(arguments) => edit::options(&draft_client, &arguments).await?,
        Command::Import { file, format } => file::import(&draft_client, &file, format).await?,
        Command::Export { out, format, saved } => {
            let policy =
                if saved { draft_client.saved().await?.policy } else { draft_client.draft().await?.policy };
            file::export(&policy, out.as_deref(), format, output)?;
        }
        Command::Preview => return draft_client.preview().await,
        Command::Save { comment, over_version } => {
            draft_client.save(SaveRequest { comment, over_version }).await?
        }
        Command::Discard => {
            let (): () = draft_client.api.ask(Method::DELETE, &draft_client.address("")).await?;
            output.result(&json!({"discarded": draft_client.name}), |_| {
                format!("discarded draft {}", draft_client.name)
            });
        }
        Command::Drafts | Command::Restore { .. } if draft_client.owner.is_some() => {
            return Err(Failure::bad_input("--owner: this command works on no draft; leave the option out"));
        }
        Command::Drafts => {
            let drafts: DraftsAnswer = draft_client.api.get("/api/v1/drafts").await?;
            output.result(&drafts, show::drafts);
        }
        Command::History { limit } => {
            let history: HistoryAnswer =
                draft_client.api.get(&format!("/api/v1/sources/history?limit={limit}")).await?;
            output.result(&history, show::history);
        }
        Command::Diff { from, to } => draft_client.diff(from, to).await?,
        Command::Restore { version, over_version: None, .. } => {
            return draft_client.preview_restored(version).await;
        }
        Command::Restore { version, comment, over_version: Some(expected_version) } => {
            draft_client.restore(RestoreRequest { version, expected_version, comment }).await?;
        }
        Command::Explain { subject, saved } => draft_client.explain(&subject.query(), saved).await?,
    }
    Ok(Exit::Done)
}
