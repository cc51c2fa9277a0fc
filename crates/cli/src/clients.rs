//! `headwater clients`: who is there, what they have, what they said; who may join, and who no longer belongs.

pub mod enrolment;

use clap::{Args, Subcommand};
use headwater_api::report::{AttemptResult, ClassResult, Reason, Report};
use headwater_api::v1::{ClientView, ClientsAnswer, MoveRequest, ReportsAnswer};
use reqwest::Method;
use serde_json::json;

use crate::console::{Console, ServerLocation, segment};
use crate::failure::{Exit, Failure};
use crate::output::{Output, bytes, one_line, table, time, word};

const EXAMPLES: &str = "\
Examples:
  headwater clients enrol-bundle --domain root/paris --uses 40 --expires 2d --out paris.bundle.json
  headwater clients enrol-bundle --client pc-17 --out pc-17.bundle.json
  headwater clients tokens
  headwater clients revoke-token 3
  headwater clients revoke pc-17
  headwater clients unknown
  headwater clients re-enrol pc-17 pc-18 --domain root/paris
  headwater clients list --domain root/paris
  headwater clients show pc-17
  headwater clients reports pc-17 --limit 5
  headwater clients move pc-17 pc-18 --domain root/paris
  headwater clients remove pc-17";

/// List, show, move, revoke and remove clients; make the bundle for new ones
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ClientsArguments {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    server: ServerLocation,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the clients
    List {
        /// Only those of this domain, without its sub-domains
        #[arg(long)]
        domain: Option<String>,
    },
    /// Show one client with its last run
    Show {
        /// The client's id
        id: String,
    },
    /// Move clients to a domain: all or none
    Move {
        /// The clients' ids
        #[arg(required = true)]
        ids: Vec<String>,
        /// Where to
        #[arg(long)]
        domain: String,
    },
    /// Remove a client and its reports, and revoke its key; its id is free for another client, unless it was revoked
    Remove {
        /// The client's id
        id: String,
    },
    /// Write the file with which new clients enrol, with a token of its own
    EnrolBundle(enrolment::EnrolBundleArguments),
    /// List the tokens that still admit somebody
    Tokens,
    /// Revoke a token; clients that enrolled with it stay
    RevokeToken {
        /// The token's number
        number: u64,
    },
    /// Revoke a client's key: the server refuses it at once, update agents from the policy that is signed now. Only a bundle
    /// for that client alone (`enrol-bundle --client`) admits its id again, also after it was removed
    Revoke {
        /// The client's id
        id: String,
    },
    /// List those who ask and are not known
    Unknown,
    /// Take clients in again that enrolled after the backup that this server was restored from
    ReEnrol(enrolment::ReEnrolArguments),
    /// Show what clients said of their runs, newest first
    Reports {
        /// Only this client's
        id: Option<String>,
        /// At most so many
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
    },
}

/// Runs one of the commands.
pub async fn run(arguments: ClientsArguments, output: Output) -> Result<Exit, Failure> {
    let console = Console::new(&arguments.server)?;
    match arguments.command {
        Command::List { domain } => {
            let clients = list(&console, domain.as_deref()).await?;
            output.result(&clients, clients_text);
        }
        Command::Show { id } => {
            let client: ClientView = console.get(&format!("/api/v1/clients/{}", segment(&id))).await?;
            output.result(&client, client_text);
        }
        Command::Move { ids, domain } => {
            let request = MoveRequest { clients: ids, domain };
            let moved: ClientsAnswer = console.call(Method::POST, "/api/v1/clients/move", &request).await?;
            output.result(&moved, clients_text);
        }
        Command::Remove { id } => {
            let (): () = console.ask(Method::DELETE, &format!("/api/v1/clients/{}", segment(&id))).await?;
            output.result(&json!({"removed": id}), |_| format!("removed {id}"));
        }
        Command::EnrolBundle(wanted) => enrolment::enrol_bundle(&console, wanted, output).await?,
        Command::Tokens => enrolment::tokens(&console, output).await?,
        Command::RevokeToken { number } => enrolment::revoke_token(&console, number, output).await?,
        Command::Revoke { id } => enrolment::revoke(&console, &id, output).await?,
        Command::Unknown => enrolment::unknown_clients(&console, output).await?,
        Command::ReEnrol(wanted) => return enrolment::re_enrol(&console, wanted, output).await,
        Command::Reports { id, limit } => {
            let client = id.map(|id| format!("&client={}", segment(&id))).unwrap_or_default();
            let reports: ReportsAnswer =
                console.get(&format!("/api/v1/reports?limit={limit}{client}")).await?;
            output.result(&reports, reports_text);
        }
    }
    Ok(Exit::Done)
}

