//! Talking to the server's console listener: one place for addresses, time-outs and refusals.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use headwater_api::v1::ErrorAnswer;
use headwater_server::secret::Secret;
use reqwest::{Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::credentials::{Credentials, Login};
use crate::failure::{Exit, Failure};
use crate::limits::CONNECT_TIMEOUT_SECONDS;
use headwater_repo::error_chain;

/// Folder of the server where nobody says another: that of the service.
const DATA_DEFAULT: &str = "/var/lib/headwater";

/// Where the server is.
#[derive(Debug, Clone, Default, Args)]
pub struct ServerLocation {
    /// The server's console listener, or unix:PATH for its local socket [default: the socket of the server on this
    /// machine, or where `headwater login` was]
    #[arg(id = "server_url", long = "server", value_name = "URL", env = "HEADWATER_SERVER", global = true)]
    pub url: Option<String>,
    /// Data folder of a server on this machine, whose local socket is asked [default: /var/lib/headwater]
    #[arg(id = "server_data", long = "data", value_name = "DIR", env = "HEADWATER_DATA", global = true)]
    pub data: Option<PathBuf>,
}

impl ServerLocation {
    /// A server by its URL, or `unix:PATH`.
    pub fn at(url: &str) -> Self {
        Self { url: Some(url.to_owned()), data: None }
    }

    /// The local socket of a server.
    pub fn socket(path: &Path) -> Self {
        Self::at(&format!("{SOCKET_SCHEME}{}", path.display()))
    }
}

/// What an address of a local socket begins with.
const SOCKET_SCHEME: &str = "unix:";

/// The server's API.
#[derive(Debug, Clone)]
pub struct Console {
    /// As people name it.
    name: String,
    base: String,
    http: reqwest::Client,
    token: Option<Secret>,
}

/// Where requests go to.
struct Target {
    name: String,
    base: String,
    socket: Option<PathBuf>,
    login: Option<Login>,
}

impl Console {
    /// Checks the address; nothing is sent yet. From elsewhere the token is that of `headwater login`, or of the
    /// environment variable HEADWATER_TOKEN.
    pub fn new(location: &ServerLocation) -> Result<Self, Failure> {
        let target = target(location)?;
        let http = builder(target.login.as_ref().and_then(|login| login.ca.as_deref()))?;
        let http = match &target.socket {
            Some(path) => http.unix_socket(path.clone()),
            None => http,
        };
        let token = std::env::var("HEADWATER_TOKEN").ok().filter(|token| !token.is_empty());
        let token = token.or(target.login.map(|login| login.token)).filter(|_| target.socket.is_none());
        let Target { name, base, .. } = target;
        let console = Self { name, base, http: build(http)?, token: token.map(Secret::new) };
        if console.token.is_some() {
            console.refuse_in_the_clear("the token")?;
        }
        Ok(console)
    }

    /// A server by its URL, with certificates to verify its own with; nobody is signed in.
    pub fn unknown_client(url: &str, ca: Option<&str>) -> Result<Self, Failure> {
        let base = check_url(url)?;
        let http = build(builder(ca)?)?;
        Ok(Self { name: base.clone(), base, http, token: None })
    }

    /// The URL, as the login is kept under.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// What a browser says that its pages come from, when they are the console's own.
    pub fn origin(&self) -> String {
        reqwest::Url::parse(&self.base).map(|url| url.origin().ascii_serialization()).unwrap_or_default()
    }

    /// Refuses to send a secret that others on the way could read.
    pub fn refuse_in_the_clear(&self, what: &str) -> Result<(), Failure> {
        if !self.base.starts_with("http://") || self.is_loopback() {
            return Ok(());
        }
        Err(Failure::bad_input(format!("{} would carry {what} in the clear", self.base))
            .with_hint("use https://, or a tunnel to the server's loopback"))
    }

    /// Whether what is sent stays on this machine.
    fn is_loopback(&self) -> bool {
        let url = reqwest::Url::parse(&self.base).ok();
        let host = url.as_ref().and_then(|url| url.host_str()).unwrap_or_default();
        let literal = host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || literal.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    /// Asks.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.receive(self.request(Method::GET, path)?).await
    }

    /// Sends a message and takes the answer.
    pub async fn call<B: Serialize + ?Sized, T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &B,
    ) -> Result<T, Failure> {
        self.receive(self.request(method, path)?.json(body)).await
    }

    /// Sends a message without a body and takes the answer.
    pub async fn ask<T: DeserializeOwned>(&self, method: Method, path: &str) -> Result<T, Failure> {
        self.receive(self.request(method, path)?).await
    }

    /// Sends a message and takes an answer of any length in chunks.
    pub async fn download<B: Serialize + ?Sized>(
        &self,
        method: Method,
        path: &str,
        body: &B,
    ) -> Result<Download, Failure> {
        let response = self.send(self.request(method, path)?.json(body)).await?;
        Ok(Download { response, console: self.clone() })
    }

    /// Streams a body up and takes the answer.
    pub async fn upload<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, String)],
        body: reqwest::Body,
    ) -> Result<T, Failure> {
        let request = self
            .request(Method::POST, path)?
            .query(query)
            .header("content-type", "application/octet-stream")
            .body(body);
        self.receive(request).await
    }

    /// A request, with the token if there is one. A path that would lead elsewhere is refused.
    pub fn request(&self, method: Method, path: &str) -> Result<reqwest::RequestBuilder, Failure> {
        if let Some(word) = astray(path) {
            return Err(Failure::bad_input(format!("`{word}` is no name or id of anything")));
        }
        let request = self.http.request(method, format!("{}{path}", self.base));
        Ok(match &self.token {
            Some(token) => request.bearer_auth(token.expose()),
            None => request,
        })
    }

    /// Sends a request and reads its answer.
    pub async fn receive<T: DeserializeOwned>(&self, request: reqwest::RequestBuilder) -> Result<T, Failure> {
        let response = self.send(request).await?;
        let bytes = response.bytes().await.map_err(|error| self.broke_off(&error))?;
        let bytes = if bytes.is_empty() { b"null".as_slice().into() } else { bytes };
        serde_json::from_slice(&bytes).map_err(|error| {
            Failure::failed(format!("the server at {} answered what this program does not understand: {error}", self.name))
                .with_hint("check that --server names the console listener, and that both programs have the same version")
        })
    }

    /// Sends a request; a refusal is a failure.
    pub async fn send(&self, request: reqwest::RequestBuilder) -> Result<reqwest::Response, Failure> {
        let response = request.send().await.map_err(|error| {
            if error.is_connect() || error.is_timeout() {
                Failure::failed(format!("no server answers at {}: {}", self.name, root_cause(&error)))
                    .with_hint(no_answer(&error))
            } else {
                self.broke_off(&error)
            }
        })?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let body = response.bytes().await.unwrap_or_default();
        Err(self.refusal(status, &body))
    }

    fn broke_off(&self, error: &reqwest::Error) -> Failure {
        Failure::failed(format!("the server at {} broke off: {}", self.name, error_chain(error)))
            .with_hint("look at the server's log, then run it again")
    }

    fn refusal(&self, status: StatusCode, body: &[u8]) -> Failure {
        let exit = match status.as_u16() {
            400 | 404 | 413 | 422 => Exit::BadInput,
            507 => Exit::Disk,
            _ => Exit::Failed,
        };
        let Ok(ErrorAnswer { error }) = serde_json::from_slice(body) else {
            return Failure::new(exit, format!("the server at {} refused: HTTP {status}", self.name))
                .with_hint("check that --server names the console listener, and that both programs have the same version");
        };
        let hint = hint(&error.code, error.details.as_ref());
        let (message, problems) = apart(error.message, problems(error.details.as_ref()));
        let failure = Failure::new(exit, message).with_problems(problems).with_hint(hint);
        Failure { code: Some(error.code), ..failure }
    }
}

