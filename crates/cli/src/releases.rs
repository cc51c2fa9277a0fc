//! `headwater releases`: what is published, the way back (C5), and the hint.

use clap::{Args, Subcommand};
use headwater_api::v1::{
    ComponentAnswer, ComponentView, DeltaView, DeltasStanding, ListedComponent, ReleasesAnswer,
    RollbackRequest,
};
use reqwest::Method;
use serde_json::json;

use crate::console::{Console, ServerLocation, segment};
use crate::failure::{Exit, Failure};
use crate::output::{Output, bytes, table, time};

const EXAMPLES: &str = "\
Examples:
  headwater releases list
  headwater releases show rules
  headwater releases rollback rules --to 2026.11.21
  headwater releases rollback scanner --program --to 7
  headwater releases remove rules";

/// List, show, roll back and remove releases
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ReleasesArguments {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    server: ServerLocation,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List components and programs with their current releases, and how far the deltas to these are
    List,
    /// Show every kept release of one component or program, and the deltas to the current one
    Show(Which),
    /// Go back to an earlier release: every later one is withdrawn, and clients go back to it
    Rollback {
        #[command(flatten)]
        which: Which,
        /// The release to go back to: its number or its version
        #[arg(long, value_name = "RELEASE")]
        to: String,
    },
    /// Take a component or program out of what is published, where there is no earlier release to go back to: clients keep
    /// what they have installed and take no more of it, until a release is published under that name again
    Remove(Which),
}

#[derive(Debug, Args)]
struct Which {
    /// The component or program
    name: String,
    /// It is a program (class programs), not a component
    #[arg(long)]
    program: bool,
}

impl Which {
    fn path(&self) -> String {
        let class = if self.program { "programs" } else { "components" };
        format!("/api/v1/releases/{class}/{}", segment(&self.name))
    }
}

/// Runs one of the commands.
pub async fn run(arguments: ReleasesArguments, output: Output) -> Result<Exit, Failure> {
    let console = Console::new(&arguments.server)?;
    match arguments.command {
        Command::List => {
            let answer: ReleasesAnswer = console.get("/api/v1/releases").await?;
            output.result(&answer, list_text);
        }
        Command::Show(which) => {
            let answer: ComponentAnswer = console.get(&which.path()).await?;
            output.result(&answer, answer_text);
        }
        Command::Rollback { which, to } => {
            let answer: ComponentAnswer = console.get(&which.path()).await?;
            let request = RollbackRequest { to: find(&answer.component, &to)? };
            let path = format!("{}/rollback", which.path());
            let component: ComponentView = console.call(Method::POST, &path, &request).await?;
            output.result(&component, |component| component_text(component, &[]));
            if !output.is_json() {
                output.note("next: clients go back at their next update; publishing a new release leads forward again");
            }
        }
        Command::Remove(which) => {
            let (): () = console.ask(Method::DELETE, &which.path()).await?;
            output.result(&json!({"removed": which.name}), |_| {
                format!("{} is no longer published; clients keep what they have of it", which.name)
            });
            if !output.is_json() {
                output.note("next: publish a whole release under the same name and a new version, if it is still wanted");
            }
        }
    }
    Ok(Exit::Done)
}

/// A release by its version, or else by its number.
fn find(component: &ComponentView, wanted: &str) -> Result<u64, Failure> {
    let by_version = component.releases.iter().find(|release| release.version == wanted);
    let by_number = || component.releases.iter().find(|release| release.sequence.to_string() == wanted);
    by_version.or_else(by_number).map(|release| release.sequence).ok_or_else(|| {
        let known: Vec<&str> = component.releases.iter().map(|release| release.version.as_str()).collect();
        Failure::bad_input(format!("{} has no release `{wanted}`", component.name))
            .with_hint(format!("choose one of {}", known.join(", ")))
    })
}

