//! `headwater demo`: a whole fleet in one process, on this machine alone.
//!
//! Steps: a vendor source and a server start; the vendor publishes, the server takes it over; update agents and
//! clients start at their sites; the source list is saved; everybody updates, update agents first, publication
//! after publication, while the vendor makes deltas beside that. What each did is told from its own report. Then it goes on until Ctrl-C.

pub mod feed;
mod fleet;
mod journal;
mod publications;
mod sites;
mod story;
mod totals;
mod vendor;

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use headwater_api::plan::PlanDocument;
use headwater_api::report::Report;
use headwater_api::v1::Draft;
use headwater_server::Running;
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use self::fleet::Fleet;
use self::journal::Journal;
use self::publications::{NewRelease, Publication};
use self::sites::{Member, Site};
use self::story::Story;
use self::totals::{Expected, Totals};
use self::vendor::{Making, Packed, Vendor};
use crate::api_client::{ApiClient, ServerLocation};
use crate::limits::{DEMO_CLIENTS_MAX, DEMO_DELTAS_WAIT, DEMO_UPDATE_AGENTS_MAX};
use crate::server::start_in_process;
use crate::sources::show;
use crate::terminal::failure::{Exit, Failure};
use crate::terminal::output::{Output, bytes, counted};
use crate::terminal::stop::stop_signal;
use crate::values::parse_seconds;

/// Publications told client by client at the start; of a long feed the rest is told site by site.
const TOLD_SINGLY_FIRST: usize = 2;
/// How often clients look again once everything is published.
const POLL_INTERVAL: Duration = Duration::from_secs(5);
/// How long to wait before those that are not current try again.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

const EXAMPLES: &str = "\
Examples:
  headwater demo                                   6 clients, 2 update agents, 3 sites; until Ctrl-C
  headwater demo --exit --json                     once, and what came of it as one JSON object
  headwater demo --clients 50 --update-agents 5
  headwater demo --feed ./feed --exit              each folder in ./feed is a component, each file or folder
                                                   in that a release, in order of name

Everything stays on this machine: addresses 127.x.x.x and ::1, and one folder, which is removed at the end
unless you name it with --data.";

/// Run a whole fleet on this machine and tell what each client did
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct DemoArguments {
    /// Clients, update agents not counted
    #[arg(long, default_value_t = 6, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(DEMO_CLIENTS_MAX)))]
    clients: u32,
    /// Update agents, each with a site of its own
    #[arg(long, default_value_t = 2, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=i64::from(DEMO_UPDATE_AGENTS_MAX)))]
    update_agents: u32,
    /// Publish this folder instead of what the demo makes itself
    #[arg(long, value_name = "DIR")]
    feed: Option<PathBuf>,
    /// Keep everything in this folder, which must be empty or not there
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Stop when all are current; exit 1 if that takes longer than --timeout
    #[arg(long)]
    exit: bool,
    /// How long all may take to become current, in seconds, or with s, m, h
    #[arg(long, value_name = "TIME", default_value = "15m", value_parser = parse_seconds)]
    timeout: u32,
}

/// Runs the demo.
pub async fn run(arguments: DemoArguments, output: Output) -> Result<Exit, Failure> {
    let folder = DataFolder::make(arguments.data.as_deref())?;
    let publications = publications::plan(arguments.feed.as_deref(), &folder.path)?;
    let mut demo = Demo::start(&arguments, &folder.path, publications, output).await?;
    let outcome = tokio::select! {
        outcome = demo.tell_all(&arguments) => outcome,
        () = stop_signal() => Ok(demo.totals()),
    };
    demo.stop().await;
    let totals = outcome?;
    output.result(&totals, |totals| format!("\n{}", story::ending(totals, output.paint())));
    Ok(if totals.is_whole() { Exit::Done } else { Exit::Failed })
}

/// Releases being packed, each with its files once that is done.
type Packing = Vec<JoinHandle<Result<(NewRelease, Packed), Failure>>>;

/// The demo, set up.
struct Demo {
    output: Output,
    started: Instant,
    server: Running,
    first_password: Option<SecretString>,
    vendor: Arc<Vendor>,
    fleet: Fleet,
    sites: Vec<Site>,
    publications: Vec<Publication>,
    published: usize,
    packing: Packing,
    making: Option<Making>,
    journal: Journal,
    expected: Option<Expected>,
    plans: BTreeMap<String, PlanDocument>,
}

