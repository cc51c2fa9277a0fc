//! `headwater vendor`: the vendor source, from which the server takes components (C2).

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};
use headwater_api::v1::{SyncProgress, SyncResult, SyncedRelease, VendorRequest, VendorView};
use headwater_policy::Class;
use jiff::Timestamp;
use reqwest::Method;
use serde_json::json;

use crate::api_client::{ApiClient, ServerLocation};
use crate::limits::SYNC_POLL_INTERVAL;
use crate::repository_look::look;
use crate::terminal::failure::{Exit, Failure};
use crate::terminal::input::read_json;
use crate::terminal::output::{Output, bytes, counted, table, time};

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
        #[arg(long, value_hint = ValueHint::Url)]
        url: String,
        /// Its root metadata, obtained from the vendor over a channel that you trust [default: as before]
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        root: Option<PathBuf>,
        /// Minutes between syncs; 0 syncs only on demand [default: as before, or 60]
        #[arg(long, value_name = "MINUTES", value_hint = ValueHint::Other)]
        every: Option<u32>,
        /// Do not look from this machine whether a repository is at the URL
        #[arg(long)]
        no_check: bool,
    },
    /// Take new releases from the vendor source now, and wait until that is done
    Sync,
    /// Remove the vendor source; releases that were taken from it stay
    Remove,
}

/// Runs one of the commands.
pub async fn run(arguments: VendorArguments, output: Output) -> Result<Exit, Failure> {
    let api = ApiClient::new(&arguments.server)?;
    match arguments.command {
        Command::Show => {
            let vendor: VendorView = api.get("/api/v1/vendor").await?;
            output.result(&vendor, vendor_text);
        }
        Command::Set { url, root, every, no_check } => {
            let root = root.map(|path| read_json(&path)).transpose()?;
            let request = VendorRequest { url, root, schedule_minutes: every };
            let vendor: VendorView = api.call(Method::PUT, "/api/v1/vendor", &request).await?;
            output.result(&vendor, vendor_text);
            if !no_check {
                #[expect(
                    clippy::disallowed_methods,
                    reason = "what has expired is reported at the moment of the command"
                )]
                let (found, warnings) = look(&vendor.url, &[Class::Components], None, Timestamp::now()).await;
                output.looked(&found, &warnings);
            }
            if !output.is_json() {
                output.note("next: `headwater vendor sync` takes its releases");
            }
        }
        Command::Sync => {
            let result = sync(&api, output).await?;
            output.result(&result, sync_text);
            return Ok(match (&result.error, result.skipped.is_empty()) {
                (Some(_), _) => Exit::Failed,
                (None, false) => Exit::Partly,
                (None, true) => Exit::Done,
            });
        }
        Command::Remove => {
            let (): () = api.ask(Method::DELETE, "/api/v1/vendor").await?;
            output.result(&json!({"removed": "vendor"}), |_| "removed the vendor source".to_owned());
        }
    }
    Ok(Exit::Done)
}

/// Starts a sync and waits for it; a terminal shows its progress.
async fn sync(api: &ApiClient, output: Output) -> Result<SyncResult, Failure> {
    let result = api.ask(Method::POST, "/api/v1/vendor/sync");
    if !output.shows_progress() {
        return result.await;
    }
    let bar = output.progress("vendor source", 0);
    let watching = async {
        loop {
            tokio::time::sleep(SYNC_POLL_INTERVAL).await;
            // A failed look does not matter: the sync itself reports its outcome.
            let view: Result<VendorView, Failure> = api.get("/api/v1/vendor").await;
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

/// The label of a sync's progress bar: `rules (2 of 5)`.
fn sync_step(progress: &SyncProgress) -> String {
    if progress.number == 0 {
        return "vendor source".to_owned();
    }
    format!("{} ({} of {})", progress.component, progress.number, progress.components)
}

fn vendor_text(vendor: &VendorView) -> String {
    let schedule = match vendor.schedule_minutes {
        0 => "on demand only".to_owned(),
        minutes => format!("every {}", counted(minutes as usize, "minute")),
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

/// How many new releases a sync brought.
fn new_releases(count: usize) -> String {
    if count == 0 { "no new releases".to_owned() } else { counted(count, "new release") }
}

fn sync_text(result: &SyncResult) -> String {
    let mut text = format!(
        "sync at {}: {}, {} in {} ms",
        time(result.started),
        new_releases(result.releases.len()),
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
    for SyncedRelease { name, sequence, version } in &result.rolled_back {
        text.push_str(&format!("\nwent back: {name} to release {sequence}, {version}"));
    }
    for skipped in &result.skipped {
        text.push_str(&format!("\nskipped: {skipped}"));
    }
    for rejected in &result.rejected {
        text.push_str(&format!("\nrejected: {rejected}"));
    }
    if let Some(error) = &result.error {
        text.push_str(&format!("\nfailed: {error}"));
    }
    text
}
