//! `headwater sources`: the source list, edited in a draft and published by `save` (S2, S6–S10).
//!
//! Whatever edits or shows the list works on the draft; one that nobody has edited equals what is saved.
//! The server decides and refuses; here its answers are shown.

pub mod csv;
pub mod edit;
pub mod file;
pub mod show;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use headwater_api::v1::{
    DiffAnswer, Draft, DraftsAnswer, Explained, HistoryAnswer, Preview, RestoreRequest, SaveRequest, Saved,
    SavedPolicy,
};
use reqwest::Method;
use serde_json::json;

use crate::console::{Console, ServerLocation, segment};
use crate::failure::{Exit, Failure};
use crate::output::Output;

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

Edits gather in a draft; no client sees any of it before `headwater sources save`.";

/// Show, edit, preview and publish the source list
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct SourcesArguments {
    #[command(subcommand)]
    command: Command,
    /// The draft to work on
    #[arg(long, global = true, default_value = "default", value_name = "NAME")]
    draft: String,
    #[command(flatten)]
    server: ServerLocation,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the entries, in order
    List {
        /// The published list, not the draft
        #[arg(long)]
        saved: bool,
    },
    /// Add an entry
    Add(edit::AddArguments),
    /// Change an entry: what is not given stays
    Edit(edit::EditArguments),
    /// Remove entries
    Remove {
        /// Their numbers
        #[arg(required = true, value_name = "NUMBER")]
        numbers: Vec<u32>,
    },
    /// Move an entry one step, or to a position
    Move(edit::MoveArguments),
    /// Find the entries that select an address
    Find {
        /// An IPv4 or IPv6 address
        address: String,
    },
    /// Set the mode: the server for everybody, or the source list
    Mode {
        /// standard or customized
        mode: String,
    },
    /// Show or set the options beside the list
    Options(edit::OptionsArguments),
    /// Replace the draft's list by a file's: JSON (with mode and options) or CSV (the entries alone)
    Import {
        /// The file; - reads stdin
        file: PathBuf,
        /// json or csv [default: told from the file's name, or else json]
        #[arg(long)]
        format: Option<file::Format>,
    },
    /// Write the list as JSON or CSV
    Export {
        /// Where to [default: stdout]
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// json or csv [default: told from the file's name, or else json]
        #[arg(long)]
        format: Option<file::Format>,
        /// The published list, not the draft
        #[arg(long)]
        saved: bool,
    },
    /// Show what saving would do: changes, errors, warnings
    Preview,
    /// Publish the draft as one new signed version
    Save {
        /// Why, for the history
        #[arg(long)]
        comment: Option<String>,
        /// Save over this version though the draft began from an older one: you have seen what changed
        #[arg(long, value_name = "VERSION")]
        over_version: Option<u64>,
    },
    /// Throw the draft away
    Discard,
    /// List the drafts
    Drafts,
    /// List the saved versions, newest first
    History {
        /// At most so many
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
    },
    /// Show what changed: from the published version to the draft, or between two saved versions
    Diff {
        /// A saved version [default: the published one]
        from: Option<u64>,
        /// A saved version [default: the draft]
        to: Option<u64>,
    },
    /// Publish an earlier version's mode, options and entries as a new version
    Restore {
        /// The version
        version: u64,
        /// Why, for the history
        #[arg(long)]
        comment: Option<String>,
    },
    /// Explain a client's plans: which sources, why, and every entry passed over
    Explain {
        #[command(flatten)]
        whom: Whom,
        /// With the published list, not the draft
        #[arg(long)]
        saved: bool,
    },
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Whom {
    /// A known client's id
    #[arg(long, value_name = "ID")]
    client: Option<String>,
    /// Addresses of a client that need not exist; repeat for several
    #[arg(long = "address", value_name = "IP")]
    addresses: Vec<String>,
}

/// One draft at one server.
#[derive(Debug)]
pub struct Desk {
    /// The server.
    pub console: Console,
    /// Path of the draft.
    pub path: String,
    name: String,
    /// Where answers go.
    pub output: Output,
}

/// Runs one of the commands.
pub async fn run(arguments: SourcesArguments, output: Output) -> Result<Exit, Failure> {
    let desk = Desk {
        console: Console::new(&arguments.server)?,
        path: format!("/api/v1/drafts/{}", segment(&arguments.draft)),
        name: arguments.draft,
        output,
    };
    match arguments.command {
        Command::List { saved: true } => output.result(&desk.saved().await?, show::saved),
        Command::List { saved: false } => output.result(&desk.draft().await?, show::draft),
        Command::Add(arguments) => edit::add(&desk, arguments).await?,
        Command::Edit(arguments) => edit::edit(&desk, arguments).await?,
        Command::Remove { numbers } => edit::remove(&desk, numbers).await?,
        Command::Move(arguments) => edit::move_entry(&desk, &arguments).await?,
        Command::Find { address } => show::find(&desk.draft().await?, &address, output)?,
        Command::Mode { mode } => edit::set_mode(&desk, mode).await?,
        Command::Options(arguments) => edit::options(&desk, &arguments).await?,
        Command::Import { file, format } => file::import(&desk, &file, format).await?,
        Command::Export { out, format, saved } => {
            let policy = if saved { desk.saved().await?.policy } else { desk.draft().await?.policy };
            file::export(&policy, out.as_deref(), format, output)?;
        }
        Command::Preview => return desk.preview().await,
        Command::Save { comment, over_version } => desk.save(SaveRequest { comment, over_version }).await?,
        Command::Discard => {
            let (): () = desk.console.ask(Method::DELETE, &desk.path).await?;
            output.result(&json!({"discarded": desk.name}), |_| format!("discarded draft {}", desk.name));
        }
        Command::Drafts => {
            let drafts: DraftsAnswer = desk.console.get("/api/v1/drafts").await?;
            output.result(&drafts, show::drafts);
        }
        Command::History { limit } => {
            let history: HistoryAnswer =
                desk.console.get(&format!("/api/v1/sources/history?limit={limit}")).await?;
            output.result(&history, show::history);
        }
        Command::Diff { from, to } => desk.diff(from, to).await?,
        Command::Restore { version, comment } => desk.restore(version, comment).await?,
        Command::Explain { whom, saved } => desk.explain(&whom, saved).await?,
    }
    Ok(Exit::Done)
}

impl Desk {
    /// The draft as it is now.
    pub async fn draft(&self) -> Result<Draft, Failure> {
        self.console.get(&self.path).await
    }

    async fn saved(&self) -> Result<SavedPolicy, Failure> {
        self.console.get("/api/v1/sources").await
    }

    /// Says what to do after an edit.
    pub fn next_after_edit(&self) {
        if !self.output.is_json() {
            let draft = self.in_words();
            self.output.note(&format!("next: `headwater sources preview{draft}` shows what would change, `headwater sources save{draft}` publishes it"));
        }
    }

    /// How the commands name the draft: nothing for the default one.
    fn in_words(&self) -> String {
        if self.name == "default" { String::new() } else { format!(" --draft {}", self.name) }
    }

    async fn preview(&self) -> Result<Exit, Failure> {
        let preview: Preview = self.console.ask(Method::POST, &format!("{}/preview", self.path)).await?;
        self.output.result(&preview, |preview| show::preview(preview, &self.in_words()));
        Ok(if preview.errors.is_empty() { Exit::Done } else { Exit::BadInput })
    }

    async fn save(&self, request: SaveRequest) -> Result<(), Failure> {
        let saved: Saved = self.console.call(Method::POST, &format!("{}/save", self.path), &request).await?;
        self.output.result(&saved, show::published);
        Ok(())
    }

    async fn diff(&self, from: Option<u64>, to: Option<u64>) -> Result<(), Failure> {
        let from = match from {
            Some(version) => version,
            None => self.saved().await?.version,
        };
        let other =
            to.map_or_else(|| format!("draft={}", segment(&self.name)), |version| format!("to={version}"));
        let answer: DiffAnswer =
            self.console.get(&format!("/api/v1/sources/diff?from={from}&{other}")).await?;
        self.output.result(&answer, |answer| show::changes(&answer.changes));
        Ok(())
    }

    async fn restore(&self, version: u64, comment: Option<String>) -> Result<(), Failure> {
        let expected_version = self.saved().await?.version;
        let request = RestoreRequest { version, expected_version, comment };
        let saved: Saved = self.console.call(Method::POST, "/api/v1/sources/restore", &request).await?;
        self.output.result(&saved, show::published);
        Ok(())
    }

    async fn explain(&self, whom: &Whom, saved: bool) -> Result<(), Failure> {
        let whom = match &whom.client {
            Some(id) => format!("client={}", segment(id)),
            None => format!("addresses={}", segment(&whom.addresses.join(","))),
        };
        let draft = if saved { String::new() } else { format!("&draft={}", segment(&self.name)) };
        let explained: Explained = self.console.get(&format!("/api/v1/explain?{whom}{draft}")).await?;
        self.output.result(&explained, show::explained);
        Ok(())
    }
}
