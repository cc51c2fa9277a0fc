//! The course of the demo.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use headwater_api::plan::PlanDocument;
use headwater_api::report::Report;
use headwater_api::v1::{DeltasView, DraftView};
use headwater_client::render::{bytes, counted};
use headwater_repo::error_chain;
use headwater_server::{Config, RawConfig, Running};
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::data_folder::DemoFolder;
use crate::error::{Error, Result};
use crate::fleet::DemoFleet;
use crate::host::{Api, Host};
use crate::journal::Journal;
use crate::limits::DELTAS_WAIT;
use crate::options::Options;
use crate::publications::{self, FeedRelease, Publication};
use crate::sites::{self, DemoClient, Site};
use crate::story::{self, Story};
use crate::totals::{Expected, Totals};
use crate::vendor::{Making, Packed, Vendor};

/// How many of the first publications are described client by client; of a long feed the rest is described site by site.
const DESCRIBED_SINGLY_FIRST: usize = 2;
/// How often clients look for updates once everything is published.
const POLL_INTERVAL: Duration = Duration::from_secs(5);
/// How long clients that are not current wait before they try again.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// Runs the demo until it is complete or stopped.
pub async fn run(options: Options, host: Arc<dyn Host>) -> Result<Totals> {
    let folder = DemoFolder::create(options.data.as_deref())?;
    let publications = publications::plan(options.feed.as_deref(), folder.path())?;
    let stopped = host.stopped();
    let mut demo = Demo::start(&options, folder.path(), publications, host).await?;
    let outcome = tokio::select! {
        outcome = demo.run_to_end(&options) => outcome,
        () = stopped => Ok(demo.totals()),
    };
    demo.stop().await;
    outcome
}

/// Releases being packed, each with its files once that is done.
type Packing = Vec<JoinHandle<Result<(FeedRelease, Packed)>>>;

