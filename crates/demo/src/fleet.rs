//! The update agents and clients of the demo: the same code as everywhere, in one process, set up over the API as an
//! administrator would.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use headwater_api::bundle::EnrolBundle;
use headwater_api::plan::PlanDocument;
use headwater_api::report::Report;
use headwater_api::v1::{
    DomainRequest, DomainView, DraftView, Edit, EditsRequest, EnrolBundleRequest, Explained, Hook,
    PublishOptions, ReleasesAnswer, RoleRequest, SaveRequest, SavedAnswer, SavedPolicy, SyncResult,
    UpdateAgentsAnswer, VendorRequest, VendorView,
};
use headwater_client::{Config, Daemon, RunOptions, run_once};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::error::{Error, Result};
use crate::host::{Api, Method};
use crate::limits::RUNS_AT_ONCE;
use crate::publications::FeedRelease;
use crate::sites::{DemoClient, Site};
use crate::totals::Expected;
use headwater_depot::files::{self, FileAccess};
use headwater_repo::error_chain;

/// The demo decides when its clients run; they do not poll in its time.
const POLL_INTERVAL: Duration = Duration::from_secs(24 * 3600);

/// The server's API, the update agents and the clients.
#[derive(Debug)]
pub struct DemoFleet {
    /// The server's API.
    pub api: Api,
    data: PathBuf,
    agents: Vec<(DemoClient, Daemon)>,
    clients: Vec<(DemoClient, Config)>,
    runs_at_once: Arc<Semaphore>,
}

impl DemoFleet {
    /// An empty fleet at a running server.
    pub fn new(api: Api, data: &Path) -> Self {
        let runs_at_once = Arc::new(Semaphore::new(RUNS_AT_ONCE));
        Self { api, data: data.to_owned(), agents: Vec::new(), clients: Vec::new(), runs_at_once }
    }

    /// Sets the vendor source of the server.
    pub async fn set_vendor(&self, url: &str, root: Value) -> Result<()> {
        let request = VendorRequest { url: url.to_owned(), root: Some(root), schedule_minutes: Some(0) };
        let _: VendorView = self.api.call(Method::Put, "/api/v1/vendor", &request).await?;
        Ok(())
    }

    /// Makes the server take the releases of the vendor source.
    pub async fn sync(&self) -> Result<SyncResult> {
        let result: SyncResult = self.api.post("/api/v1/vendor/sync").await?;
        match &result.error {
            None => Ok(result),
            Some(error) => {
                Err(Error::failed(format!("the server could not take the vendor's releases: {error}")))
            }
        }
    }

    /// Publishes a program, with its install command.
    pub async fn publish_program(&self, program: &FeedRelease) -> Result<()> {
        let install =
            Hook { command: vec!["/bin/sh".to_owned(), "install.sh".to_owned()], timeout_seconds: 60 };
        let options = PublishOptions { install: Some(install), probe: None };
        let query = [
            ("version", program.version.clone()),
            ("format", "tar".to_owned()),
            ("options", serde_json::to_string(&options).expect("a wire message always serialises")),
        ];
        let archive = archive(&program.path).map_err(|error| Error::file("read", &program.path, &error))?;
        let path = format!("/api/v1/releases/programs/{}", self.api.segment(&program.name));
        self.api.upload(&path, &query, archive).await
    }

    /// Makes a domain for each site.
    pub async fn make_domains(&self, sites: &[Site]) -> Result<()> {
        for site in sites {
            let path = format!("root/{}", site.name);
            let _: DomainView =
                self.api.call(Method::Post, "/api/v1/domains", &DomainRequest { path }).await?;
        }
        Ok(())
    }

    /// Writes the bundle that this many clients of a site enrol with. It contains the saved source list.
    async fn write_bundle(&self, site: &Site, clients: usize) -> Result<()> {
        let request = EnrolBundleRequest {
            domain: Some(format!("root/{}", site.name)),
            uses: u32::try_from(clients).ok(),
            ..EnrolBundleRequest::default()
        };
        let bundle: EnrolBundle = self.api.call(Method::Post, "/api/v1/enrol-tokens", &request).await?;
        let text = serde_json::to_vec(&bundle).expect("a wire message always serialises");
        let path = self.bundle(&site.name);
        files::replace(&path, &text, FileAccess::Owner).map_err(|error| Error::file("write", &path, &error))
    }

    /// Prepares the clients: they enrol at their first run.
    pub async fn start_clients(&mut self, sites: &[Site]) -> Result<()> {
        for site in sites.iter().filter(|site| !site.clients.is_empty()) {
            self.write_bundle(site, site.clients.len()).await?;
            for client in &site.clients {
                let config = self.config(site, client)?;
                self.clients.push((client.clone(), config));
            }
        }
        Ok(())
    }

