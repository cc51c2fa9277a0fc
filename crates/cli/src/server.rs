//! `headwater server`: starts the organisation's server.

pub mod adopt;
pub mod backup;
pub mod openapi;
pub mod restore;
pub mod status;

use std::path::PathBuf;

use clap::{Args, ValueHint};
use headwater_repo::error_chain;
use headwater_server::error::Error;
use headwater_server::{Config, ListenAddress, RawConfig, StartError, run as run_server};
use secrecy::ExposeSecret as _;
use serde_json::json;
use tracing_subscriber::EnvFilter;

use crate::terminal::failure::{Exit, Failure};
use crate::terminal::output::Output;
use crate::terminal::stop::stop_signal;

const EXAMPLES: &str = "\
Examples:
  headwater server --data /var/lib/headwater
  headwater server --config /etc/headwater/server.toml
  headwater server --data /var/lib/headwater --fleet-listen :8471 --fleet-url https://headwater.example:8471
  headwater server --data ./data --fleet-listen 127.0.0.1:0 --console-listen 127.0.0.1:0 --json

The first start creates the folder, and says so. It refuses a folder that has anything else in it than lost+found and
files that the configuration names. The first line of output names the addresses that the server listens on;
listening.json in the data folder has them, too. The log goes to stderr; RUST_LOG sets its level (default: info).";

/// Start the server
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ServerArguments {
    /// The data folder: database, keys, repositories
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    data: Option<PathBuf>,
    /// The configuration file, in TOML; flags take precedence
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    config: Option<PathBuf>,
    /// Where clients connect; :8471 is every address of this machine, and then needs --fleet-url; port 0 picks a free one
    /// [default: 127.0.0.1:8471]
    #[arg(long, value_name = "[ADDRESS]:PORT", value_hint = ValueHint::Other)]
    fleet_listen: Option<ListenAddress>,
    /// Where administrators connect; HTTPS, except on loopback; port 0 picks a free one [default: 127.0.0.1:8470]
    #[arg(long, value_name = "[ADDRESS]:PORT", value_hint = ValueHint::Other)]
    console_listen: Option<ListenAddress>,
    /// Base URL at which clients reach the fleet listener [default: https:// and its address]
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    fleet_url: Option<String>,
}

/// Runs the server until a stop signal.
pub async fn run(arguments: ServerArguments, output: Output) -> Result<Exit, Failure> {
    let file = match &arguments.config {
        Some(path) => RawConfig::read(path).map_err(|error| Failure::bad_input(error_chain(&error)))?,
        None => RawConfig::default(),
    };
    let flags = RawConfig {
        data: arguments.data,
        fleet_listen: arguments.fleet_listen,
        console_listen: arguments.console_listen,
        fleet_url: arguments.fleet_url,
        ..RawConfig::default()
    };
    let config =
        Config::try_from(flags.over(file)).map_err(|error| Failure::bad_input(error_chain(&error)))?;
    log_to_stderr(output.is_json());
    let data = config.data.clone();
    let running = run_server(config, stop_signal()).await.map_err(|error| not_started(&error))?;
    let (fleet, console, socket) = (&running.fleet_url, &running.console_url, &running.socket);
    output
        .event(&json!({"event": "listening", "fleet": fleet, "console": console, "socket": socket}), || {
            format!("listening: clients at {fleet}, administrators at {console}")
        });
    if let Some(password) = running.take_first_password() {
        let password = password.expose_secret();
        output.event(&json!({"event": "first_password", "name": "admin", "password": password}), || {
            format!(
                "first administrator: admin, password {password}\n(shown only now; valid for one sign-in, which sets \
                 another; on this machine `headwater` needs no password)"
            )
        });
    }
    if running.is_first_start() {
        let data = std::path::absolute(&data).unwrap_or(data);
        output.event(&json!({"event": "first_start", "data": data}), || {
            format!(
                "FIRST START: a new server was made in {}, with new keys. To start a server that you have, stop this one, give \
                 its folder with --data, and remove the new folder",
                data.display()
            )
        });
    }
    running.ended().await;
    Ok(Exit::Done)
}

fn not_started(error: &StartError) -> Failure {
    let exit = match error {
        StartError::Open(Error::Disk { .. } | Error::FolderShared { .. } | Error::OwnedByAnother(_)) => {
            Exit::Disk
        }
        StartError::Open(Error::DataFolder { .. }) => Exit::BadInput,
        StartError::Bind { source, .. }
            if source.0.iter().any(|(_, error)| error.kind() == std::io::ErrorKind::PermissionDenied) =>
        {
            Exit::Disk
        }
        _ => Exit::Failed,
    };
    let failure = Failure::new(exit, error_chain(error));
    match error {
        StartError::Open(error) if error.is_database_damaged() => failure.with_hint(
            "server.db in the data folder is damaged: keep that folder as it is, and restore the server from a backup \
             (`headwater restore`), or put a copy of the whole data folder in its place",
        ),
        _ => failure,
    }
}

fn log_to_stderr(json: bool) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second initialisation only fails where one is in place already.
    let _ = if json { builder.json().try_init() } else { builder.with_ansi(false).try_init() };
}
