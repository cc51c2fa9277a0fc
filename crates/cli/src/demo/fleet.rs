//! The demo's server, update agents and clients: the same code as everywhere, in one process, set up over the
//! API as an administrator would.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use headwater_api::bundle::EnrolBundle;
use headwater_api::plan::PlanDocument;
use headwater_api::report::Report;
use headwater_api::v1::{
    DomainRequest, DomainView, Draft, Edit, EditsRequest, EnrolBundleRequest, Explained, Hook,
    PublishOptions, ReleasesAnswer, RoleRequest, SaveRequest, Saved, SavedPolicy, SyncResult,
    UpdateAgentsAnswer, VendorRequest, VendorView,
};
use headwater_client::{Config, Daemon, RunOptions, run_once};
use reqwest::Method;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::publications::NewRelease;
use super::sites::{Member, Site};
use super::totals::Expected;
use crate::api_client::{ApiClient, segment};
use crate::limits::DEMO_RUNS_AT_ONCE;
use crate::releases::package::Package;
use crate::releases::publish::{Release, upload};
use crate::terminal::failure::Failure;
use crate::terminal::output::Output;
use crate::terminal::private::write_private;
use headwater_repo::error_chain;

/// The demo decides when its clients run; they poll only if it forgets them.
const POLL_INTERVAL: Duration = Duration::from_secs(24 * 3600);

/// Everybody but the vendor source.
#[derive(Debug)]
pub struct Fleet {
    /// The server's API.
    pub api: ApiClient,
    data: PathBuf,
    agents: Vec<(Member, Daemon)>,
    clients: Vec<(Member, Config)>,
    runs_at_once: Arc<Semaphore>,
}

impl Fleet {
    /// A fleet without anybody yet, at a server that runs.
    pub fn new(api: ApiClient, data: &Path) -> Self {
        let runs_at_once = Arc::new(Semaphore::new(DEMO_RUNS_AT_ONCE));
        Self { api, data: data.to_owned(), agents: Vec::new(), clients: Vec::new(), runs_at_once }
    }

    /// Makes the vendor source known to the server.
    pub async fn set_vendor(&self, url: &str, root: Value) -> Result<(), Failure> {
        let request = VendorRequest { url: url.to_owned(), root: Some(root), schedule_minutes: Some(0) };
        let _: VendorView = self.api.call(Method::PUT, "/api/v1/vendor", &request).await?;
        Ok(())
    }

    /// Lets the server take what the vendor source has.
    pub async fn sync(&self) -> Result<SyncResult, Failure> {
        let result: SyncResult = self.api.ask(Method::POST, "/api/v1/vendor/sync").await?;
        match &result.error {
            None => Ok(result),
            Some(error) => {
                Err(Failure::failed(format!("the server could not take the vendor's releases: {error}")))
            }
        }
    }

    /// Publishes a program, with its install command.
    pub async fn publish_program(&self, program: &NewRelease, output: Output) -> Result<(), Failure> {
        let install =
            Hook { command: vec!["/bin/sh".to_owned(), "install.sh".to_owned()], timeout_seconds: 60 };
        let options = PublishOptions { install: Some(install), probe: None };
        let release =
            Release { class: "programs", name: &program.name, version: &program.version, options: &options };
        upload(&self.api, &release, Package::of(&program.path, false)?, output).await?;
        Ok(())
    }

    /// Makes a domain for each site.
    pub async fn make_domains(&self, sites: &[Site]) -> Result<(), Failure> {
        for site in sites {
            let path = format!("root/{}", site.name);
            let _: DomainView =
                self.api.call(Method::POST, "/api/v1/domains", &DomainRequest { path }).await?;
        }
        Ok(())
    }

    /// Writes what so many clients of a site enrol with; it has the list that is saved now.
    async fn write_bundle(&self, site: &Site, clients: usize) -> Result<(), Failure> {
        let request = EnrolBundleRequest {
            domain: Some(format!("root/{}", site.name)),
            uses: u32::try_from(clients).ok(),
            ..EnrolBundleRequest::default()
        };
        let bundle: EnrolBundle = self.api.call(Method::POST, "/api/v1/enrol-tokens", &request).await?;
        let text = serde_json::to_vec(&bundle).expect("a wire message always serialises");
        write_private(&self.bundle(&site.name), &text)
    }

    /// Makes the clients ready to run: they enrol at their first run.
    pub async fn start_clients(&mut self, sites: &[Site]) -> Result<(), Failure> {
        for site in sites.iter().filter(|site| !site.clients.is_empty()) {
            self.write_bundle(site, site.clients.len()).await?;
            for client in &site.clients {
                let config = self.config(site, client)?;
                self.clients.push((client.clone(), config));
            }
        }
        Ok(())
    }

