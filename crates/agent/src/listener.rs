//! The update agent's listener. It listens on those of its addresses in the signed policy that this computer has, over TLS
//! with the certificate from enrolment.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::middleware::from_fn_with_state;
use headwater_depot::http::Addresses;
use headwater_depot::limits::CONNECT_TIMEOUT;
use headwater_depot::serve::{ListenLimits, ServeLimits, SharedRepositories, Tls, listen_tls, router};
use headwater_identity::tls::{self, Anonymous, client_of};
use headwater_identity::{CaCertificate, Chain, ClientKey, IdentityError};
use headwater_policy::{ClassSet, FamilySet, Repository};
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::admission::{Admission, AdmissionRules, admit};
use crate::carry::{self, Upstream};
use crate::served_tree::ServedTree;

/// What an update agent is to serve.
#[derive(Debug, Clone)]
pub struct ServingPlan {
    /// Where to listen.
    pub addresses: Vec<SocketAddr>,
    /// What to share.
    pub classes: ClassSet,
    /// Concurrent downloads, and bytes per second.
    pub limits: ServeLimits,
    /// Its identity and admission rules; `None` if it is not enrolled, and then it listens nowhere.
    pub identity: Option<AgentIdentity>,
}

impl ServingPlan {
    /// Whether it serves a repository: a class that it shares, and with any class the policy (P5a).
    fn serves(&self, repository: Repository) -> bool {
        match repository.class() {
            Some(class) => self.classes.contains(class),
            None => !self.classes.is_empty(),
        }
    }
}

/// The identity of an update agent, and its admission rules.
#[derive(Debug, Clone)]
pub struct AgentIdentity {
    /// Its certificate.
    pub chain: Chain,
    /// Its key.
    pub key: Arc<ClientKey>,
    /// The CAs of the fleet.
    pub cas: Vec<CaCertificate>,
    /// Retired CAs: TLS accepts their certificates, and admission answers that they must be renewed.
    pub retired_cas: Vec<CaCertificate>,
    /// Who is admitted.
    pub admission: AdmissionRules,
    /// Base URL of the server's fleet listener, to which it carries statements.
    pub server: String,
}

/// The running listeners, one for each address, and what they share.
#[derive(Debug)]
pub struct Listener {
    site: SharedRepositories,
    tree: ServedTree,
    running: BTreeMap<SocketAddr, Running>,
    admission: Admission,
    upstream: watch::Sender<Option<Upstream>>,
    /// What [`Self::tls`] and the upstream were made from.
    identity: Option<AgentIdentity>,
    tls: Option<watch::Sender<Arc<ServerConfig>>>,
}

#[derive(Debug)]
struct Running {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Listener {
    /// Listens nowhere yet.
    pub fn new(tree: ServedTree) -> Self {
        Self {
            site: SharedRepositories::new(ServeLimits::default()),
            tree,
            running: BTreeMap::new(),
            admission: Admission::default(),
            upstream: watch::Sender::new(None),
            identity: None,
            tls: None,
        }
    }

    /// The addresses on which it listens.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.running.keys().copied().collect()
    }

    /// Serves `plan` from now on: opens and closes listeners, shares and unshares classes. Returns the problems; everything
    /// else is done.
    pub async fn apply(&mut self, plan: &ServingPlan) -> Vec<String> {
        self.site.set_limits(plan.limits);
        for repository in Repository::ALL {
            if plan.serves(repository) && self.tree.version(repository).is_some() {
                self.site.share(repository, self.tree.folder(repository));
            } else {
                self.site.unshare(repository);
            }
        }
        let mut problems = Vec::new();
        if let Err(problem) = self.set_identity(plan.identity.as_ref()) {
            problems.push(problem);
        }
        if !plan.classes.is_empty() && plan.addresses.is_empty() {
            problems.push(
                "the update agent listens nowhere: this computer has none of the addresses that the policy gives \
                 it; `headwater update-agents give ID --address IP` gives it another"
                    .to_owned(),
            );
        }
        let tls = self.tls.as_ref().map(watch::Sender::subscribe);
        if !plan.classes.is_empty() && tls.is_none() {
            problems.push(
                "the update agent listens nowhere: it has no certificate (`headwater-client enrol` gets one)"
                    .to_owned(),
            );
        }
        // It listens nowhere without a certificate, or with nothing to share.
        let wanted: Vec<(SocketAddr, Tls)> = match tls.filter(|_| !plan.classes.is_empty()) {
            Some(tls) => plan.addresses.iter().map(|address| (*address, tls.clone())).collect(),
            None => Vec::new(),
        };
        let is_wanted = |address: &SocketAddr| wanted.iter().any(|(wanted, _)| wanted == address);
        let unwanted: Vec<SocketAddr> =
            self.running.keys().copied().filter(|address| !is_wanted(address)).collect();
        for address in unwanted {
            self.stop_one(address).await;
        }
        for (address, tls) in wanted {
            if self.running.get(&address).is_some_and(|running| !running.task.is_finished()) {
                continue;
            }
            match TcpListener::bind(address).await {
                Ok(listener) => {
                    self.start_one(address, listener, tls);
                }
                Err(error) => {
                    let hint = match error.kind() {
                        ErrorKind::AddrNotAvailable => {
                            "this computer does not have that address; `headwater update-agents give ID --address IP` \
                             gives it another"
                        }
                        _ => {
                            "free the port, or `headwater update-agents give ID --port PORT` gives it another"
                        }
                    };
                    problems.push(format!("the update agent cannot listen on {address}: {error}; {hint}"));
                }
            }
        }
        problems
    }

