//! `headwater clients`: the clients of the fleet, what they have installed and reported; enrolment and revocation.

pub mod enrolment;
mod list;

pub use self::list::counts_text;

use clap::{Args, Subcommand, ValueHint};
use headwater_api::report::{Attempt, AttemptResult, Reason, Report};
use headwater_api::v1::{
    ClientDayView, ClientView, ClientsAnswer, MoveRequest, RemovedClientAnswer, ReportsAnswer,
};
use reqwest::Method;

use crate::api_client::{ApiClient, ServerLocation, segment};
use crate::completions::candidates;
use crate::terminal::failure::{Exit, Failure};
use crate::terminal::output::{Output, bytes, one_line, table, time, word};

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
  headwater clients list --failed --reverted --silent 2d
  headwater clients list --release rules=2026.11.22
  headwater clients show pc-17
  headwater clients reports pc-17 --limit 5
  headwater clients move pc-17 pc-18 --domain root/paris
  headwater clients remove pc-17";

/// List, show, move, revoke and remove clients; write enrolment bundles for new ones
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
    /// List the clients: how each stands, since when and why
    List(list::ListArguments),
    /// Show one client with its last run
    Show {
        /// The client's id
        #[arg(value_hint = ValueHint::Other, add = candidates::clients())]
        id: String,
    },
    /// Move clients to a domain: all of them or none
    Move {
        /// The clients' ids
        #[arg(required = true, value_hint = ValueHint::Other, add = candidates::clients())]
        ids: Vec<String>,
        /// The domain to move them to
        #[arg(long, value_hint = ValueHint::Other, add = candidates::domains())]
        domain: String,
    },
    /// Remove a client and its reports, and revoke its key. Another client may then use its id, unless it was revoked
    Remove {
        /// The client's id
        #[arg(value_hint = ValueHint::Other, add = candidates::clients())]
        id: String,
    },
    /// Write an enrolment bundle: the file that new clients enrol with
    EnrolBundle(enrolment::EnrolBundleArguments),
    /// List the enrolment tokens that are still valid
    Tokens,
    /// Revoke an enrolment token. Clients that enrolled with it stay enrolled
    RevokeToken {
        /// The token's number
        #[arg(value_hint = ValueHint::Other, add = candidates::enrol_tokens())]
        number: u64,
    },
    /// Revoke a client. The server rejects it immediately; update agents reject it once they have the policy that is
    /// signed now. To re-admit it, also after it was removed, issue a bundle for that client (`enrol-bundle --client ID`)
    Revoke {
        /// The client's id
        #[arg(value_hint = ValueHint::Other, add = candidates::clients())]
        id: String,
    },
    /// List the clients that contacted the server and are unknown to it
    Unknown,
    /// Re-enrol clients that the server lost: they enrolled after the backup that it was restored from
    ReEnrol(enrolment::ReEnrolArguments),
    /// Show the clients' reports of their runs, newest first
    Reports {
        /// Only the reports of this client
        #[arg(value_hint = ValueHint::Other, add = candidates::clients())]
        id: Option<String>,
        /// How many at most
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
    },
}

/// Runs one of the commands.
pub async fn run(arguments: ClientsArguments, output: Output) -> Result<Exit, Failure> {
    let api = ApiClient::new(&arguments.server)?;
    match arguments.command {
        Command::List(wanted) => {
            let answer = list::list(&api, &wanted).await?;
            output.result(&answer, |answer| list::list_text(answer, &wanted));
        }
        Command::Show { id } => {
            let client: ClientView = api.get(&format!("/api/v1/clients/{}", segment(&id))).await?;
            output.result(&client, client_text);
        }
        Command::Move { ids, domain } => {
            let request = MoveRequest { clients: ids, domain };
            let moved: ClientsAnswer = api.call(Method::POST, "/api/v1/clients/move", &request).await?;
            output.result(&moved, |moved| list::table_of(&moved.items, None));
        }
        Command::Remove { id } => {
            let removed: RemovedClientAnswer =
                api.ask(Method::DELETE, &format!("/api/v1/clients/{}", segment(&id))).await?;
            output.result(&removed, |removed| {
                format!("removed {id}{}", enrolment::still_readable(&removed.readable))
            });
        }
        Command::EnrolBundle(wanted) => enrolment::enrol_bundle(&api, wanted, output).await?,
        Command::Tokens => enrolment::tokens(&api, output).await?,
        Command::RevokeToken { number } => enrolment::revoke_token(&api, number, output).await?,
        Command::Revoke { id } => enrolment::revoke(&api, &id, output).await?,
        Command::Unknown => enrolment::unknown_clients(&api, output).await?,
        Command::ReEnrol(wanted) => return enrolment::re_enrol(&api, wanted, output).await,
        Command::Reports { id, limit } => {
            let client = id.map(|id| format!("&client={}", segment(&id))).unwrap_or_default();
            let reports: ReportsAnswer = api.get(&format!("/api/v1/reports?limit={limit}{client}")).await?;
            output.result(&reports, reports_text);
        }
    }
    Ok(Exit::Done)
}

fn client_text(client: &ClientView) -> String {
    let role = if client.update_agent { ", an update agent" } else { "" };
    let mut text = format!(
        "{} in {}{role}\nstate       {}\naddresses   {}\nprogram     {}\npolicy      version {}\nfirst seen  {}\nlast seen   {}",
        one_line(&client.id),
        one_line(&client.domain),
        one_line(&list::standing(client)),
        client.addresses.join(" "),
        one_line(&client.program),
        client.policy_version,
        time(client.first_seen),
        time(client.last_seen),
    );
    text.push('\n');
    text.push_str(&enrolment::identity_text(client.identity.as_ref()));
    if !client.releases.is_empty() {
        text.push_str(&format!("\n\n{}", list::releases_table(std::slice::from_ref(client))));
    }
    if !client.days.is_empty() {
        text.push_str(&format!("\n\n{}", days_table(client)));
    }
    match &client.last_report {
        Some(report) => text.push_str(&format!("\n\n{}", report_text(report))),
        None => text.push_str("\nno run reported yet"),
    }
    text
}

/// What a client had from where, by day.
fn days_table(client: &ClientView) -> String {
    let row = |day: &ClientDayView| {
        let date = day.day.strftime("%Y-%m-%d").to_string();
        vec![date, day.class.clone(), day.source.clone(), day.runs.to_string(), bytes(day.bytes)]
    };
    let rows = client.days.iter().map(row).collect();
    table(&["day", "class", "source", "runs", "received"], rows, "no runs")
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
        "no run has been reported yet",
    )
}

/// One run: the outcome of each class, then every attempt.
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
            versions(attempt),
        ]
    });
    let heading = format!("run {} at {}, {} ms", report.run, time(report.started), report.duration_ms);
    let outcomes =
        table(&["class", "result", "source", "message"], outcomes.collect(), "no class was updated");
    let attempts = table(
        &["class", "source", "entry", "result", "reason", "received", "version"],
        attempts.collect(),
        "no source was tried",
    );
    let warnings: String = report.warnings.iter().map(|warning| format!("\nwarning: {warning}")).collect();
    format!("{heading}\n{outcomes}\n\n{attempts}{warnings}")
}

/// The versions of an attempt; a failed one has none.
fn versions(attempt: &Attempt) -> String {
    match attempt.result {
        AttemptResult::Failed => "-".to_owned(),
        _ if attempt.to_version == 0 => "-".to_owned(),
        _ if attempt.from_version == attempt.to_version => attempt.to_version.to_string(),
        _ => format!("{} → {}", attempt.from_version, attempt.to_version),
    }
}