    /// Starts the update agents: each enrols, checks in and gets the role. It serves once it has the new policy.
    pub async fn start_update_agents(&mut self, sites: &[Site]) -> Result<()> {
        for site in sites {
            let Some(agent) = &site.agent else { continue };
            self.write_bundle(site, 1).await?;
            let config = self.config(site, agent)?;
            let daemon = Daemon::start(config).await.map_err(|error| {
                Error::failed(format!("{} does not start: {}", agent.id, error_chain(&error)))
            })?;
            // Ends with a whole run: the server knows the client then.
            run_of(daemon.update(RunOptions::default()).await, &agent.id)?;
            let port = free_port(&agent.addresses).await?;
            let request = RoleRequest {
                classes: ["components", "settings", "programs"].map(str::to_owned).to_vec(),
                addresses: Some(agent.addresses.iter().map(ToString::to_string).collect()),
                port: Some(port),
                scheme: None,
                force: false,
            };
            let path = format!("/api/v1/update-agents/{}", self.api.segment(&agent.id));
            let _: UpdateAgentsAnswer = self.api.call(Method::Put, &path, &request).await?;
            self.agents.push((agent.clone(), daemon));
        }
        Ok(())
    }

    /// Publishes the source list: one entry for each site.
    pub async fn save_list(&self, sites: &[Site]) -> Result<DraftView> {
        let mode = Edit::SetMode { mode: "customized".to_owned() };
        let entries = sites.iter().map(|site| Edit::Add { entry: site.entry(), at: None });
        let request =
            EditsRequest { edits: std::iter::once(mode).chain(entries).collect(), expected_revision: None };
        let draft: DraftView = self.api.call(Method::Post, "/api/v1/drafts/default/edits", &request).await?;
        let comment = Some("one update source for each site".to_owned());
        let save = SaveRequest { comment, over_version: None };
        let _: SavedAnswer = self.api.call(Method::Post, "/api/v1/drafts/default/save", &save).await?;
        Ok(draft)
    }

    /// Runs the update agents, all at the same time.
    pub async fn update_agents(&self) -> Result<Vec<Report>> {
        let runs = self
            .agents
            .iter()
            .map(|(member, daemon)| async move { (member, daemon.update(RunOptions::default()).await) });
        let ended = futures_util::future::join_all(runs).await;
        ended.into_iter().map(|(member, result)| run_of(result, &member.id)).collect()
    }

    /// Runs the clients, some at a time.
    pub async fn update_clients(&self) -> Result<Vec<Report>> {
        let mut runs = JoinSet::new();
        for (member, config) in &self.clients {
            let (id, config, permits) = (member.id.clone(), config.clone(), Arc::clone(&self.runs_at_once));
            runs.spawn(async move {
                let _permit = permits.acquire().await;
                (run_once(&config, &RunOptions::default()).await, id)
            });
        }
        let mut reports = Vec::new();
        while let Some(ended) = runs.join_next().await {
            let (result, id) = ended.map_err(|error| Error::failed(format!("a client panicked: {error}")))?;
            reports.push(run_of(result, &id)?);
        }
        reports.sort_by(|a, b| a.client.cmp(&b.client));
        Ok(reports)
    }

    /// What a client must have to be current.
    pub async fn expected(&self) -> Result<Expected> {
        let saved: SavedPolicy = self.api.get("/api/v1/sources").await?;
        let releases: ReleasesAnswer = self.api.get("/api/v1/releases").await?;
        Ok(Expected::new(saved.version, &releases))
    }

    /// The plans of all clients, as the server explains them.
    pub async fn plans(&self) -> Result<BTreeMap<String, PlanDocument>> {
        let mut plans = BTreeMap::new();
        for id in self
            .agents
            .iter()
            .map(|(member, _)| &member.id)
            .chain(self.clients.iter().map(|(member, _)| &member.id))
        {
            let explained: Explained =
                self.api.get(&format!("/api/v1/explain?client={}", self.api.segment(id))).await?;
            plans.insert(id.clone(), explained.plans);
        }
        Ok(plans)
    }

    /// Stops the update agents.
    pub async fn stop(self) {
        for (_, daemon) in self.agents {
            daemon.stop().await;
        }
    }

    fn config(&self, site: &Site, member: &DemoClient) -> Result<Config> {
        let config = Config::new(self.data.join("clients").join(&member.id), &member.id)
            .map_err(|error| Error::failed(format!("{}: {}", member.id, error_chain(&error))))?;
        Ok(Config {
            bundle: Some(self.bundle(&site.name)),
            addresses: Some(member.addresses.clone()),
            poll_interval: Some(POLL_INTERVAL),
            ..config
        })
    }

    fn bundle(&self, site: &str) -> PathBuf {
        self.data.join(format!("{site}.bundle.json"))
    }
}

fn run_of(result: std::result::Result<Report, headwater_client::Error>, id: &str) -> Result<Report> {
    result.map_err(|error| Error::failed(format!("{id} could not run: {}", error_chain(&error))))
}

/// A port that is free on an address now; the update agent listens there once it has the role.
async fn free_port(addresses: &[IpAddr]) -> Result<u16> {
    let address = addresses.first().copied().unwrap_or(Ipv4Addr::LOCALHOST.into());
    let bound = async { TcpListener::bind((address, 0)).await?.local_addr() }.await;
    bound.map(|address| address.port()).map_err(|error| {
        Error::failed(format!("nothing can listen on {address}: {error}"))
            .with_hint("the demo needs all of 127.0.0.0/8 on the loopback interface, as Linux has it")
    })
}

/// The folder of a small program as a tar archive, in memory.
fn archive(folder: &Path) -> std::io::Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    tar.append_dir_all("", folder)?;
    tar.into_inner()
}
