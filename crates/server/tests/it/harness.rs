//! A server on free ports over a temporary folder, and short ways to ask it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use headwater_api::bundle::EnrolBundle;
use headwater_depot::serve::{ListenLimits, ServeLimits, SharedRepositories, listen, router};
use headwater_depot::{FetchSettings, Fetcher, Source, SourceMemory, Walk};
use headwater_identity::StatementKind;
use headwater_policy::{Class, ClientId, Repository};
use headwater_repo::{TargetName, Trusted};
use headwater_server::caller::Caller;
use headwater_server::error::Error;
use headwater_server::fleet::FormerCas;
use headwater_server::{Config, RawConfig, Running, run};
use jiff::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::endpoint::Endpoint;

/// A running server.
pub struct Server {
    pub running: Running,
    pub folder: TempDir,
    pub config: Config,
    http: reqwest::Client,
    /// An admin's.
    pub token: String,
    /// Clients that enrolled, by id.
    clients: tokio::sync::Mutex<BTreeMap<String, Arc<Endpoint>>>,
    /// A plain mirror of what it has published.
    pub mirror_url: String,
    mirror: JoinHandle<()>,
}

/// The moment that tests of jobs begin at.
#[expect(clippy::disallowed_methods, reason = "the server under test reads the clock too")]
pub fn now() -> Timestamp {
    Timestamp::now()
}

impl Server {
    pub async fn start() -> Self {
        Self::start_in(TempDir::new().unwrap()).await
    }

    /// With another configuration.
    pub async fn start_with(configured: impl Fn(&Path) -> Config) -> Self {
        let folder = TempDir::new().unwrap();
        let config = configured(folder.path());
        Self::start_on(folder, config).await
    }

    async fn start_in(folder: TempDir) -> Self {
        let config = config(folder.path());
        Self::start_on(folder, config).await
    }

    /// Starts one in a folder, configured as a test wants it.
    pub async fn start_on(folder: TempDir, config: Config) -> Self {
        headwater_depot::http::install_tls_provider();
        let kept = config.clone();
        let running = run(config, std::future::pending()).await.unwrap();
        let token = token(&running, "harness", "admin").await;
        let (mirror_url, mirror) = mirror(folder.path()).await;
        let http = reqwest::Client::builder();
        let http = match std::fs::read(folder.path().join("console-ca.pem")) {
            Ok(pem) => http.tls_certs_only(reqwest::Certificate::from_pem_bundle(&pem).unwrap()),
            Err(_) => http,
        };
        let clients = tokio::sync::Mutex::default();
        Self {
            running,
            folder,
            config: kept,
            http: http.build().unwrap(),
            token,
            clients,
            mirror_url,
            mirror,
        }
    }

    /// An enrolment bundle.
    pub async fn bundle(&self, request: Value) -> EnrolBundle {
        let bundle = self.ok("POST", "/api/v1/enrol-tokens", Some(request)).await;
        serde_json::from_value(bundle).unwrap()
    }

    /// Stops it and starts another on the same folder.
    pub async fn restart(self) -> Self {
        let config = self.config.clone();
        let folder = self.stop().await;
        Self::start_on(folder, config).await
    }

    pub async fn stop(self) -> TempDir {
        self.running.stop();
        self.running.ended().await;
        self.mirror.abort();
        self.folder
    }

    pub fn repository(&self, repository: impl Into<Repository>) -> PathBuf {
        self.folder.path().join("repository").join(repository.into().as_str())
    }

    /// Asks the console plane; a body is sent as JSON.
    pub async fn ask(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let mut request = self.raw(method.parse().unwrap(), path);
        if let Some(body) = body {
            request = request.json(&body);
        }
        answer(request.send().await.unwrap()).await
    }

    /// Asks and expects success.
    pub async fn ok(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let (status, answer) = self.ask(method, path, body).await;
        assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
        answer
    }

    pub async fn get(&self, path: &str) -> Value {
        self.ok("GET", path, None).await
    }

    /// Asks and expects a refusal; returns its error.
    pub async fn refused(
        &self,
        method: &str,
        path: &str,
        body: Option<Value>,
        status: u16,
        code: &str,
    ) -> Value {
        let (got, answer) = self.ask(method, path, body).await;
        assert_eq!(
            (got, answer["error"]["code"].as_str()),
            (status, Some(code)),
            "{method} {path}: {answer}"
        );
        answer["error"].clone()
    }

    /// Makes another CA of the fleet, beside the former ones; returns its number.
    pub async fn rotate_ca(&self, at: Timestamp) -> Result<u64, Error> {
        self.running.services().fleet.rotate_ca(FormerCas::StayGood, &Caller::server(at)).await
    }

