//! `headwater administrators` and `headwater tokens`: accounts and API tokens, and their roles (I4).

use clap::{Args, Subcommand, ValueHint};
use headwater_api::v1::{
    AdministratorRequest, AdministratorRoleRequest, AdministratorView, AdministratorsAnswer, ApiTokenRequest,
    ApiTokensAnswer, NewApiToken, NewPassword,
};
use reqwest::Method;
use secrecy::ExposeSecret as _;
use serde_json::json;

use crate::api_client::{ApiClient, ServerLocation, segment};
use crate::completions::candidates;
use crate::terminal::failure::{Exit, Failure};
use crate::terminal::output::{Output, table, time};
use crate::values::role_words;

const EXAMPLES: &str = "\
Examples:
  headwater administrators list
  headwater administrators add ann --role operator
  headwater administrators set-role ann admin
  headwater administrators set-password ann
  headwater administrators remove ann

A viewer reads. An operator also publishes, edits the source list and manages clients and domains. An admin also
manages administrators and keys, and reads the audit log.";

const TOKEN_EXAMPLES: &str = "\
Examples:
  headwater tokens list
  headwater tokens create ci --role operator --scopes releases --days 30
  headwater tokens revoke ci

A program sends its token as `Authorization: Bearer TOKEN`; `headwater` reads it from HEADWATER_TOKEN.";

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
    /// Add an administrator and show a password for the first sign-in
    Add {
        /// The new name: lower-case letters, digits and -_.@
        #[arg(value_hint = ValueHint::Other)]
        name: String,
        /// The role
        #[arg(long, value_parser = role_words())]
        role: String,
    },
    /// Change the role of an administrator, effective from the next request on
    SetRole {
        /// The name of the administrator
        #[arg(value_hint = ValueHint::Other, add = candidates::administrators())]
        name: String,
        /// The role
        #[arg(value_parser = role_words())]
        role: String,
    },
    /// Set a new password, valid for one sign-in, and end all sessions of an administrator; API tokens stay valid
    SetPassword {
        /// The name of the administrator
        #[arg(value_hint = ValueHint::Other, add = candidates::administrators())]
        name: String,
    },
    /// Remove an administrator with all sessions and tokens
    Remove {
        /// The name of the administrator
        #[arg(value_hint = ValueHint::Other, add = candidates::administrators())]
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
    /// List the tokens by name; the secret values are not shown
    List,
    /// Create a token and show its value, this once
    Create {
        /// The name of the token, by which it is revoked
        #[arg(value_hint = ValueHint::Other)]
        name: String,
        /// The role, not above your own
        #[arg(long, value_parser = role_words())]
        role: String,
        /// The parts of the API that it may use, such as releases,sources [default: all]
        #[arg(long, value_delimiter = ',', value_hint = ValueHint::Other)]
        scopes: Vec<String>,
        /// Days until it expires
        #[arg(long, default_value_t = 90, value_hint = ValueHint::Other)]
        days: u32,
    },
    /// Revoke a token
    Revoke {
        /// The name of the token
        #[arg(value_hint = ValueHint::Other, add = candidates::tokens())]
        name: String,
    },
}

/// Runs one of the commands.
pub async fn run(arguments: AdministratorsArguments, output: Output) -> Result<Exit, Failure> {
    let api = ApiClient::new(&arguments.server)?;
    let path = |name: &str, part: &str| format!("/api/v1/administrators/{}{part}", segment(name));
    match arguments.command {
        Command::List => {
            let all: AdministratorsAnswer = api.get("/api/v1/administrators").await?;
            output.result(&all, |all| administrators(&all.items));
        }
        Command::Add { name, role } => {
            let request = AdministratorRequest { name, role };
            let new: NewPassword = api.call(Method::POST, "/api/v1/administrators", &request).await?;
            output.result(&new, |new| password("added", new));
            check_shown(&new, output)?;
        }
        Command::SetRole { name, role } => {
            let request = AdministratorRoleRequest { role };
            let view: AdministratorView = api.call(Method::PUT, &path(&name, "/role"), &request).await?;
            output.result(&view, |view| format!("{} is {} now", view.name, view.role));
        }
        Command::SetPassword { name } => {
            let new: NewPassword = api.ask(Method::POST, &path(&name, "/password")).await?;
            output.result(&new, |new| password("new password for", new));
            check_shown(&new, output)?;
            if !output.is_json() {
                output.note("all its sessions have ended; its API tokens stay valid: `headwater tokens list` shows them, `headwater tokens revoke` ends one");
            }
        }
        Command::Remove { name } => {
            let (): () = api.ask(Method::DELETE, &path(&name, "")).await?;
            output.result(&json!({"removed": name}), |_| format!("removed administrator {name}"));
        }
    }
    Ok(Exit::Done)
}

/// Runs one of the commands.
pub async fn run_tokens(arguments: TokensArguments, output: Output) -> Result<Exit, Failure> {
    let api = ApiClient::new(&arguments.server)?;
    match arguments.command {
        TokenCommand::List => {
            let all: ApiTokensAnswer = api.get("/api/v1/tokens").await?;
            output.result(&all, tokens);
        }
        TokenCommand::Create { name, role, scopes, days } => {
            let request = ApiTokenRequest { name, role, scopes, days: Some(days) };
            let new: NewApiToken = api.call(Method::POST, "/api/v1/tokens", &request).await?;
            output.result(&new, |new| new.token.expose_secret().to_owned());
            if let Some(lost) = output.lost() {
                // A token that was not shown must not stay valid.
                let path = format!("/api/v1/tokens/{}", segment(&new.details.name));
                let (): () = api.ask(Method::DELETE, &path).await?;
                return Err(lost.with_hint("the token was not shown and is revoked; create it again"));
            }
            if !output.is_json() {
                let (name, end) = (&new.details.name, time(new.details.expires));
                output.note(&format!("token {name}, valid until {end}; its value is shown only now"));
            }
        }
        TokenCommand::Revoke { name } => {
            let path = format!("/api/v1/tokens/{}", segment(&name));
            let (): () = api.ask(Method::DELETE, &path).await?;
            output.result(&json!({"revoked": name}), |_| format!("revoked token {name}"));
        }
    }
    Ok(Exit::Done)
}

/// Fails if the password could not be shown: nobody can use it then.
fn check_shown(new: &NewPassword, output: Output) -> Result<(), Failure> {
    let name = &new.administrator.name;
    let hint =
        format!("the password was not shown; `headwater administrators set-password {name}` sets another");
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
        "{what} {} ({})\npassword {}\n(shown only now; valid for one sign-in, which sets another)",
        new.administrator.name,
        new.administrator.role,
        new.password.expose_secret()
    )
}

fn tokens(all: &ApiTokensAnswer) -> String {
    let rows = all.items.iter().map(|token| {
        let scopes = if token.scopes.is_empty() { "all".to_owned() } else { token.scopes.join(", ") };
        let whose = token.administrator.clone().unwrap_or_else(|| "this machine".to_owned());
        vec![token.name.clone(), whose, token.role.clone(), scopes, time(token.expires)]
    });
    table(&["name", "of", "role", "scopes", "valid until"], rows.collect(), "no tokens")
}