    /// Closes every listener; running downloads get a moment to end.
    pub async fn stop(&mut self) {
        for address in self.addresses() {
            self.stop_one(address).await;
        }
    }

    /// Sets the identity and the admission rules. TLS sessions continue as long as certificate and CAs stay the same.
    fn set_identity(&mut self, identity: Option<&AgentIdentity>) -> Result<(), String> {
        let Some(identity) = identity else {
            (self.identity, self.tls) = (None, None);
            self.upstream.send_replace(None);
            return Ok(());
        };
        self.admission.set(identity.admission.clone());
        let same = |held: &AgentIdentity| {
            held.chain == identity.chain
                && held.server == identity.server
                && held.cas == identity.cas
                && held.retired_cas == identity.retired_cas
        };
        if self.identity.as_ref().is_some_and(same) {
            return Ok(());
        }
        let clients = [identity.cas.as_slice(), &identity.retired_cas].concat();
        let config = tls::server_config(&identity.chain, &identity.key, &clients, Anonymous::Allowed);
        let made = config.and_then(|config| Ok((config, upstream(identity)?)));
        let (config, upstream) =
            made.map_err(|error| format!("the update agent's certificate cannot be used: {error}"))?;
        match &self.tls {
            Some(tls) => drop(tls.send_replace(config)),
            None => self.tls = Some(watch::Sender::new(config)),
        }
        self.upstream.send_replace(Some(upstream));
        self.identity = Some(identity.clone());
        Ok(())
    }

    fn start_one(&mut self, address: SocketAddr, listener: TcpListener, tls: Tls) {
        let (stop, mut stopped) = watch::channel(false);
        let shutdown = async move { drop(stopped.wait_for(|stopped| *stopped).await) };
        let routes = router(self.site.clone())
            .merge(carry::routes(self.upstream.subscribe()))
            .layer(from_fn_with_state(self.admission.clone(), admit));
        let task =
            tokio::spawn(listen_tls(routes, listener, tls, client_of, ListenLimits::default(), shutdown));
        self.running.insert(address, Running { stop, task });
    }

    async fn stop_one(&mut self, address: SocketAddr) {
        if let Some(running) = self.running.remove(&address) {
            running.stop.send_replace(true);
            let _ = running.task.await;
        }
    }
}

/// The server, reached with this update agent's certificate.
fn upstream(identity: &AgentIdentity) -> Result<Upstream, IdentityError> {
    let tls = tls::client_config(&identity.cas, Some((&identity.chain, &identity.key)))?;
    let addresses = Addresses::new(FamilySet::BOTH, CONNECT_TIMEOUT);
    let http = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .dns_resolver(Arc::new(addresses.clone()))
        .tls_backend_preconfigured(tls)
        .https_only(true)
        .build()
        .map_err(|error| IdentityError::Tls(error.to_string()))?;
    Ok(Upstream { server: identity.server.clone(), http, addresses })
}

/// Those of the policy's addresses that this computer has, with the port.
pub fn own_addresses(policy: &[IpAddr], own: &[IpAddr], port: u16) -> Vec<SocketAddr> {
    policy
        .iter()
        .filter(|address| own.contains(address))
        .map(|address| SocketAddr::new(*address, port))
        .collect()
}
