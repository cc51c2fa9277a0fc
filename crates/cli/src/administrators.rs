//! `headwater administrators` and `headwater tokens`: who may ask the server, and what (I4).

use clap::{Args, Subcommand};
use headwater_api::v1::{
    AdministratorRequest, AdministratorRoleRequest, AdministratorView, AdministratorsAnswer, ApiTokenRequest,
    ApiTokensAnswer, NewApiToken, NewPassword,
};
use reqwest::Method;
use serde_json::json;

use crate::console::{Console, ServerLocation, segment};
use crate::failure::{Exit, Failure};
use crate::output::{Output, table, time};

const EXAMPLES: &str = "\
Examples:
  headwater administrators list
  headwater administrators add ann --role operator
  headwater administrators set-role ann admin
  headwater administrators set-password ann
  headwater administrators remove ann

A viewer sees, an operator does the day's work, an admin also has administrators, keys and the audit log.";

const TOKEN_EXAMPLES: &str = "\
Examples:
  headwater tokens list
  headwater tokens create ci --role operator --scopes releases --days 30
  headwater tokens revoke ci

A program sends its token as `Authorization: Bearer TOKEN`; `headwater` takes it from HEADWATER_TOKEN.";

/// List, add and remove administrators; set their roles and passwords
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct AdministratorsArguments {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    server: ServerLocation,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the administrators
    List,
    /// Add an administrator; shows a password that is good for one sign-in
    Add {
        /// Lower-case letters, digits and -_.@
        name: String,
        /// viewer, operator or admin
        #[arg(long)]
        role: String,
    },
    /// Give an administrator another role, from the next request on
    SetRole {
        /// Whose
        name: String,
        /// viewer, operator or admin
        role: String,
    },
    /// Give an administrator a new password that is good for one sign-in, and end every session; API tokens go on
    SetPassword {
        /// Whose
        name: String,
    },
    /// Remove an administrator, with sessions and tokens
    Remove {
        /// Whom
        name: String,
    },
}

/// List, create and revoke API tokens
#[derive(Debug, Args)]
#[command(after_help = TOKEN_EXAMPLES)]
pub struct TokensArguments {
    #[command(subcommand)]
    command: TokenCommand,
    #[command(flatten)]
    server: ServerLocation,
}

#[derive(Debug, Subcommand)]
enum TokenCommand {
    /// List the tokens; never the tokens themselves
    List,
    /// Create a token and show it, once
    Create {
        /// Its name, by which it is revoked
        name: String,
        /// viewer, operator or admin; not above your own
        #[arg(long)]
        role: String,
        /// The parts of the API that it is for, such as releases,sources [default: all]
        #[arg(long, value_delimiter = ',')]
        scopes: Vec<String>,
        /// Days that it lives
        #[arg(long, default_value_t = 90)]
        days: u32,
    },
    /// Revoke a token
    Revoke {
        /// Its name
        name: String,
    },
}

/// Runs one of the commands.
pub async fn run(arguments: AdministratorsArguments, output: Output) -> Result<Exit, Failure> {
    let console = Console::new(&arguments.server)?;
    let path = |name: &str, part: &str| format!("/api/v1/administrators/{}{part}", segment(name));
    match arguments.command {
        Command::List => {
            let all: AdministratorsAnswer = console.get("/api/v1/administrators").await?;
            output.result(&all, |all| administrators(&all.items));
        }
        Command::Add { name, role } => {
            let request = AdministratorRequest { name, role };
            let new: NewPassword = console.call(Method::POST, "/api/v1/administrators", &request).await?;
            output.result(&new, |new| password("added", new));
            check_shown(&new, output)?;
        }
        Command::SetRole { name, role } => {
            let request = AdministratorRoleRequest { role };
            let view: AdministratorView = console.call(Method::PUT, &path(&name, "/role"), &request).await?;
            output.result(&view, |view| format!("{} is {} now", view.name, view.role));
        }
        Command::SetPassword { name } => {
            let new: NewPassword = console.ask(Method::POST, &path(&name, "/password")).await?;
            output.result(&new, |new| password("new password for", new));
            check_shown(&new, output)?;
            if !output.is_json() {
                output.note("its sessions have ended; its API tokens go on: see `headwater tokens list`, revoke those that are not to");
            }
        }
        Command::Remove { name } => {
            let (): () = console.ask(Method::DELETE, &path(&name, "")).await?;
            output.result(&json!({"removed": name}), |_| format!("removed administrator {name}"));
        }
    }
    Ok(Exit::Done)
}

/// Runs one of the commands.
pub async fn run_tokens(arguments: TokensArguments, output: Output) -> Result<Exit, Failure> {
    let console = Console::new(&arguments.server)?;
    match arguments.command {
        TokenCommand::List => {
            let all: ApiTokensAnswer = console.get("/api/v1/tokens").await?;
            output.result(&all, tokens);
        }
        TokenCommand::Create { name, role, scopes, days } => {
            let request = ApiTokenRequest { name, role, scopes, days: Some(days) };
            let new: NewApiToken = console.call(Method::POST, "/api/v1/tokens", &request).await?;
            output.result(&new, |new| new.token.expose().to_owned());
            if let Some(lost) = output.lost() {
                // A token that nobody could be told would go on being good.
                let path = format!("/api/v1/tokens/{}", segment(&new.details.name));
                let (): () = console.ask(Method::DELETE, &path).await?;
                return Err(lost.with_hint("the token was not shown and is revoked: make it again"));
            }
            if !output.is_json() {
                let (name, end) = (&new.details.name, time(new.details.expires));
                output.note(&format!("token {name}, good until {end}; it is shown this once"));
            }
        }
        TokenCommand::Revoke { name } => {
            let path = format!("/api/v1/tokens/{}", segment(&name));
            let (): () = console.ask(Method::DELETE, &path).await?;
            output.result(&json!({"revoked": name}), |_| format!("revoked token {name}"));
        }
    }
    Ok(Exit::Done)
}

/// A password that was not shown is good for nobody.
fn check_shown(new: &NewPassword, output: Output) -> Result<(), Failure> {
    let name = &new.administrator.name;
    let hint =
        format!("the password was not shown: `headwater administrators set-password {name}` makes another");
    output.lost().map_or(Ok(()), |lost| Err(lost.with_hint(hint)))
}

fn administrators(items: &[AdministratorView]) -> String {
    let row = |view: &AdministratorView| {
        let last = view.last_sign_in.map_or_else(|| "never".to_owned(), time);
        let password = if view.one_time { "for one sign-in" } else { "own" };
        vec![view.name.clone(), view.role.clone(), password.to_owned(), last]
    };
    let header = ["name", "role", "password", "last sign-in"];
    table(&header, items.iter().map(row).collect(), "no administrators")
}

fn password(what: &str, new: &NewPassword) -> String {
    format!(
        "{what} {} ({})\npassword {}\n(shown this once, and good for one sign-in, which sets another)",
        new.administrator.name,
        new.administrator.role,
        new.password.expose()
    )
}

fn tokens(all: &ApiTokensAnswer) -> String {
    let rows = all.items.iter().map(|token| {
        let scopes = if token.scopes.is_empty() { "all".to_owned() } else { token.scopes.join(", ") };
        let whose = token.administrator.clone().unwrap_or_else(|| "this machine".to_owned());
        vec![token.name.clone(), whose, token.role.clone(), scopes, time(token.expires)]
    });
    table(&["name", "of", "role", "scopes", "good until"], rows.collect(), "no tokens")
}