/// An answer that arrives.
#[derive(Debug)]
pub struct Download {
    response: reqwest::Response,
    console: Console,
}

impl Download {
    /// The next bytes; none at the end. An answer that breaks off is a failure.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        let chunk = self.response.chunk().await.map_err(|error| self.console.broke_off(&error))?;
        Ok(chunk.map(|chunk| chunk.to_vec()))
    }
}

fn target(location: &ServerLocation) -> Result<Target, Failure> {
    let socket = |path: PathBuf| Target {
        name: format!("{SOCKET_SCHEME}{}", path.display()),
        base: "http://localhost".to_owned(),
        socket: Some(path),
        login: None,
    };
    let in_folder = |folder: &Path| socket(folder.join("console.sock"));
    let url = match (&location.url, &location.data) {
        (Some(url), _) => url.clone(),
        (None, Some(folder)) => return Ok(in_folder(folder)),
        (None, None) => match Credentials::read()?.default {
            Some(url) => url,
            None => return Ok(in_folder(Path::new(DATA_DEFAULT))),
        },
    };
    if let Some(path) = url.strip_prefix(SOCKET_SCHEME) {
        return Ok(socket(PathBuf::from(path)));
    }
    let base = check_url(&url)?;
    let login = Credentials::read()?.servers.remove(&base);
    Ok(Target { name: base.clone(), base, socket: None, login })
}