    /// Sets something at a domain in one step; expects success.
    pub async fn set(&self, domain: &str, edit: Value) -> Value {
        let path = format!("/api/v1/domains/{}", domain.replace('/', "%2F"));
        let base_version = self.get(&path).await["saved_version"].clone();
        let request = json!({"edit": edit, "base_version": base_version});
        self.ok("PATCH", &format!("{path}/settings"), Some(request)).await
    }

    /// A client that is enrolled, in a domain if it is new.
    pub async fn client(&self, id: &str, domain: &str) -> Arc<Endpoint> {
        let mut clients = self.clients.lock().await;
        if let Some(client) = clients.get(id) {
            return client.clone();
        }
        // For it alone: it may have been enrolled with another key, before a restart.
        let bundle = self.bundle(json!({"client": id, "domain": domain})).await;
        let mut endpoint = Endpoint::new(id, &bundle);
        let (status, answer) = endpoint.enrol(&bundle).await;
        assert_eq!(status, 200, "{answer}");
        let client = Arc::new(endpoint);
        clients.insert(id.to_owned(), client.clone());
        client
    }

    /// A client has lost its key, or its key is no longer good.
    pub async fn forget(&self, id: &str) {
        self.clients.lock().await.remove(id);
    }

    /// A client that is enrolled states something; who is named by no client's id is client `pc`.
    pub async fn state_as_client(&self, kind: StatementKind, body: Value) -> (u16, Value) {
        let named = body["client"].as_str().filter(|id| id.parse::<ClientId>().is_ok());
        let client = self.client(named.unwrap_or("pc"), "root").await;
        client.state(kind, &body).await
    }

    /// The first root of a repository, as anybody who is to believe it is handed it.
    pub fn root(&self, repository: impl Into<Repository>) -> Value {
        let path = self.repository(repository).join("metadata/1.root.json");
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    }

    /// A request of an admin to the console plane, to be sent as it is.
    pub fn raw(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.anonymous(method, path).bearer_auth(&self.token)
    }

    /// A request of nobody in particular to the console plane.
    pub fn anonymous(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let base = self.running.console_url.trim_end_matches('/');
        self.http.request(method, format!("{base}{path}"))
    }

    pub async fn upload(&self, path: &str, archive: Vec<u8>) -> (u16, Value) {
        let request = self.raw(Method::POST, path).body(archive);
        answer(request.send().await.unwrap()).await
    }

    /// Publishes files as a tar; expects success.
    pub async fn publish(&self, class: &str, name: &str, version: &str, files: &[(&str, &[u8])]) -> Value {
        let path = format!("/api/v1/releases/{class}/{name}?version={version}");
        let (status, answer) = self.upload(&path, tar(files)).await;
        assert_eq!(status, 201, "{answer}");
        answer
    }

    pub async fn check_in(&self, id: &str, domain: &str, address: &str) -> Value {
        let body = json!({
            "client": id, "domain": domain, "addresses": [address], "program": "1", "policy_version": 0, "versions": {}
        });
        let client = self.client(id, domain).await;
        let (status, answer) = client.state(StatementKind::CheckIn, &body).await;
        assert_eq!(status, 200, "{answer}");
        answer
    }

    /// What a client would believe of a class, fetched over HTTP and verified from the first root on.
    pub async fn trusted(&self, repository: impl Into<Repository>, now: Timestamp) -> (Walk, Trusted) {
        let repository = repository.into();
        let root = std::fs::read(self.repository(repository).join("metadata/1.root.json")).unwrap();
        let fetcher = Fetcher::new(FetchSettings::default(), SourceMemory::default()).unwrap();
        let base = self.mirror_url.parse().unwrap();
        let walk = Walk::new(&fetcher, vec![Source::new("server", &base, None, repository)], 0, now);
        let trusted = walk.refresh(&Trusted::from_root(&root).unwrap(), None).await.unwrap().trusted;
        (walk, trusted)
    }

    /// What the clients of a domain get, of both of its documents.
    pub async fn domain(&self, path: &str) -> Option<Value> {
        let typed = self.target(Repository::Policy, &format!("settings/{path}.json")).await;
        let free = self.target(Class::Settings, &format!("domains/{path}.json")).await;
        assert_eq!(typed.is_some(), free.is_some(), "{path}: both documents or none");
        let (mut both, free) = (typed?, free?);
        let (values, files) = (free["values"].clone(), free["files"].clone());
        let (version, typed_version) = (free["version"].clone(), both["version"].clone());
        let fields = both.as_object_mut().unwrap();
        fields.remove("format");
        fields.extend([
            ("values".to_owned(), values),
            ("files".to_owned(), files),
            ("version".to_owned(), version),
            ("typed_version".to_owned(), typed_version),
        ]);
        Some(both)
    }

