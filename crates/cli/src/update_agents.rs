//! `headwater update-agents`: the clients that serve others at their site, and the classes they share (U1, U2, U6).

use clap::{Args, Subcommand, ValueHint};
use headwater_api::v1::{RoleRequest, UpdateAgentsAnswer};
use reqwest::Method;

use crate::api_client::{ApiClient, ServerLocation, segment};
use crate::completions::candidates;
use crate::terminal::failure::{Exit, Failure};
use crate::terminal::output::{Output, table};
use crate::values::class_words;

const EXAMPLES: &str = "\
Examples:
  headwater update-agents list
  headwater update-agents give ua-paris
  headwater update-agents give ua-paris --classes components,programs --port 8472 --address 10.1.0.5
  headwater update-agents give --domain root/relays
  headwater sources add --ipv4 10.1.0.0-10.1.255.255 --update-agent ua-paris
  headwater update-agents take ua-paris";

/// List update agents; give and take the role
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct UpdateAgentsArguments {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    server: ServerLocation,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the update agents
    List,
    /// Give the role to a client or to every client of a domain, or change what it shares
    Give {
        #[command(flatten)]
        subject: Subject,
        /// The classes it shares
        #[arg(long, value_delimiter = ',', default_value = "components,settings,programs", value_parser = class_words())]
        classes: Vec<String>,
        /// Its address; repeat for several [default: the addresses that it reported]
        #[arg(long = "address", value_name = "IP", conflicts_with = "domain", value_hint = ValueHint::Other)]
        addresses: Vec<String>,
        /// TCP port of its listener [default: as before, or 8472]
        #[arg(long, value_hint = ValueHint::Other)]
        port: Option<u16>,
        /// Scheme of its listener [default: https]
        #[arg(long, value_parser = ["https"])]
        scheme: Option<String>,
        /// Stop sharing classes although entries name it
        #[arg(long)]
        force: bool,
    },
    /// Take the role away; refused while entries name the client, unless --force is given
    Take {
        #[command(flatten)]
        subject: Subject,
        /// Take it away although entries name the client: these entries are then broken
        #[arg(long)]
        force: bool,
    },
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Subject {
    /// The client's id
    #[arg(value_hint = ValueHint::Other, add = candidates::clients())]
    id: Option<String>,
    /// Every client of this domain; the root is not allowed
    #[arg(long, value_hint = ValueHint::Other, add = candidates::domains())]
    domain: Option<String>,
}

impl Subject {
    fn path(&self) -> String {
        match (&self.id, &self.domain) {
            (_, Some(domain)) => format!("/api/v1/domains/{}/update-agents", segment(domain)),
            (id, None) => format!("/api/v1/update-agents/{}", segment(id.as_deref().unwrap_or_default())),
        }
    }
}

/// Runs one of the commands.
pub async fn run(arguments: UpdateAgentsArguments, output: Output) -> Result<Exit, Failure> {
    let api = ApiClient::new(&arguments.server)?;
    let answer: UpdateAgentsAnswer = match arguments.command {
        Command::List => api.get("/api/v1/update-agents").await?,
        Command::Give { subject, classes, addresses, port, scheme, force } => {
            let addresses = Some(addresses).filter(|addresses| !addresses.is_empty());
            let request = RoleRequest { classes, addresses, port, scheme, force };
            api.call(Method::PUT, &subject.path(), &request).await?
        }
        Command::Take { subject, force } => {
            api.ask(Method::DELETE, &format!("{}?force={force}", subject.path())).await?
        }
    };
    output.result(&answer, list_text);
    Ok(Exit::Done)
}

fn list_text(answer: &UpdateAgentsAnswer) -> String {
    let rows = answer.items.iter().map(|agent| {
        let entries: Vec<String> = agent.entries.iter().map(u32::to_string).collect();
        vec![
            agent.id.clone(),
            agent.domain.clone().unwrap_or_else(|| "(no such client)".to_owned()),
            if agent.classes.is_empty() { "nothing: broken".to_owned() } else { agent.classes.join(", ") },
            format!("{}, port {}, {}", agent.addresses.join(" "), agent.port, agent.scheme),
            if entries.is_empty() { "none".to_owned() } else { entries.join(", ") },
        ]
    });
    let empty = "there are no update agents\nnext: `headwater update-agents give CLIENT`, then an entry that names it";
    table(&["id", "domain", "shares", "reached at", "entries"], rows.collect(), empty)
}