    /// Starts the update agents: each enrols, checks in and is given the role. It serves once it has learnt of that.
    pub async fn start_update_agents(&mut self, sites: &[Site]) -> Result<(), Failure> {
        for site in sites {
            let Some(agent) = &site.agent else { continue };
            self.write_bundle(site, 1).await?;
            let config = self.config(site, agent)?;
            let daemon = Daemon::start(config).await.map_err(|error| {
                Failure::failed(format!("{} does not start: {}", agent.id, error_chain(&error)))
            })?;
            // Ends when a whole run has: the server knows the client then.
            run_of(daemon.update(RunOptions::default()).await, &agent.id)?;
            let port = free_port(&agent.addresses).await?;
            let request = RoleRequest {
                classes: ["components", "settings", "programs"].map(str::to_owned).to_vec(),
                addresses: Some(agent.addresses.iter().map(ToString::to_string).collect()),
                port: Some(port),
                scheme: None,
                force: false,
            };
            let path = format!("/api/v1/update-agents/{}", segment(&agent.id));
            let _: UpdateAgentsAnswer = self.api.call(Method::PUT, &path, &request).await?;
            self.agents.push((agent.clone(), daemon));
        }
        Ok(())
    }

    /// Publishes the source list: one entry a site.
    pub async fn save_list(&self, sites: &[Site]) -> Result<Draft, Failure> {
        let mode = Edit::SetMode { mode: "customized".to_owned() };
        let entries = sites.iter().map(|site| Edit::Add { entry: site.entry(), at: None });
        let request =
            EditsRequest { edits: std::iter::once(mode).chain(entries).collect(), expected_revision: None };
        let draft: Draft = self.api.call(Method::POST, "/api/v1/drafts/default/edits", &request).await?;
        let comment = Some("one update source for each site".to_owned());
        let save = SaveRequest { comment, over_version: None };
        let _: Saved = self.api.call(Method::POST, "/api/v1/drafts/default/save", &save).await?;
        Ok(draft)
    }

    /// Lets the update agents run, all at once.
    pub async fn update_agents(&self) -> Result<Vec<Report>, Failure> {
        let runs = self
            .agents
            .iter()
            .map(|(member, daemon)| async move { (member, daemon.update(RunOptions::default()).await) });
        let ended = futures_util::future::join_all(runs).await;
        ended.into_iter().map(|(member, result)| run_of(result, &member.id)).collect()
    }

    /// Lets the clients run, some at a time.
    pub async fn update_clients(&self) -> Result<Vec<Report>, Failure> {
        let mut runs = JoinSet::new();
        for (member, config) in &self.clients {
            let (id, config, places) = (member.id.clone(), config.clone(), Arc::clone(&self.runs_at_once));
            runs.spawn(async move {
                let _place = places.acquire().await;
                (run_once(&config, &RunOptions::default()).await, id)
            });
        }
        let mut reports = Vec::new();
        while let Some(ended) = runs.join_next().await {
            let (result, id) =
                ended.map_err(|error| Failure::failed(format!("a client broke down: {error}")))?;
            reports.push(run_of(result, &id)?);
        }
        reports.sort_by(|a, b| a.client.cmp(&b.client));
        Ok(reports)
    }

    /// What everybody must have to be current.
    pub async fn expected(&self) -> Result<Expected, Failure> {
        let saved: SavedPolicy = self.api.get("/api/v1/sources").await?;
        let releases: ReleasesAnswer = self.api.get("/api/v1/releases").await?;
        Ok(Expected::new(saved.version, &releases))
    }

    /// Everybody's plans, as the server explains them.
    pub async fn plans(&self) -> Result<BTreeMap<String, PlanDocument>, Failure> {
        let mut plans = BTreeMap::new();
        for id in self
            .agents
            .iter()
            .map(|(member, _)| &member.id)
            .chain(self.clients.iter().map(|(member, _)| &member.id))
        {
            let explained: Explained =
                self.api.get(&format!("/api/v1/explain?client={}", segment(id))).await?;
            plans.insert(id.clone(), explained.plans);
        }
        Ok(plans)
    }

    /// Stops everybody.
    pub async fn stop(self) {
        for (_, daemon) in self.agents {
            daemon.stop().await;
        }
    }

    fn config(&self, site: &Site, member: &Member) -> Result<Config, Failure> {
        let config = Config::new(self.data.join("clients").join(&member.id), &member.id)
            .map_err(|error| Failure::failed(format!("{}: {}", member.id, error_chain(&error))))?;
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

fn run_of(result: Result<Report, headwater_client::Error>, id: &str) -> Result<Report, Failure> {
    result.map_err(|error| Failure::failed(format!("{id} could not run: {}", error_chain(&error))))
}

/// A port that is free on an address now; the update agent takes it when its role reaches it.
async fn free_port(addresses: &[IpAddr]) -> Result<u16, Failure> {
    let address = addresses.first().copied().unwrap_or(Ipv4Addr::LOCALHOST.into());
    let bound = async { TcpListener::bind((address, 0)).await?.local_addr() }.await;
    bound.map(|address| address.port()).map_err(|error| {
        Failure::failed(format!("nothing can listen on {address}: {error}"))
            .with_hint("the demo needs all of 127.0.0.0/8 on the loopback interface, as Linux has it")
    })
}
