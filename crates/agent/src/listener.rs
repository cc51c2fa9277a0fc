//! The update agent's listener: on those of its addresses in the signed policy that are its own, over TLS with the
//! certificate that enrolment gave it.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::middleware::from_fn_with_state;
use headwater_depot::serve::{ListenLimits, ServeLimits, Site, Tls, listen_tls, router};
use headwater_identity::tls::{self, Anonymous};
use headwater_identity::{CaCertificate, Chain, ClientKey, IdentityError};
use headwater_policy::{Class, ClassSet};
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::carry::{self, Way};
use crate::door::{self, Admission, Door};
use crate::shelf::Shelf;

/// The part that a client is to play now.
#[derive(Debug, Clone)]
pub struct Part {
    /// Where to listen.
    pub addresses: Vec<SocketAddr>,
    /// What to share.
    pub classes: ClassSet,
    /// Downloads at once, and bytes a second.
    pub limits: ServeLimits,
    /// By what it is known, and whom it lets in; none: it is not enrolled, and listens nowhere.
    pub trust: Option<Trust>,
}

/// By what an update agent is known to others, and whom it lets in.
#[derive(Debug, Clone)]
pub struct Trust {
    /// Its certificate.
    pub chain: Chain,
    /// Its key.
    pub key: Arc<ClientKey>,
    /// Whose certificates it believes.
    pub cas: Vec<CaCertificate>,
    /// Whose certificates get as far as the door, which tells them to renew.
    pub given_up: Vec<CaCertificate>,
    /// Who is let in.
    pub admission: Admission,
    /// Base URL of the server's fleet listener, to which it carries.
    pub server: String,
}

/// The running listeners, one for each address, and what they share.
#[derive(Debug)]
pub struct Listener {
    site: Site,
    shelf: Shelf,
    running: BTreeMap<SocketAddr, Running>,
    door: Door,
    way: watch::Sender<Option<Way>>,
    /// What [`Self::tls`] and the way were made of.
    trust: Option<Trust>,
    tls: Option<watch::Sender<Arc<ServerConfig>>>,
}

#[derive(Debug)]
struct Running {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Listener {
    /// Nothing is listened on yet.
    pub fn new(shelf: Shelf) -> Self {
        Self {
            site: Site::new(ServeLimits::default()),
            shelf,
            running: BTreeMap::new(),
            door: Door::default(),
            way: watch::Sender::new(None),
            trust: None,
            tls: None,
        }
    }

    /// Where it listens.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.running.keys().copied().collect()
    }

    /// Plays `part` from now on: opens and closes listeners, shares and unshares classes. Says what could not be
    /// done; the rest is done.
    pub async fn play(&mut self, part: &Part) -> Vec<String> {
        self.site.set_limits(part.limits);
        for class in Class::ALL {
            if part.classes.contains(class) && self.shelf.version(class).is_some() {
                self.site.share(class, self.shelf.folder(class));
            } else {
                self.site.unshare(class);
            }
        }
        let mut problems = Vec::new();
        if let Err(problem) = self.believe(part.trust.as_ref()) {
            problems.push(problem);
        }
        if !part.classes.is_empty() && part.addresses.is_empty() {
            problems.push(
                "the update agent listens nowhere: none of the addresses that the policy gives it is one of this \
                 computer's; `headwater update-agents give ID --address IP` gives it another"
                    .to_owned(),
            );
        }
        let tls = self.tls.as_ref().map(watch::Sender::subscribe);
        if !part.classes.is_empty() && tls.is_none() {
            problems.push(
                "the update agent listens nowhere: it has no certificate (`headwater-client enrol` gets one)"
                    .to_owned(),
            );
        }
        let listens = tls.is_some() && !part.classes.is_empty();
        let wanted: Vec<SocketAddr> = part.addresses.iter().copied().filter(|_| listens).collect();
        let unwanted: Vec<SocketAddr> =
            self.running.keys().copied().filter(|address| !wanted.contains(address)).collect();
        for address in unwanted {
            self.stop_one(address).await;
        }
        for (address, tls) in wanted.into_iter().zip(std::iter::repeat(tls).flatten()) {
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
                            "that is no address of this computer's; `headwater update-agents give ID --address IP` \
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

    /// Takes over by what it is known and whom it lets in. TLS sessions go on as long as certificate and CAs are the
    /// same.
    fn believe(&mut self, trust: Option<&Trust>) -> Result<(), String> {
        let Some(trust) = trust else {
            (self.trust, self.tls) = (None, None);
            self.way.send_replace(None);
            return Ok(());
        };
        self.door.set(trust.admission.clone());
        let same = |held: &Trust| {
            held.chain == trust.chain
                && held.server == trust.server
                && held.cas == trust.cas
                && held.given_up == trust.given_up
        };
        if self.trust.as_ref().is_some_and(same) {
            return Ok(());
        }
        let clients = [trust.cas.as_slice(), &trust.given_up].concat();
        let config = tls::server_config(&trust.chain, &trust.key, &clients, Anonymous::Allowed);
        let made = config.and_then(|config| Ok((config, way(trust)?)));
        let (config, way) =
            made.map_err(|error| format!("the update agent's certificate is of no use: {error}"))?;
        match &self.tls {
            Some(tls) => drop(tls.send_replace(config)),
            None => self.tls = Some(watch::Sender::new(config)),
        }
        self.way.send_replace(Some(way));
        self.trust = Some(trust.clone());
        Ok(())
    }

    fn start_one(&mut self, address: SocketAddr, listener: TcpListener, tls: Tls) {
        let (stop, mut stopped) = watch::channel(false);
        let shutdown = async move { drop(stopped.wait_for(|stopped| *stopped).await) };
        let routes = router(self.site.clone())
            .merge(carry::routes(self.way.subscribe()))
            .layer(from_fn_with_state(self.door.clone(), door::guard));
        let task = tokio::spawn(listen_tls(routes, listener, tls, ListenLimits::default(), shutdown));
        self.running.insert(address, Running { stop, task });
    }

    async fn stop_one(&mut self, address: SocketAddr) {
        if let Some(running) = self.running.remove(&address) {
            running.stop.send_replace(true);
            let _ = running.task.await;
        }
    }
}

/// The way to the server, with our certificate.
fn way(trust: &Trust) -> Result<Way, IdentityError> {
    let tls = tls::client_config(&trust.cas, Some((&trust.chain, &trust.key)))?;
    let http = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .tls_backend_preconfigured(tls)
        .https_only(true)
        .build()
        .map_err(|error| IdentityError::Tls(error.to_string()))?;
    Ok(Way { server: trust.server.clone(), http })
}

/// Those of the policy's addresses that are the client's own, with the port.
pub fn own_addresses(policy: &[IpAddr], own: &[IpAddr], port: u16) -> Vec<SocketAddr> {
    policy
        .iter()
        .filter(|address| own.contains(address))
        .map(|address| SocketAddr::new(*address, port))
        .collect()
}
