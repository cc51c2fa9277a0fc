//! `headwater demo`: arguments, and what the demo needs of this program.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueHint};
use futures_util::future::BoxFuture;
use headwater_api::policy::PolicyDocument;
use headwater_demo::limits::{CLIENTS_MAX, UPDATE_AGENTS_MAX};
use headwater_demo::{Error, ErrorKind, Host, Method, Options, Paint, RequestBody, Transport};
use serde_json::Value;

use crate::api_client::{ApiClient, ServerLocation, segment};
use crate::sources::show;
use crate::terminal::failure::{Exit, Failure};
use crate::terminal::output::Output;
use crate::terminal::stop::stop_signal;
use crate::values::parse_seconds;

const EXAMPLES: &str = "\
Examples:
  headwater demo                                   6 clients, 2 update agents, 3 sites; until Ctrl-C
  headwater demo --exit --json                     once, with the result as one JSON object
  headwater demo --clients 50 --update-agents 5
  headwater demo --feed ./feed --exit              each folder in ./feed is a component; each file or folder in
                                                   it is a release, in order of name

The demo stays on this machine: it uses addresses 127.x.x.x and ::1, and one folder, which it removes at the end unless
you name it with --data.";

/// Run a whole fleet on this machine and show what each client does
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct DemoArguments {
    /// Clients, update agents not counted
    #[arg(long, default_value_t = 6, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(CLIENTS_MAX)))]
    clients: u32,
    /// Update agents, each with a site of its own
    #[arg(long, default_value_t = 2, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=i64::from(UPDATE_AGENTS_MAX)))]
    update_agents: u32,
    /// Publish the releases in this folder instead of generated rules
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    feed: Option<PathBuf>,
    /// Keep everything in this folder, which must be empty or missing
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    data: Option<PathBuf>,
    /// Stop when all clients are current; exit 1 if that takes longer than --timeout
    #[arg(long)]
    exit: bool,
    /// Time until all clients must be current, such as 90s or 15m
    #[arg(long, value_name = "TIME", default_value = "15m", value_parser = parse_seconds, value_hint = ValueHint::Other)]
    timeout: u32,
}

/// Runs the demo.
pub async fn run(arguments: DemoArguments, output: Output) -> Result<Exit, Failure> {
    let options = Options {
        clients: arguments.clients,
        update_agents: arguments.update_agents,
        feed: arguments.feed,
        data: arguments.data,
        exit: arguments.exit,
        timeout: Duration::from_secs(arguments.timeout.into()),
    };
    let totals = headwater_demo::run(options, Arc::new(Terminal { output })).await.map_err(failure)?;
    output.result(&totals, |totals| format!("\n{}", headwater_demo::ending(totals, paint(output))));
    Ok(if totals.is_complete() { Exit::Done } else { Exit::Failed })
}

fn paint(output: Output) -> Paint {
    Paint { on: output.has_colour() }
}

fn failure(error: Error) -> Failure {
    let exit = match error.kind {
        ErrorKind::Failed => Exit::Failed,
        ErrorKind::BadInput => Exit::BadInput,
        ErrorKind::Disk => Exit::Disk,
    };
    Failure::new(exit, error.message).with_hint(error.hint)
}

/// This program as the demo's host.
struct Terminal {
    output: Output,
}

impl Host for Terminal {
    fn connect(&self, socket: &Path) -> headwater_demo::Result<Box<dyn Transport>> {
        let api = ApiClient::new(&ServerLocation::socket(socket)).map_err(demo_error)?;
        Ok(Box::new(LocalServer { api }))
    }

    fn line(&self, text: &str) {
        self.output.line(text);
    }

    fn note(&self, text: &str) {
        self.output.note(text);
    }

    fn source_list(&self, policy: &PolicyDocument) -> String {
        show::list(policy)
    }

    fn paint(&self) -> Paint {
        paint(self.output)
    }

    fn stopped(&self) -> BoxFuture<'static, ()> {
        Box::pin(stop_signal())
    }
}

/// The demo's server.
struct LocalServer {
    api: ApiClient,
}

impl Transport for LocalServer {
    fn send<'a>(
        &'a self,
        method: Method,
        path: &'a str,
        query: &'a [(&'a str, String)],
        body: RequestBody,
    ) -> BoxFuture<'a, headwater_demo::Result<Value>> {
        let method = match method {
            Method::Get => reqwest::Method::GET,
            Method::Post => reqwest::Method::POST,
            Method::Put => reqwest::Method::PUT,
        };
        Box::pin(async move {
            let answer = match body {
                RequestBody::Empty => self.api.ask(method, path).await,
                RequestBody::Json(message) => self.api.call(method, path, &message).await,
                RequestBody::Bytes(bytes) => self.api.upload(path, query, bytes.into()).await,
            };
            answer.map_err(demo_error)
        })
    }

    fn segment(&self, text: &str) -> String {
        segment(text)
    }
}

fn demo_error(failure: Failure) -> Error {
    Error::failed(failure.message).with_hint(failure.hint)
}
