//! `headwater deltas`: how far the deltas of what is published are, and pausing the work on them (C1).

use clap::{Args, Subcommand};
use headwater_api::v1::{DeltaBeingMade, DeltasView};
use reqwest::Method;

use crate::console::{Console, ServerLocation};
use crate::failure::{Exit, Failure};
use crate::output::{Output, bytes, counted, table};
use crate::releases::too_large;

const EXAMPLES: &str = "\
Examples:
  headwater deltas status
  headwater deltas pause       until resume or the server's next start; what was made is kept
  headwater deltas resume

A release can be had at once, whole. Deltas join it as the server makes them, with threads of low
priority; the server's deltas_* settings say how many there are and what they may take.";

/// See how far deltas are, pause and resume making them
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
    /// Show the deltas of every current release, and what is being made
    Status,
    /// Stop making deltas
    Pause,
    /// Go on making deltas
    Resume,
}

/// Runs one of the commands.
pub async fn run(arguments: DeltasArguments, output: Output) -> Result<Exit, Failure> {
    let console = Console::new(&arguments.server)?;
    let view: DeltasView = match arguments.command {
        Command::Status => console.get("/api/v1/deltas").await?,
        Command::Pause => console.ask(Method::POST, "/api/v1/deltas/pause").await?,
        Command::Resume => console.ask(Method::POST, "/api/v1/deltas/resume").await?,
    };
    output.result(&view, text);
    Ok(Exit::Done)
}

fn text(view: &DeltasView) -> String {
    let rows = view.items.iter().map(|item| {
        let state = match (item.done, item.missing) {
            (true, _) => "done".to_owned(),
            (false, 0) => "to be looked at".to_owned(),
            (false, missing) => format!("{missing} to be made"),
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
                "\n{} {}: the last try failed, and is repeated: {failure}",
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
        text.push_str("\nmaking deltas is paused; `headwater deltas resume` goes on");
    } else if view.making.is_empty() {
        let open = view.items.iter().filter(|item| !item.done).count();
        text.push_str(&match open {
            0 => "\nnothing is to be made".to_owned(),
            open => format!("\n{} to be looked at; nothing is being made now", counted(open, "component")),
        });
    }
    text
}
