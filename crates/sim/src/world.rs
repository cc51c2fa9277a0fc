//! A small organisation: a server, and around it update agents, clients and sources, each on a host of its own.
//!
//! A test is a closure given to [`scenario`]. The server is started with the world; everything else is added by the
//! test. Administration goes through `headwater` on the server's host, as an administrator would.

mod endpoint;
mod source;

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use headwater_api::policy::{
    EntryDocument, LocationDocument, OptionsDocument, PolicyDocument, SelectorDocument, SourceDocument,
};
use serde_json::Value;
use tempfile::TempDir;

pub use endpoint::{Endpoint, Run};
pub use source::FaultySource;

use crate::mirror;
use crate::network::{self, Host, Network};
use crate::process::{self, Process, tail};

/// Where the server is: one address of each family.
pub const SERVER_ADDRESSES: [&str; 2] = ["10.0.0.1", "fd00::1"];
const FLEET_PORT: u16 = 8471;

/// A running organisation.
#[derive(Debug)]
pub struct World {
    server_process: Option<Process>,
    server_host: Host,
    server_url: String,
    network: Network,
    folder: TempDir,
}

/// How the world is set up.
#[derive(Debug, Clone, Copy, Default)]
pub struct Setup {
    /// The server's URL is its IPv6 address, not its IPv4 address.
    pub server_by_ipv6: bool,
}

/// Runs a scenario in a world of its own; where no hosts can be made it is skipped with a message.
///
/// # Panics
/// When the scenario fails; the logs of all programs are shown before. Also when it would be skipped and
/// `HEADWATER_REQUIRE_NAMESPACES` is 1.
pub fn scenario(run: impl FnOnce(&mut World) -> Result<()>) {
    scenario_with(Setup::default(), run);
}

/// [`scenario`] with another set-up.
///
/// # Panics
/// As [`scenario`].
pub fn scenario_with(setup: Setup, run: impl FnOnce(&mut World) -> Result<()>) {
    if !network::may_make_hosts() {
        return;
    }
    let mut world =
        World::new(setup).unwrap_or_else(|error| panic!("the world could not be made: {error:#}"));
    let shown = Logs(world.logs());
    if let Err(error) = run(&mut world) {
        drop(shown);
        panic!("{error:#}");
    }
    std::mem::forget(shown);
}

/// Shows the logs when dropped: when a scenario fails or panics.
struct Logs(PathBuf);

impl Drop for Logs {
    fn drop(&mut self) {
        show_logs(&self.0);
    }
}