/// A server's URL, written in the one way that its login is kept under.
pub fn check_url(url: &str) -> Result<String, Failure> {
    let parsed = reqwest::Url::parse(url)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    match parsed {
        Some(url) => Ok(url.as_str().trim_end_matches('/').to_owned()),
        None => Err(Failure::bad_input(format!("the server's address `{url}` is not an http or https URL"))
            .with_hint(
                "give --server URL or HEADWATER_SERVER, such as https://headwater.example:8470, or unix:PATH",
            )),
    }
}

fn builder(ca: Option<&str>) -> Result<reqwest::ClientBuilder, Failure> {
    let http = reqwest::Client::builder()
        .connect_timeout(Duration::from_secs(CONNECT_TIMEOUT_SECONDS))
        // A redirect could lead the token elsewhere.
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("headwater/", env!("CARGO_PKG_VERSION")));
    let Some(ca) = ca else { return Ok(http) };
    let certificates = reqwest::Certificate::from_pem_bundle(ca.as_bytes()).map_err(|error| {
        Failure::bad_input(format!("the CA's certificates cannot be read: {}", error_chain(&error)))
            .with_hint("give a PEM file with --ca")
    })?;
    Ok(http.tls_certs_only(certificates))
}

fn build(http: reqwest::ClientBuilder) -> Result<reqwest::Client, Failure> {
    http.build().map_err(|error| Failure::failed(format!("cannot set up HTTP: {}", error_chain(&error))))
}

/// What to do where no server answers.
fn no_answer(error: &reqwest::Error) -> String {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        if error
            .downcast_ref::<std::io::Error>()
            .is_some_and(|error| error.kind() == std::io::ErrorKind::PermissionDenied)
        {
            return "the local socket is for the server's own user and root: use sudo, or sign in with `headwater login URL`"
                .to_owned();
        }
        cause = error.source();
    }
    "start one with `headwater server --data DIR`, or say where it is with --data DIR, --server URL or HEADWATER_SERVER"
        .to_owned()
}

/// What went wrong at the bottom, without the layers above it.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

/// What to do about a refusal, in the words of this program; empty where the message says it.
fn hint(code: &str, details: Option<&serde_json::Value>) -> String {
    let detail = |key: &str| {
        let text = details.and_then(|details| details.get(key)).and_then(serde_json::Value::as_str);
        text.map(str::to_owned)
    };
    match (code, detail("domain")) {
        ("draft_outdated", Some(domain)) => match detail("draft") {
            None => format!("look at what changed; if you still want it, run it again, or with --base-version {}", version(details)),
            Some(draft) => {
                let named = if draft == "default" { String::new() } else { format!(" --draft {draft}") };
                format!("look at what changed; then `headwater domains settings save {domain}{named} --over-version {}` keeps your draft, `headwater domains settings discard {domain}{named}` theirs", version(details))
            }
        },
        ("draft_changed", Some(domain)) => format!("somebody edits the same draft: look at it with `headwater domains settings diff {domain}`, or use one of your own with --draft NAME"),
        ("draft_outdated", None) => {
            let version = version(details);
            format!("look at what changed; then `headwater sources save --over-version {version}` keeps your draft, `headwater sources discard` theirs")
        }
        ("draft_changed", None) => "somebody edits the same draft: look at it with `headwater sources list`, or use one of your own with --draft NAME".to_owned(),
        ("named_by_entries", _) => "--force does it all the same".to_owned(),
        ("not_signed_in" | "bad_api_token", _) => {
            "sign in with `headwater login URL`, or run it on the server's own machine".to_owned()
        }
        _ => String::new(),
    }
}

