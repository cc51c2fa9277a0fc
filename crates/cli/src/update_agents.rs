//! `headwater update-agents`: who serves others at its site, and what (U1, U2, U6).

use clap::{Args, Subcommand};
use headwater_api::v1::{RoleRequest, UpdateAgentsAnswer};
use reqwest::Method;

use crate::console::{Console, ServerLocation, segment};
use crate::failure::{Exit, Failure};
use crate::output::{Output, table};

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
    /// Give a client, or every client of a domain, the role, or change what it shares
    #[command(visible_alias = "set")]
    Give {
        #[command(flatten)]
        whom: Whom,
        /// The classes it shares
        #[arg(long, value_delimiter = ',', default_value = "components,settings,programs")]
        classes: Vec<String>,
        /// Where it is reached; repeat for several [default: what it reported]
        #[arg(long = "address", value_name = "IP", conflicts_with = "domain")]
        addresses: Vec<String>,
        /// TCP port of its listener [default: as before, or 8472]
        #[arg(long)]
        port: Option<u16>,
        /// https; update agents speak nothing else
        #[arg(long)]
        scheme: Option<String>,
        /// Drop classes though entries name it
        #[arg(long)]
        force: bool,
    },
    /// Take the role; refused while entries name the client, unless forced
    Take {
        #[command(flatten)]
        whom: Whom,
        /// Take it though entries name the client; they are then shown as broken
        #[arg(long)]
        force: bool,
    },
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Whom {
    /// The client's id
    id: Option<String>,
    /// Every client of this domain (never the root)
    #[arg(long)]
    domain: Option<String>,
}

impl Whom {
    fn path(&self) -> String {
        match (&self.id, &self.domain) {
            (_, Some(domain)) => format!("/api/v1/domains/{}/update-agents", segment(domain)),
            (id, None) => format!("/api/v1/update-agents/{}", segment(id.as_deref().unwrap_or_default())),
        }
    }
}

/// Runs one of the commands.
pub async fn run(arguments: UpdateAgentsArguments, output: Output) -> Result<Exit, Failure> {
    let console = Console::new(&arguments.server)?;
    let answer: UpdateAgentsAnswer = match arguments.command {
        Command::List => console.get("/api/v1/update-agents").await?,
        Command::Give { whom, classes, addresses, port, scheme, force } => {
            let addresses = Some(addresses).filter(|addresses| !addresses.is_empty());
            let request = RoleRequest { classes, addresses, port, scheme, force };
            console.call(Method::PUT, &whom.path(), &request).await?
        }
        Command::Take { whom, force } => {
            console.ask(Method::DELETE, &format!("{}?force={force}", whom.path())).await?
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
