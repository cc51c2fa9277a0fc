//! `headwater deltas`: the state of the deltas to current releases, and pausing the work on them (C1).

use clap::{Args, Subcommand};
use headwater_api::v1::{DeltaBeingMade, DeltasView};
use reqwest::Method;

use crate::api_client::{ApiClient, ServerLocation};
use crate::releases::too_large;
use crate::terminal::failure::{Exit, Failure};
use crate::terminal::output::{Output, bytes, counted, table};

const EXAMPLES: &str = "\
Examples:
  headwater deltas status
  headwater deltas pause       until `resume` or the next start of the server; finished deltas stay
  headwater deltas resume

Clients can fetch a release whole as soon as it is published. The server adds deltas as it makes them, in threads of low
priority; its deltas_* settings limit their number and resources.";

/// Show the state of deltas, pause and resume making them
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct DeltasArguments {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    server: ServerLocation,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the deltas to every current release, and those in progress
    Status,
    /// Stop making deltas
    Pause,
    /// Resume making deltas
    Resume,
}

/// Runs one of the commands.
pub async fn run(arguments: DeltasArguments, output: Output) -> Result<Exit, Failure> {
    let api = ApiClient::new(&arguments.server)?;
    let view: DeltasView = match arguments.command {
        Command::Status => api.get("/api/v1/deltas").await?,
        Command::Pause => api.ask(Method::POST, "/api/v1/deltas/pause").await?,
        Command::Resume => api.ask(Method::POST, "/api/v1/deltas/resume").await?,
    };
    output.result(&view, text);
    Ok(Exit::Done)
}

fn text(view: &DeltasView) -> String {
    let rows = view.items.iter().map(|item| {
        let state = match (item.done, item.missing) {
            (true, _) => "done".to_owned(),
            (false, 0) => "to be examined".to_owned(),
            (false, missing) => format!("{missing} to make"),
        };
        vec![
            item.class.clone(),
            item.name.clone(),
            item.version.clone(),
            item.deltas.to_string(),
            bytes(item.delta_bytes),
            bytes(item.body_bytes),
            state,
        ]
    });
    let mut text = table(
        &["class", "name", "version", "deltas", "size", "full size", "state"],
        rows.collect(),
        "nothing is published yet\nnext: `headwater publish DIR --name NAME`",
    );
    for item in &view.items {
        if let Some(failure) = &item.failure {
            text.push_str(&format!(
                "\n{} {}: the last attempt failed and will be repeated: {failure}",
                item.class, item.name
            ));
        }
        text.push_str(&too_large(&item.too_large));
    }
    for making in &view.making {
        let percent = making.permille / 10;
        let DeltaBeingMade { class, name, path, .. } = making;
        text.push_str(&format!("\nmaking a delta to {class}/{name}: {path}: {percent} %"));
    }
    if view.paused {
        text.push_str("\nmaking deltas is paused; `headwater deltas resume` resumes it");
    } else if view.making.is_empty() {
        let open = view.items.iter().filter(|item| !item.done).count();
        text.push_str(&match open {
            0 => "\nthere is nothing to make".to_owned(),
            open => format!("\n{} to examine; nothing is in progress", counted(open, "component")),
        });
    }
    text
}