impl World {
    fn new(setup: Setup) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("headwater-world-").tempdir()?;
        fs::create_dir(folder.path().join("logs"))?;
        let network = Network::new()?;
        let addresses: Vec<IpAddr> =
            SERVER_ADDRESSES.iter().map(|it| it.parse()).collect::<Result<_, _>>()?;
        let server_host = network.host("server", &addresses)?;
        let server_url = SocketAddr::new(addresses[usize::from(setup.server_by_ipv6)], FLEET_PORT);
        let server_url = format!("https://{server_url}");
        let mut world = Self { server_process: None, server_host, server_url, network, folder };
        world.start_server()?;
        Ok(world)
    }

    /// Starts the server; returns when it listens.
    ///
    /// # Errors
    /// It does not.
    pub fn start_server(&mut self) -> Result<()> {
        let mut command = self.server_host.command(&process::program("headwater")?);
        command.arg("server").arg("--data").arg(self.server_data());
        command.args(["--fleet-listen", &format!(":{FLEET_PORT}"), "--fleet-url", &self.server_url]);
        // One that was killed leaves it behind.
        let socket = self.server_data().join("console.sock");
        let _ = fs::remove_file(&socket);
        let mut process = Process::start("the server", command, &self.log("server"))?;
        for port in [FLEET_PORT, 8470] {
            let address = SocketAddr::new(self.server_host.addresses()[0], port);
            mirror::wait_for_listener(&self.server_host, address, &mut process)?;
        }
        crate::wait::until("the console's socket", crate::limits::START_WAIT_MAX, || {
            process.check_running()?;
            Ok(socket.exists().then_some(()))
        })?;
        self.server_process = Some(process);
        Ok(())
    }

    /// Kills the server: connections to it are refused from now on.
    pub fn stop_server(&mut self) {
        self.server_process = None;
    }

    /// Lets days pass while everything is off: the server is started again; start again also what else must go on.
    ///
    /// # Errors
    /// The server does not start.
    pub fn pass_days(&mut self, days: u32) -> Result<()> {
        self.stop_server();
        self.network.clock().pass(days);
        self.start_server()
    }

    /// The server's host.
    pub fn server_host(&self) -> &Host {
        &self.server_host
    }

    /// The server's data folder.
    pub fn server_data(&self) -> PathBuf {
        self.folder.path().join("server")
    }

    /// Base URL of the server's fleet listener.
    pub fn server_url(&self) -> &str {
        &self.server_url
    }

    /// A folder for the test's own files.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Runs `headwater … --json` on the server's host.
    ///
    /// # Errors
    /// It fails; its output is in the error.
    pub fn headwater(&self, arguments: &[&str]) -> Result<Value> {
        let mut command = self.server_host.command(&process::program("headwater")?);
        command.args(arguments).arg("--json").env("HEADWATER_DATA", self.server_data());
        let log = self.log("headwater");
        let ended = process::run("headwater", command, &log)?;
        if ended.code != Some(0) {
            bail!(
                "`headwater {}` ended with {:?}: {}\n{}",
                arguments.join(" "),
                ended.code,
                ended.stdout,
                tail(&log)
            );
        }
        serde_json::from_str(&ended.stdout)
            .with_context(|| format!("`headwater {}` printed no JSON: {}", arguments.join(" "), ended.stdout))
    }

    /// Publishes a component of these files.
    ///
    /// # Errors
    /// It is not published.
    pub fn publish(&self, name: &str, version: &str, files: &[(&str, Vec<u8>)]) -> Result<()> {
        let folder = self.folder.path().join(format!("release-{name}-{version}"));
        for (path, content) in files {
            let path = folder.join(path);
            fs::create_dir_all(path.parent().context("a file lies in a folder")?)?;
            fs::write(path, content)?;
        }
        self.headwater(&["publish", &folder.display().to_string(), "--name", name, "--version", version])?;
        Ok(())
    }

    /// Saves a source list in customized mode, one entry a line: `SELECTOR SOURCE [CLASS,CLASS]`, where a selector is an IPv4
    /// range or an IPv6 prefix or both with a comma, and a source `update_agent:ID`, `url:URL` or `vendor`.
    ///
    /// # Errors
    /// It is not saved.
    pub fn save(&self, lines: &str, options: OptionsDocument) -> Result<()> {
        let entries =
            lines.lines().map(str::trim).filter(|line| !line.is_empty()).map(entry).collect::<Result<_>>()?;
        let document = PolicyDocument {
            mode: "customized".to_owned(),
            options,
            server: LocationDocument { url: self.server_url.clone() },
            vendor: None,
            update_agents: Vec::new(),
            own_components: Vec::new(),
            entries,
        };
        let file = self.folder.path().join("policy.json");
        fs::write(&file, serde_json::to_vec_pretty(&document)?)?;
        self.headwater(&["sources", "import", &file.display().to_string()])?;
        self.headwater(&["sources", "save"])?;
        Ok(())
    }

    /// A client on a host of its own, with an enrolment bundle of the policy as it is now.
    ///
    /// # Errors
    /// The host or the bundle cannot be made.
    pub fn client(&self, id: &str, addresses: &[&str]) -> Result<Endpoint> {
        let data = self.folder.path().join(id);
        fs::create_dir_all(&data)?;
        let bundle = self.folder.path().join(format!("{id}-bundle.json"));
        self.headwater(&[
            "clients",
            "enrol-bundle",
            "--domain",
            "root",
            "--out",
            &bundle.display().to_string(),
        ])?;
        Ok(Endpoint::new(id, self.host(id, addresses)?, data, bundle, self.log(id)))
    }

    /// A machine that was made from an image of a client's: one identity, another host.
    ///
    /// # Errors
    /// The host cannot be made, or the folder not copied.
    pub fn copy_of(&self, client: &Endpoint, name: &str, addresses: &[&str]) -> Result<Endpoint> {
        client.copied(self.host(name, addresses)?, self.folder.path().join(name), self.log(name))
    }

    /// A client with the role of update agent for all classes, which has updated and serves.
    ///
    /// # Errors
    /// It does not come so far.
    pub fn update_agent(&self, id: &str, addresses: &[&str]) -> Result<Endpoint> {
        let mut agent = self.client(id, addresses)?;
        agent.update()?;
        let mut words = vec!["update-agents", "give", id];
        words.extend(addresses.iter().flat_map(|address| ["--address", *address]));
        self.headwater(&words)?;
        agent.start_daemon()?;
        Ok(agent)
    }

    /// An update source that misbehaves on command, passing on what the server has published; at port 80.
    ///
    /// # Errors
    /// It does not start.
    pub fn faulty_source(&self, name: &str, address: &str) -> Result<FaultySource> {
        self.faulty_folder(name, address, &mirror::of_server(&self.server_data()))
    }

    /// The same, giving out a folder.
    ///
    /// # Errors
    /// It does not start.
    pub fn faulty_folder(&self, name: &str, address: &str, folder: &Path) -> Result<FaultySource> {
        FaultySource::of_folder(self.host(name, &[address])?, folder, self.folder.path(), name)
    }

    /// A copy of what the server has published so far.
    ///
    /// # Errors
    /// It cannot be copied.
    pub fn copy_repository(&self, name: &str) -> Result<PathBuf> {
        let copy = self.folder.path().join(name);
        mirror::copy(&mirror::of_server(&self.server_data()), &copy)?;
        Ok(copy)
    }

    /// A host with nothing on it.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn host(&self, name: &str, addresses: &[&str]) -> Result<Host> {
        let addresses: Vec<IpAddr> = addresses.iter().map(|it| it.parse()).collect::<Result<_, _>>()?;
        self.network.host(name, &addresses)
    }

    /// Where a program's log is.
    pub fn log(&self, name: &str) -> PathBuf {
        self.logs().join(format!("{name}.log"))
    }

    fn logs(&self) -> PathBuf {
        self.folder.path().join("logs")
    }
}

/// One line of [`World::save`].
fn entry(line: &str) -> Result<EntryDocument> {
    let mut words = line.split_whitespace();
    let (selector, source) = (words.next().context("a selector")?, words.next().context("a source")?);
    let classes = words.next().map(|classes| classes.split(',').map(str::to_owned).collect());
    let mut clients = SelectorDocument::default();
    for part in selector.split(',') {
        let side = if part.contains(':') { &mut clients.ipv6 } else { &mut clients.ipv4 };
        *side = Some(part.to_owned());
    }
    let source = match source.split_once(':') {
        Some(("update_agent", id)) => SourceDocument::UpdateAgent(id.to_owned()),
        Some(("url", url)) => SourceDocument::Url { url: url.to_owned(), classes },
        None if source == "vendor" => SourceDocument::Vendor,
        _ => bail!("`{source}` is no source"),
    };
    Ok(EntryDocument { clients, source })
}

fn show_logs(folder: &Path) {
    let mut logs: Vec<PathBuf> =
        fs::read_dir(folder).into_iter().flatten().flatten().map(|it| it.path()).collect();
    logs.sort();
    for log in logs {
        eprintln!("--- {}\n{}", log.file_name().unwrap_or_default().to_string_lossy(), tail(&log));
    }
}