/// The saved version that the details of an error name.
fn version(details: Option<&serde_json::Value>) -> String {
    let saved = details.and_then(|details| details.get("saved_version")).and_then(serde_json::Value::as_u64);
    saved.map_or_else(|| "VERSION".to_owned(), |version| version.to_string())
}

/// A message that already holds its problems, without them; a single problem stays in the message.
fn apart(message: String, problems: Vec<String>) -> (String, Vec<String>) {
    match problems.as_slice() {
        [] => (message, problems),
        [only] if message.contains(only) => (message, Vec::new()),
        [first, ..] if message.starts_with(first.as_str()) => {
            ("the input cannot be taken".to_owned(), problems)
        }
        [first, ..] => match message.find(&format!(": {first}")) {
            Some(at) => (message[..at].to_owned(), problems),
            None => (message, problems),
        },
    }
}

/// The single problems in the details of an error: of entries, of changes, or of numbers.
fn problems(details: Option<&serde_json::Value>) -> Vec<String> {
    let list = |key: &str| {
        details
            .and_then(|details| details.get(key))
            .and_then(serde_json::Value::as_array)
            .cloned()
            .unwrap_or_default()
    };
    let text = |value: &serde_json::Value, key: &str| {
        value.get(key).and_then(serde_json::Value::as_str).unwrap_or_default().to_owned()
    };
    let of_entries = list("problems").into_iter().map(|problem| {
        match problem.get("entry").and_then(serde_json::Value::as_u64) {
            Some(entry) => format!("entry {entry}: {}", text(&problem, "message")),
            None => text(&problem, "message"),
        }
    });
    let of_changes = list("changes").into_iter().map(|change| text(&change, "text"));
    of_entries.chain(of_changes).filter(|problem| !problem.is_empty()).collect()
}

/// A segment that is nothing, or that stands for this or the upper folder: the URL would be another thing's.
fn astray(path: &str) -> Option<&str> {
    let path = path.split('?').next().unwrap_or_default();
    path.split('/').skip(1).find(|segment| matches!(*segment, "" | "." | ".."))
}

/// One segment of a path, percent-encoded.
pub fn segment(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::{Console, apart, astray, segment};

    #[test]
    fn however_it_is_written_a_server_has_one_url_and_one_origin() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let check = |url: &str, base: &str, origin: &str| {
            let console = Console::unknown_client(url, None).unwrap();
            assert_eq!((console.base(), console.origin().as_str()), (base, origin));
        };
        let plain = "https://headwater.example";
        check("https://headwater.example", plain, plain);
        check("HTTPS://Headwater.Example:443/", plain, plain);
        check(
            "https://headwater.example:8470//",
            "https://headwater.example:8470",
            "https://headwater.example:8470",
        );
        check("http://[::1]:8470", "http://[::1]:8470", "http://[::1]:8470");
        check("https://headwater.example/console/", "https://headwater.example/console", plain);
        assert!(Console::unknown_client("headwater.example:8470", None).is_err());
    }

    #[test]
    fn a_problem_is_told_once() {
        let check = |message: &str, problems: &[&str], expected: &str, left: usize| {
            let problems = problems.iter().map(|problem| (*problem).to_owned()).collect();
            let (message, problems) = apart(message.to_owned(), problems);
            assert_eq!((message.as_str(), problems.len()), (expected, left));
        };
        check("no such list", &[], "no such list", 0);
        check(
            "the list cannot be taken: entry 2: bad",
            &["entry 2: bad"],
            "the list cannot be taken: entry 2: bad",
            0,
        );
        check("the list cannot be taken: a; b", &["a", "b"], "the list cannot be taken", 2);
        check("a; b", &["a", "b"], "the input cannot be taken", 2);
        check("it changed meanwhile", &["added entry 1"], "it changed meanwhile", 1);
    }

    #[test]
    fn a_segment_stays_one_segment() {
        assert_eq!(segment("root/paris"), "root%2Fparis");
        assert_eq!(segment("pc-17.é"), "pc-17.%C3%A9");
        for name in ["", ".", ".."] {
            assert_eq!(astray(&format!("/api/v1/domains/{}/drafts?x=/./", segment(name))), Some(name));
            assert_eq!(astray(&format!("/api/v1/clients/{}", segment(name))), Some(name));
        }
        assert_eq!(astray(&format!("/api/v1/clients/{}?a=..", segment("a/../b"))), None);
    }
}
