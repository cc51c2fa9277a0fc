//! `headwater releases`: the published components and programs, and going back to an earlier release (C5); `publish` and
//! `deltas` beside it.

pub mod deltas;
pub mod package;
pub mod publish;

use clap::{Args, Subcommand, ValueHint};
use headwater_api::v1::{
    ComponentAnswer, ComponentView, DeltaView, DeltasStanding, ListedComponent, ReleaseClients,
    ReleasesAnswer, RollbackRequest,
};
use reqwest::Method;
use serde_json::json;

use crate::api_client::{ApiClient, ServerLocation, segment};
use crate::completions::candidates;
use crate::terminal::failure::{Exit, Failure};
use crate::terminal::output::{Output, bytes, table, time};

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
    /// List components and programs with their current releases and the state of the deltas to these
    List,
    /// Show the kept releases of a component or program, and the deltas to the current one
    Show(Named),
    /// Go back to an earlier release: withdraws every later one, and clients install the earlier one again
    Rollback {
        #[command(flatten)]
        named: Named,
        /// The release to go back to: its number or its version
        #[arg(long, value_name = "RELEASE", value_hint = ValueHint::Other, add = candidates::versions())]
        to: String,
    },
    /// Stop publishing a component or program, for example if there is no earlier release to go back to. Clients keep what
    /// they have installed and get no updates of it until a release is published under this name again
    Remove(Named),
}

#[derive(Debug, Args)]
struct Named {
    /// The component or program
    #[arg(value_hint = ValueHint::Other, add = candidates::releases())]
    name: String,
    /// A program (class programs), not a component
    #[arg(long)]
    program: bool,
}

impl Named {
    fn path(&self) -> String {
        let class = if self.program { "programs" } else { "components" };
        format!("/api/v1/releases/{class}/{}", segment(&self.name))
    }
}

/// Runs one of the commands.
pub async fn run(arguments: ReleasesArguments, output: Output) -> Result<Exit, Failure> {
    let api = ApiClient::new(&arguments.server)?;
    match arguments.command {
        Command::List => {
            let answer: ReleasesAnswer = api.get("/api/v1/releases").await?;
            output.result(&answer, list_text);
        }
        Command::Show(named) => {
            let answer: ComponentAnswer = api.get(&named.path()).await?;
            output.result(&answer, answer_text);
        }
        Command::Rollback { named, to } => {
            let answer: ComponentAnswer = api.get(&named.path()).await?;
            let request = RollbackRequest { to: find(&answer.component, &to)? };
            let path = format!("{}/rollback", named.path());
            let component: ComponentView = api.call(Method::POST, &path, &request).await?;
            output.result(&component, |component| component_text(component, &[], &answer.clients));
            if !output.is_json() {
                output.note("next: clients go back at their next update; a newly published release replaces this one again");
            }
        }
        Command::Remove(named) => {
            let (): () = api.ask(Method::DELETE, &named.path()).await?;
            output.result(&json!({"removed": named.name}), |_| {
                format!("{} is no longer published; clients keep what they have of it", named.name)
            });
            if !output.is_json() {
                output.note(
                    "next: to publish it again, publish a release under the same name and a new version",
                );
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
        text.push_str("\nsome deltas failed and are tried again; `headwater status` shows why");
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

/// The releases of a component; `missing` are those whose content is not whole on the server, `clients` how many have
/// which.
fn component_text(component: &ComponentView, missing: &[u64], clients: &[ReleaseClients]) -> String {
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
            clients.iter().find(|it| it.sequence == Some(release.sequence)).map_or_else(none, clients_cell),
            state.to_owned(),
        ]
    });
    let heading = format!("{} {}", component.class, component.name);
    let headings = ["release", "version", "files", "size", "published", "content", "clients", "state"];
    let body = table(&headings, rows.collect(), "no releases");
    format!("{heading}\n{body}{}", others_text(component, clients))
}

fn none() -> String {
    "0".to_owned()
}

/// How many clients have a release, and how many of them by failure or reversion.
fn clients_cell(counted: &ReleaseClients) -> String {
    let parts = [(counted.failed, "failed"), (counted.reverted, "reverted")];
    let parts: Vec<String> =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect();
    match parts.is_empty() {
        true => counted.clients.to_string(),
        false => format!("{} ({})", counted.clients, parts.join(", ")),
    }
}

/// A line for clients with a release that is not listed any more, and one for those without any.
fn others_text(component: &ComponentView, clients: &[ReleaseClients]) -> String {
    let is_listed =
        |sequence: Option<u64>| component.releases.iter().any(|release| Some(release.sequence) == sequence);
    let others = clients.iter().filter(|counted| !is_listed(counted.sequence));
    let line = |counted: &ReleaseClients| match counted.sequence {
        Some(_) => {
            format!("\nclients with {}, which is not listed: {}", counted.version, clients_cell(counted))
        }
        None => format!("\nclients without any release: {}", clients_cell(counted)),
    };
    others.map(line).collect()
}

/// A line for each file that is too large for deltas.
pub fn too_large(paths: &[String]) -> String {
    let lines = paths.iter().map(|path| {
        format!("\n{path} is too large for deltas; set the server's `deltas_memory_mib` to at least 48 times its old size plus 12 times its new size")
    });
    lines.collect()
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
    let component = component_text(&answer.component, &answer.missing, &answer.clients);
    let missing = match (answer.missing.is_empty(), answer.component.from_vendor) {
        (true, _) => "",
        (false, true) => {
            "\nmissing content: clients cannot fetch all of it here; `headwater vendor sync` takes it again"
        }
        (false, false) => {
            "\nmissing content: clients cannot fetch all of it here; publish the same content again under the same version"
        }
    };
    let large = too_large(&answer.too_large);
    format!("{component}{missing}\n\ndeltas\n{deltas}{large}")
}
