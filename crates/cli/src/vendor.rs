//! `headwater vendor`: the public origin of components (C2).

use std::path::PathBuf;

use clap::{Args, Subcommand};
use headwater_api::v1::{SyncProgress, SyncResult, VendorRequest, VendorView};
use reqwest::Method;
use serde_json::json;

use crate::console::{Console, ServerLocation};
use crate::failure::{Exit, Failure};
use crate::limits::SYNC_LOOK_AGAIN;
use crate::output::{Output, bytes, table, time};
use crate::sources::file::read_json;

const EXAMPLES: &str = "\
Examples:
  headwater vendor set --url https://updates.example/headwater --root vendor-root.json --every 60
  headwater vendor sync
  headwater vendor show
  headwater vendor remove";

/// Show, set, sync and remove the vendor source
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct VendorArguments {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    server: ServerLocation,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the vendor source and its last sync
    Show,
    /// Set the vendor source
    Set {
        /// Its base URL, http or https
        #[arg(long)]
        url: String,
        /// Its root metadata, got from the vendor by a way that you trust [default: as before]
        #[arg(long, value_name = "FILE")]
        root: Option<PathBuf>,
        /// Minutes between syncs; 0: only on demand [default: as before, or 60]
        #[arg(long, value_name = "MINUTES")]
        every: Option<u32>,
    },
    /// Take what is new from the vendor source now, and wait for it
    Sync,
    /// Remove the vendor source; what was taken from it stays
    Remove,
}

/// Runs one of the commands.
pub async fn run(arguments: VendorArguments, output: Output) -> Result<Exit, Failure> {
    let console = Console::new(&arguments.server)?;
    match arguments.command {
        Command::Show => {
            let vendor: VendorView = console.get("/api/v1/vendor").await?;
            output.result(&vendor, vendor_text);
        }
        Command::Set { url, root, every } => {
            let root = root.map(|path| read_json(&path)).transpose()?;
            let request = VendorRequest { url, root, schedule_minutes: every };
            let vendor: VendorView = console.call(Method::PUT, "/api/v1/vendor", &request).await?;
            output.result(&vendor, vendor_text);
            if !output.is_json() {
                output.note("next: `headwater vendor sync` takes what it has");
            }
        }
        Command::Sync => {
            let result = sync(&console, output).await?;
            output.result(&result, sync_text);
            return Ok(match (&result.error, result.skipped.is_empty()) {
                (Some(_), _) => Exit::Failed,
                (None, false) => Exit::Partly,
                (None, true) => Exit::Done,
            });
        }
        Command::Remove => {
            let (): () = console.ask(Method::DELETE, "/api/v1/vendor").await?;
            output.result(&json!({"removed": "vendor"}), |_| "removed the vendor source".to_owned());
        }
    }
    Ok(Exit::Done)
}

/// Has the server take what is new; meanwhile a person at a terminal sees how far it is.
async fn sync(console: &Console, output: Output) -> Result<SyncResult, Failure> {
    let result = console.ask(Method::POST, "/api/v1/vendor/sync");
    if !output.shows_progress() {
        return result.await;
    }
    let bar = output.progress("vendor source", 0);
    let watching = async {
        loop {
            tokio::time::sleep(SYNC_LOOK_AGAIN).await;
            // A look that fails is no news: the sync itself says what became of it.
            let view: Result<VendorView, Failure> = console.get("/api/v1/vendor").await;
            if let Some(progress) = view.ok().and_then(|view| view.syncing) {
                bar.show(&sync_step(&progress), progress.bytes_done, progress.bytes_total);
            }
        }
    };
    let result = tokio::select! {
        result = result => result,
        never = watching => never,
    };
    bar.finish();
    result
}

/// What the bar of a sync says: `rules (2 of 5)`.
fn sync_step(progress: &SyncProgress) -> String {
    if progress.number == 0 {
        return "vendor source".to_owned();
    }
    format!("{} ({} of {})", progress.component, progress.number, progress.components)
}

fn vendor_text(vendor: &VendorView) -> String {
    let schedule = match vendor.schedule_minutes {
        0 => "on demand only".to_owned(),
        minutes => format!("every {minutes} minutes"),
    };
    let last = vendor.last_sync.as_ref().map_or_else(|| "not synced yet".to_owned(), sync_text);
    let running = vendor.syncing.as_ref().map_or_else(String::new, |progress| {
        let (done, total) = (bytes(progress.bytes_done), bytes(progress.bytes_total));
        format!("\nsyncing now   {}, {done} of {total}", sync_step(progress))
    });
    format!(
        "vendor source {}\nroot version  {}\nsynced        {schedule}{running}\n{last}",
        vendor.url, vendor.root_version
    )
}

fn sync_text(result: &SyncResult) -> String {
    let mut text = format!(
        "sync at {}: {} new releases, {} in {} ms",
        time(result.started),
        result.releases.len(),
        bytes(result.bytes),
        result.duration_ms
    );
    if !result.releases.is_empty() {
        let rows = result
            .releases
            .iter()
            .map(|release| vec![release.name.clone(), release.sequence.to_string(), release.version.clone()]);
        text.push_str(&format!("\n{}", table(&["name", "release", "version"], rows.collect(), "")));
    }
    for skipped in &result.skipped {
        text.push_str(&format!("\nleft out: {skipped}"));
    }
    if let Some(error) = &result.error {
        text.push_str(&format!("\nfailed: {error}"));
    }
    text
}