/// The demo, set up.
struct Demo {
    host: Arc<dyn Host>,
    started: Instant,
    server: Running,
    first_password: Option<SecretString>,
    vendor: Arc<Vendor>,
    fleet: DemoFleet,
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
    /// Starts the vendor source and the server; no client yet.
    async fn start(
        options: &Options,
        data: &Path,
        publications: Vec<Publication>,
        host: Arc<dyn Host>,
    ) -> Result<Self> {
        let started = Instant::now();
        let ipv6 = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).await.is_ok();
        let vendor_address = if ipv6 { Ipv6Addr::LOCALHOST.into() } else { Ipv4Addr::LOCALHOST.into() };
        let vendor = Vendor::start(data, vendor_address, now()).await?;
        let server = start_server(&data.join("server")).await?;
        let first_password = server.take_first_password();
        let fleet = DemoFleet::new(Api::new(host.connect(&server.socket)?), data);
        // The vendor brings its deltas; making more would take the processors from all others here.
        let _: DeltasView = fleet.api.post("/api/v1/deltas/pause").await?;
        fleet.set_vendor(&vendor.url, vendor.root.clone()).await?;
        Ok(Self {
            host,
            started,
            server,
            first_password,
            vendor: Arc::new(vendor),
            fleet,
            sites: sites::sites(options.clients, options.update_agents, ipv6),
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
    async fn run_to_end(&mut self, options: &Options) -> Result<Totals> {
        match tokio::time::timeout(options.timeout, self.catch_up()).await {
            Ok(ended) => ended?,
            Err(_) => self.host.note(&format!(
                "error: not all clients were current within {} s; a longer --timeout allows more",
                options.timeout.as_secs()
            )),
        }
        if !options.exit {
            self.poll().await?;
        }
        Ok(self.totals())
    }

    /// Sets up the sites, then publishes everything; after each publication all clients become current.
    async fn catch_up(&mut self) -> Result<()> {
        self.packing = self.pack(0);
        self.fleet.make_domains(&self.sites).await?;
        self.fleet.start_update_agents(&self.sites).await?;
        let draft = self.fleet.save_list(&self.sites).await?;
        self.fleet.start_clients(&self.sites).await?;
        // The first contacts are not described, but their bytes count.
        self.journal.read(&self.fleet.api, Vec::new()).await?;
        self.introduce(&draft);
        while self.published < self.publications.len() {
            self.publish().await?;
            self.published += 1;
            self.round().await?;
            while !self.currency().is_complete() {
                tokio::time::sleep(RETRY_INTERVAL).await;
                self.round().await?;
            }
        }
        Ok(())
    }

    /// Packs the releases of a publication in parallel, in the background.
    fn pack(&self, number: usize) -> Packing {
        let components = self
            .publications
            .get(number)
            .map(|publication| publication.components.clone())
            .unwrap_or_default();
        let pack = |release: FeedRelease| {
            let vendor = Arc::clone(&self.vendor);
            tokio::task::spawn_blocking(move || vendor.pack(&release).map(|files| (release, files)))
        };
        components.into_iter().map(pack).collect()
    }

    async fn publish(&mut self) -> Result<()> {
        let publication = &self.publications[self.published];
        // Deltas from older releases are no longer needed, and until the next round no client is current.
        self.making = None;
        self.expected = None;
        let (mut published, mut sizes) = (Vec::new(), Vec::new());
        for packed in std::mem::take(&mut self.packing) {
            let (release, files) =
                packed.await.map_err(|error| Error::failed(format!("packing panicked: {error}")))??;
            let size = self.vendor.publish(&release, &files, now())?;
            published.push(format!("{} {} ({})", release.name, release.version, bytes(size)));
            sizes.push((size, release.name));
        }
        // The smallest first: deltas of most components are ready soon.
        sizes.sort();
        let names = sizes.into_iter().map(|(_, name)| name).collect();
        let mut making = self.vendor.make_deltas(names, now())?;
        // Clients that look before they are ready fetch full bodies.
        tokio::time::timeout(DELTAS_WAIT, making.ended()).await.unwrap_or(Ok(()))?;
        self.making = Some(making);
        self.fleet.sync().await?;
        let mut text = format!("{} from the vendor source", published.join(", "));
        if let Some(program) = &publication.program {
            self.fleet.publish_program(program).await?;
            text.push_str(&format!(", program {} {} from the server", program.name, program.version));
        }
        let heading = format!("Publication {} of {}", self.published + 1, self.publications.len());
        self.host.line(&format!("\n{}: {text}", self.host.paint().bold(&heading)));
        self.packing = self.pack(self.published + 1);
        Ok(())
    }

    /// All clients run once, update agents first (N2), and what they did is described.
    async fn round(&mut self) -> Result<()> {
        let before = self.journal.latest();
        let mut reports = self.fleet.update_agents().await?;
        reports.extend(self.fleet.update_clients().await?);
        let new = self.journal.read(&self.fleet.api, reports).await?;
        let expected = self.fleet.expected().await?;
        if self.expected.as_ref().map(|expected| expected.policy_version) != Some(expected.policy_version) {
            self.plans = self.fleet.plans().await?;
        }
        self.expected = Some(expected);
        let singly = self.published <= DESCRIBED_SINGLY_FIRST || self.published == self.publications.len();
        let story =
            Story { paint: self.host.paint(), sites: &self.sites, plans: &self.plans, before: &before };
        let news: Vec<&Report> =
            new.iter().filter(|report| story::is_news(report, before.get(&report.client))).collect();
        if !news.is_empty() {
            self.host.line(&story.round(&news, singly));
        }
        Ok(())
    }

    /// Clients look for updates again and again, until the demo is stopped.
    async fn poll(&mut self) -> Result<()> {
        let totals = self.totals();
        self.host.line(&format!("\n{}", story::ending(&totals, self.host.paint())));
        let socket = self.server.socket.display();
        self.host.line(&format!(
            "\nThe demo continues until Ctrl-C; clients look for updates every {} s. Its API: unix:{socket}\nIn another terminal:\n  export HEADWATER_SERVER=unix:{socket}\n  headwater clients list\n  headwater publish DIR --name NAME",
            POLL_INTERVAL.as_secs()
        ));
        loop {
            tokio::time::sleep(POLL_INTERVAL).await;
            self.round().await?;
        }
    }

    fn introduce(&self, draft: &DraftView) {
        let paint = self.host.paint();
        let password = self.first_password.as_ref().map_or_else(
            || "with the passwords set before".to_owned(),
            |password| format!("as admin with password {}, valid for one sign-in", password.expose_secret()),
        );
        let clients: usize = self.sites.iter().map(|site| site.clients.len()).sum();
        let agents = self.sites.iter().filter(|site| site.agent.is_some()).count();
        self.host.line(&format!(
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
        self.host.line(&format!(
            "{}: a client updates from the sources of the entries that select it, in order, then from the server\n{}",
            paint.bold("Source list"),
            self.host.source_list(&draft.policy)
        ));
    }

    /// How many clients are current.
    fn currency(&self) -> Totals {
        let latest = self.journal.latest();
        let is_current = |client: &DemoClient| {
            let met =
                |report: &Report| self.expected.as_ref().is_some_and(|expected| expected.is_met(report));
            latest.get(&client.id).is_some_and(met)
        };
        let clients = || self.sites.iter().flat_map(|site| &site.clients);
        let agents = || self.sites.iter().filter_map(|site| site.agent.as_ref());
        Totals {
            clients: clients().count(),
            current: clients().filter(|client| is_current(client)).count(),
            update_agents: agents().count(),
            update_agents_current: agents().filter(|client| is_current(client)).count(),
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
        // Nothing may be written into the folder when it is removed. A delta in progress ends with the process.
        drop(self.making);
        if let Err(error) = self.vendor.close() {
            self.host.note(&format!("error: {error}"));
        }
        for packing in self.packing {
            drop(packing.await);
        }
        self.fleet.stop().await;
        self.server.stop();
        self.server.ended().await;
    }
}

/// Starts a server in this process, on free ports.
async fn start_server(data: &Path) -> Result<Running> {
    let free = SocketAddr::from(([127, 0, 0, 1], 0));
    let raw = RawConfig {
        data: Some(data.to_owned()),
        fleet_listen: Some(free.into()),
        console_listen: Some(free.into()),
        ..RawConfig::default()
    };
    let config = Config::try_from(raw).map_err(|error| Error::failed(error_chain(&error)))?;
    headwater_server::run(config, std::future::pending())
        .await
        .map_err(|error| Error::failed(error_chain(&error)))
}

#[expect(clippy::disallowed_methods, reason = "the demo signs in the present")]
fn now() -> Timestamp {
    Timestamp::now()
}