fn list_text(answer: &ReleasesAnswer) -> String {
    let rows = answer.items.iter().map(|ListedComponent { component, deltas_standing }| {
        let current = component.releases.iter().find(|release| release.sequence == component.current);
        let [version, published, size] = current.map_or_else(
            || ["-".to_owned(), "-".to_owned(), "-".to_owned()],
            |release| [release.version.clone(), time(release.published), bytes(release.size)],
        );
        let from = if component.from_vendor { "vendor" } else { "here" };
        vec![
            component.class.clone(),
            component.name.clone(),
            component.current.to_string(),
            version,
            size,
            published,
            from.to_owned(),
            deltas_standing.as_ref().map_or_else(|| "-".to_owned(), standing),
        ]
    });
    let mut text = table(
        &["class", "name", "release", "version", "size", "published", "from", "deltas"],
        rows.collect(),
        "nothing is published yet\nnext: `headwater publish DIR --name NAME`",
    );
    let failed = |item: &ListedComponent| {
        item.deltas_standing.as_ref().is_some_and(|standing| standing.state == "failed")
    };
    if answer.items.iter().any(failed) {
        text.push_str("\ndeltas could not be made, and are tried again; `headwater status` says why");
    }
    text
}

fn standing(standing: &DeltasStanding) -> String {
    let DeltasStanding { state, made, missing } = standing;
    match state.as_str() {
        "made" => format!("{made} made"),
        "making" => format!("{made} made, {missing} being made"),
        "queued" => format!("{made} made, {missing} queued"),
        "too_large" => "too large".to_owned(),
        "none_smaller" => "none is smaller".to_owned(),
        "none" => "-".to_owned(),
        state => state.to_owned(),
    }
}

/// `missing`: the releases whose content is not all on the server.
fn component_text(component: &ComponentView, missing: &[u64]) -> String {
    let rows = component.releases.iter().map(|release| {
        let state = match release.sequence {
            sequence if sequence == component.current => "current",
            sequence if component.withdrawn.contains(&sequence) => "withdrawn",
            _ => "",
        };
        let content = if missing.contains(&release.sequence) { "missing" } else { "here" };
        vec![
            release.sequence.to_string(),
            release.version.clone(),
            release.files.to_string(),
            bytes(release.size),
            time(release.published),
            content.to_owned(),
            state.to_owned(),
        ]
    });
    let heading = format!("{} {}", component.class, component.name);
    let headings = ["release", "version", "files", "size", "published", "content", "state"];
    let body = table(&headings, rows.collect(), "no releases");
    format!("{heading}\n{body}")
}

/// A line for each file that is too large for deltas.
pub fn too_large(paths: &[String]) -> String {
    let told = paths.iter().map(|path| {
        format!("\n{path} is too large for deltas; raise the server's `deltas_memory_mib`, about 48 and 12 times its old and new size together")
    });
    told.collect()
}

fn answer_text(answer: &ComponentAnswer) -> String {
    let version = |sequence: Option<u64>| {
        let release = answer.component.releases.iter().find(|release| Some(release.sequence) == sequence);
        release.map_or("not listed", |release| &release.version).to_owned()
    };
    let state = |delta: &DeltaView| match delta.state.as_str() {
        "making" => format!("making, {}.{} %", delta.permille / 10, delta.permille % 10),
        state => state.to_owned(),
    };
    let row = |delta: &DeltaView| {
        vec![
            version(delta.from),
            version(delta.to),
            delta.path.clone().unwrap_or_else(|| "-".to_owned()),
            delta.size.map_or_else(|| "-".to_owned(), bytes),
            state(delta),
        ]
    };
    let rows = answer.deltas.iter().map(row).collect();
    let deltas = table(&["from", "to", "file", "size", "state"], rows, "none");
    let component = component_text(&answer.component, &answer.missing);
    let lacks = match (answer.missing.is_empty(), answer.component.from_vendor) {
        (true, _) => "",
        (false, true) => {
            "\nlacking: clients cannot fetch all of it here; `headwater vendor sync` takes it again"
        }
        (false, false) => {
            "\nlacking: clients cannot fetch all of it here; publish the same content again under the same version"
        }
    };
    let large = too_large(&answer.too_large);
    format!("{component}{lacks}\n\ndeltas\n{deltas}{large}")
}