/// All clients, page by page.
pub async fn list(console: &Console, domain: Option<&str>) -> Result<ClientsAnswer, Failure> {
    let domain = domain.map(|domain| format!("&domain={}", segment(domain))).unwrap_or_default();
    let mut all: ClientsAnswer = console.get(&format!("/api/v1/clients?limit=1000{domain}")).await?;
    while let Some(after) = all.next.take() {
        let page: ClientsAnswer =
            console.get(&format!("/api/v1/clients?limit=1000{domain}&after={}", segment(&after))).await?;
        all.items.extend(page.items);
        all.next = page.next;
    }
    Ok(all)
}

fn clients_text(answer: &ClientsAnswer) -> String {
    let rows = answer.items.iter().map(|client| {
        let role = if client.update_agent { "update agent" } else { "" };
        let key = if client.no_key { "none: refused" } else { "good" };
        let versions: Vec<String> =
            client.versions.iter().map(|(class, version)| format!("{class} {version}")).collect();
        vec![
            client.id.clone(),
            client.domain.clone(),
            client.addresses.join(" "),
            role.to_owned(),
            key.to_owned(),
            versions.join(", "),
            time(client.last_seen),
        ]
    });
    let empty = "no client has checked in yet\nnext: `headwater clients enrol-bundle --out FILE`, then `headwater-client enrol FILE`";
    table(&["id", "domain", "addresses", "role", "key", "has", "last seen"], rows.collect(), empty)
}

fn client_text(client: &ClientView) -> String {
    let role = if client.update_agent { ", an update agent" } else { "" };
    let mut text = format!(
        "{} in {}{role}\naddresses   {}\nprogram     {}\npolicy      version {}\nfirst seen  {}\nlast seen   {}",
        one_line(&client.id),
        one_line(&client.domain),
        client.addresses.join(" "),
        one_line(&client.program),
        client.policy_version,
        time(client.first_seen),
        time(client.last_seen),
    );
    text.push('\n');
    text.push_str(&enrolment::identity_text(client.identity.as_ref()));
    match &client.last_report {
        Some(report) => text.push_str(&format!("\n\n{}", report_text(report))),
        None => text.push_str("\nno run reported yet"),
    }
    text
}

fn reports_text(answer: &ReportsAnswer) -> String {
    let rows = answer.items.iter().map(|stored| {
        let report = &stored.report;
        let classes: Vec<String> = report
            .classes
            .iter()
            .map(|outcome| format!("{} {}", outcome.class, word(&outcome.result)))
            .collect();
        let received = report.attempts.iter().map(|attempt| attempt.bytes).sum();
        vec![
            time(report.started),
            report.client.clone(),
            report.run.to_string(),
            classes.join(", "),
            bytes(received),
            format!("{} ms", report.duration_ms),
        ]
    });
    table(
        &["started", "client", "run", "result", "received", "took"],
        rows.collect(),
        "no run was reported yet",
    )
}

/// One run: what came of each class, then every attempt (P12).
pub fn report_text(report: &Report) -> String {
    let outcomes = report.classes.iter().map(|outcome| {
        let sources = report.sources(outcome).join(", ");
        let sources = if sources.is_empty() { "-".to_owned() } else { sources };
        vec![outcome.class.clone(), word(&outcome.result), sources, outcome.message.clone()]
    });
    let attempts = report.attempts.iter().map(|attempt| {
        let reason = attempt.reason.as_ref().map(word::<Reason>).unwrap_or_default();
        vec![
            attempt.class.clone(),
            attempt.source.clone(),
            attempt.entry.map_or_else(|| "-".to_owned(), |entry| entry.to_string()),
            word::<AttemptResult>(&attempt.result),
            [reason, attempt.detail.clone()]
                .into_iter()
                .filter(|part| !part.is_empty())
                .collect::<Vec<_>>()
                .join(": "),
            bytes(attempt.bytes),
            format!("{} → {}", attempt.from_version, attempt.to_version),
        ]
    });
    let heading = format!("run {} at {}, {} ms", report.run, time(report.started), report.duration_ms);
    let outcomes = table(&["class", "result", "source", "message"], outcomes.collect(), "no class was tried");
    let attempts = table(
        &["class", "source", "entry", "result", "reason", "received", "version"],
        attempts.collect(),
        "no source was tried",
    );
    format!("{heading}\n{outcomes}\n\n{attempts}")
}

/// Whether every class of a run ended well.
pub fn is_whole(report: &Report) -> bool {
    report.classes.iter().all(|outcome| matches!(outcome.result, ClassResult::Updated | ClassResult::Current))
}