impl Demo {
    /// Starts the vendor source and the server; nobody else yet.
    async fn start(
        arguments: &DemoArguments,
        data: &Path,
        publications: Vec<Publication>,
        output: Output,
    ) -> Result<Self, Failure> {
        let started = Instant::now();
        let ipv6 = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).await.is_ok();
        let vendor_address = if ipv6 { Ipv6Addr::LOCALHOST.into() } else { Ipv4Addr::LOCALHOST.into() };
        let vendor = Vendor::start(data, vendor_address, now()).await?;
        let server = start_in_process(&data.join("server")).await?;
        let first_password =
            server.take_first_password().map(|password| SecretString::from(password.expose_secret()));
        // The vendor brings its deltas; making more would take the processors from everybody else here.
        server.services().publishing.pause_deltas();
        let api = ApiClient::new(&ServerLocation::socket(&server.socket))?;
        let fleet = Fleet::new(api, data);
        fleet.set_vendor(&vendor.url, vendor.root.clone()).await?;
        Ok(Self {
            output,
            started,
            server,
            first_password,
            vendor: Arc::new(vendor),
            fleet,
            sites: sites::sites(arguments.clients, arguments.update_agents, ipv6),
            publications,
            published: 0,
            packing: Vec::new(),
            making: None,
            journal: Journal::default(),
            expected: None,
            plans: BTreeMap::new(),
        })
    }

    /// Everything up to the end of the demo.
    async fn tell_all(&mut self, arguments: &DemoArguments) -> Result<Totals, Failure> {
        let timeout = Duration::from_secs(arguments.timeout.into());
        match tokio::time::timeout(timeout, self.catch_up()).await {
            Ok(ended) => ended?,
            Err(_) => self.output.note(&format!(
                "error: not everybody was current within {} s; --timeout allows more",
                arguments.timeout
            )),
        }
        if !arguments.exit {
            self.go_on().await?;
        }
        Ok(self.totals())
    }

    /// Sets up the sites, then publishes everything, all catching up in between.
    async fn catch_up(&mut self) -> Result<(), Failure> {
        self.packing = self.pack(0);
        self.fleet.make_domains(&self.sites).await?;
        self.fleet.start_update_agents(&self.sites).await?;
        let draft = self.fleet.save_list(&self.sites).await?;
        self.fleet.start_clients(&self.sites).await?;
        // That they checked in is no news; what they fetched for it counts.
        self.journal.read(&self.fleet.api, Vec::new()).await?;
        self.introduce(&draft);
        while self.published < self.publications.len() {
            self.publish().await?;
            self.published += 1;
            self.round().await?;
            while !self.currency().is_whole() {
                tokio::time::sleep(RETRY_INTERVAL).await;
                self.round().await?;
            }
        }
        Ok(())
    }

    /// Packs a publication's releases side by side, while others do other things.
    fn pack(&self, number: usize) -> Packing {
        let components = self
            .publications
            .get(number)
            .map(|publication| publication.components.clone())
            .unwrap_or_default();
        let pack = |release: NewRelease| {
            let vendor = Arc::clone(&self.vendor);
            tokio::task::spawn_blocking(move || vendor.pack(&release).map(|files| (release, files)))
        };
        components.into_iter().map(pack).collect()
    }

    async fn publish(&mut self) -> Result<(), Failure> {
        let publication = &self.publications[self.published];
        // Nobody comes from the release before that one any more; and until the next round nobody is current.
        self.making = None;
        self.expected = None;
        let (mut told, mut sizes) = (Vec::new(), Vec::new());
        for packed in std::mem::take(&mut self.packing) {
            let (release, files) =
                packed.await.map_err(|error| Failure::failed(format!("packing broke down: {error}")))??;
            let size = self.vendor.publish(&release, &files, now())?;
            told.push(format!("{} {} ({})", release.name, release.version, bytes(size)));
            sizes.push((size, release.name));
        }
        // The smallest first: the most clients soon have something of it.
        sizes.sort();
        let names = sizes.into_iter().map(|(_, name)| name).collect();
        let mut making = self.vendor.make_deltas(names, now())?;
        // Not yet ready? Then those who look now fetch full bodies.
        tokio::time::timeout(DEMO_DELTAS_WAIT, making.ended()).await.unwrap_or(Ok(()))?;
        self.making = Some(making);
        self.fleet.sync().await?;
        let mut text = format!("{} from the vendor source", told.join(", "));
        if let Some(program) = &publication.program {
            self.fleet.publish_program(program, self.output).await?;
            text.push_str(&format!(", program {} {} from the server", program.name, program.version));
        }
        let heading = format!("Publication {} of {}", self.published + 1, self.publications.len());
        self.output.line(&format!("\n{}: {text}", self.output.paint().bold(&heading)));
        self.packing = self.pack(self.published + 1);
        Ok(())
    }

    /// Everybody runs once, update agents first (N2), and is told of.
    async fn round(&mut self) -> Result<(), Failure> {
        let before = self.journal.latest();
        let mut said = self.fleet.update_agents().await?;
        said.extend(self.fleet.update_clients().await?);
        let new = self.journal.read(&self.fleet.api, said).await?;
        let expected = self.fleet.expected().await?;
        if self.expected.as_ref().map(|expected| expected.policy_version) != Some(expected.policy_version) {
            self.plans = self.fleet.plans().await?;
        }
        self.expected = Some(expected);
        let singly = self.published <= TOLD_SINGLY_FIRST || self.published == self.publications.len();
        let story =
            Story { paint: self.output.paint(), sites: &self.sites, plans: &self.plans, before: &before };
        let news: Vec<&Report> =
            new.iter().filter(|report| story::is_news(report, before.get(&report.client))).collect();
        if !news.is_empty() {
            self.output.line(&story.round(&news, singly));
        }
        Ok(())
    }

    /// Clients look again and again, until Ctrl-C.
    async fn go_on(&mut self) -> Result<(), Failure> {
        let totals = self.totals();
        self.output.line(&format!("\n{}", story::ending(&totals, self.output.paint())));
        let socket = self.server.socket.display();
        self.output.line(&format!(
            "\nThe demo goes on until Ctrl-C; clients look again every {} s. Its API: unix:{socket}\nIn another terminal:\n  export HEADWATER_SERVER=unix:{socket}\n  headwater clients list\n  headwater publish DIR --name NAME",
            POLL_INTERVAL.as_secs()
        ));
        loop {
            tokio::time::sleep(POLL_INTERVAL).await;
            self.round().await?;
        }
    }

    fn introduce(&self, draft: &Draft) {
        let paint = self.output.paint();
        let password = self.first_password.as_ref().map_or_else(
            || "whose passwords are known already".to_owned(),
            |password| format!("as admin with password {}, good for one sign-in", password.expose_secret()),
        );
        let clients: usize = self.sites.iter().map(|site| site.clients.len()).sum();
        let agents = self.sites.iter().filter(|site| site.agent.is_some()).count();
        self.output.line(&format!(
            "{}: {} and {} at {}, on this machine alone\n  vendor source  {}\n  server         {} (administrators: {}, {})\n",
            paint.bold("Headwater demo"),
            counted(clients, "client"),
            counted(agents, "update agent"),
            counted(self.sites.len(), "site"),
            self.vendor.url,
            self.server.fleet_url,
            self.server.console_url,
            password,
        ));
        self.output.line(&format!(
            "{}: the clients that an entry selects update from its source; when no entry is left, from the server\n{}",
            paint.bold("Source list"),
            show::list(&draft.policy)
        ));
    }

    /// Who is current, of how many.
    fn currency(&self) -> Totals {
        let latest = self.journal.latest();
        let is_current = |member: &Member| {
            let met =
                |report: &Report| self.expected.as_ref().is_some_and(|expected| expected.is_met(report));
            latest.get(&member.id).is_some_and(met)
        };
        let clients = || self.sites.iter().flat_map(|site| &site.clients);
        let agents = || self.sites.iter().filter_map(|site| site.agent.as_ref());
        Totals {
            clients: clients().count(),
            current: clients().filter(|member| is_current(member)).count(),
            update_agents: agents().count(),
            update_agents_current: agents().filter(|member| is_current(member)).count(),
            first_password: self.first_password.clone(),
            ..Totals::default()
        }
    }

    fn totals(&self) -> Totals {
        let mut totals = self.currency();
        totals.publications = self.published;
        totals.seconds = self.started.elapsed().as_secs_f64();
        totals.add_up(self.journal.reports());
        totals
    }

    async fn stop(self) {
        // Nobody may write into the folder when it is removed. A delta that is being made ends with the process.
        drop(self.making);
        if let Err(failure) = self.vendor.close() {
            self.output.note(&format!("error: {failure}"));
        }
        for packing in self.packing {
            drop(packing.await);
        }
        self.fleet.stop().await;
        self.server.stop();
        self.server.ended().await;
    }
}

/// The demo's folder: a temporary one, or the one that was asked for.
struct DataFolder {
    path: PathBuf,
    _temporary: Option<TempDir>,
}

impl DataFolder {
    fn make(wanted: Option<&Path>) -> Result<Self, Failure> {
        let Some(path) = wanted else {
            let folder = tempfile::Builder::new().prefix("headwater-demo-").tempdir();
            let folder =
                folder.map_err(|error| Failure::file("make a folder in", &std::env::temp_dir(), &error))?;
            return Ok(Self { path: folder.path().to_owned(), _temporary: Some(folder) });
        };
        fs::create_dir_all(path).map_err(|error| Failure::file("make", path, &error))?;
        let mut entries = fs::read_dir(path).map_err(|error| Failure::file("read", path, &error))?;
        if entries.next().is_some() {
            return Err(Failure::bad_input(format!("the folder {} is not empty", path.display()))
                .with_hint("give --data a new folder, or leave it out"));
        }
        let path = path.canonicalize().map_err(|error| Failure::file("read", path, &error))?;
        Ok(Self { path, _temporary: None })
    }
}

#[expect(clippy::disallowed_methods, reason = "the demo signs in the present")]
fn now() -> Timestamp {
    Timestamp::now()
}