    /// A signed JSON target, as a client gets it.
    pub async fn target(&self, repository: impl Into<Repository>, name: &str) -> Option<Value> {
        let (walk, trusted) = self.trusted(repository, now()).await;
        let description = trusted.target(&TargetName::new(name).unwrap())?;
        Some(serde_json::from_slice(&walk.target(&description).await.unwrap()).unwrap())
    }
}

/// Makes a token over the local socket, in place of one of that name.
pub async fn token(running: &Running, name: &str, role: &str) -> String {
    let http = local(running);
    let url = "http://localhost/api/v1/tokens";
    let _ = http.delete(format!("{url}/{name}")).send().await.unwrap();
    let request = http.post(url).json(&json!({"name": name, "role": role}));
    let (status, made) = answer(request.send().await.unwrap()).await;
    assert_eq!(status, 201, "{made}");
    made["token"].as_str().unwrap().to_owned()
}

/// Asks over the local socket, whatever the host.
pub fn local(running: &Running) -> reqwest::Client {
    reqwest::Client::builder().unix_socket(running.socket.clone()).build().unwrap()
}

/// Serves a server's repositories by plain HTTP, as any mirror does.
async fn mirror(folder: &Path) -> (String, JoinHandle<()>) {
    let site = SharedRepositories::new(ServeLimits::default());
    for name in Repository::ALL {
        site.share(name, folder.join("repository").join(name.as_str()));
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serving = listen(router(site), listener, ListenLimits::default(), std::future::pending());
    (url, tokio::spawn(serving))
}

pub fn config(folder: &Path) -> Config {
    let raw = RawConfig {
        data: Some(folder.to_owned()),
        fleet_listen: Some("127.0.0.1:0".parse().unwrap()),
        console_listen: Some("127.0.0.1:0".parse().unwrap()),
        upload_mib_max: Some(8),
        reports_mib_max: Some(2),
        ..RawConfig::default()
    };
    // A busy machine would leave nothing to threads that give way.
    Config { deltas_niceness: 0, ..Config::try_from(raw).unwrap() }
}

pub async fn answer(response: reqwest::Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let bytes = response.bytes().await.unwrap();
    if bytes.is_empty() {
        return (status, Value::Null);
    }
    let text = || String::from_utf8_lossy(&bytes).into_owned();
    (status, serde_json::from_slice(&bytes).unwrap_or_else(|_| Value::String(text())))
}

/// A tar of regular files.
pub fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, content) in files {
        add(&mut builder, path, tar::EntryType::Regular, content);
    }
    builder.into_inner().unwrap()
}

/// Adds an entry, whatever its name is.
pub fn add(builder: &mut tar::Builder<Vec<u8>>, path: &str, kind: tar::EntryType, content: &[u8]) {
    let mut header = tar::Header::new_ustar();
    header.as_mut_bytes()[..path.len()].copy_from_slice(path.as_bytes());
    header.set_entry_type(kind);
    header.set_mode(0o755);
    header.set_size(content.len() as u64);
    header.set_cksum();
    builder.append(&header, content).unwrap();
}

/// An entry of the source list.
pub fn entry(range: &str, url: &str) -> Value {
    json!({"clients": {"ipv4": range}, "source": {"url": url}})
}

pub fn add_edit(range: &str, url: &str) -> Value {
    json!({"op": "add", "entry": entry(range, url)})
}

/// Every file below a folder.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found
}

/// As long as a test waits for a state that is to come. Shorter than the server gives to who says nothing, so that nothing is
/// waited for that only this time-out brings.
const WAIT_MAX: Duration = Duration::from_secs(30);
const _: () = assert!(WAIT_MAX.as_secs() < headwater_server::limits::LOCAL_HEADER_TIMEOUT.as_secs());

/// Waits for what is to come; fails, saying what, when it does not.
pub async fn in_time<T>(what: &str, coming: impl Future<Output = T>) -> T {
    let come = tokio::time::timeout(WAIT_MAX, coming).await;
    come.unwrap_or_else(|_| panic!("waited without success: {what}"))
}

/// Waits until a state that the server announces is so.
pub async fn until<T>(what: &str, state: &mut watch::Receiver<T>, is_so: impl FnMut(&T) -> bool) {
    drop(in_time(what, state.wait_for(is_so)).await.expect("the server is there"));
}

/// Moves the clock of the test and of the server forward at once: what is due until then is due now.
pub async fn skip_time(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

/// Leaves a connection, and returns once the server has closed it too: its place is free.
pub async fn leave(mut stream: TcpStream) {
    stream.shutdown().await.unwrap();
    // What the server says to it is nobody's concern, nor how it ends.
    let _ = stream.read_to_end(&mut Vec::new()).await;
}
