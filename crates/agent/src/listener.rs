//! The update agent's listener: on those of its addresses in the signed policy that are its own, over plain HTTP
//! until enrolment gives it a certificate.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use headwater_depot::serve::{ListenLimits, ServeLimits, Site, listen, router};
use headwater_policy::{Class, ClassSet};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::shelf::Shelf;

/// The part that a client is to play now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Where to listen.
    pub addresses: Vec<SocketAddr>,
    /// What to share.
    pub classes: ClassSet,
    /// Downloads at once, and bytes a second.
    pub limits: ServeLimits,
    /// Whether addresses beyond loopback may be bound.
    pub unsafe_bind_beyond_loopback: bool,
}

/// The running listeners, one for each address, and what they share.
#[derive(Debug)]
pub struct Listener {
    site: Site,
    shelf: Shelf,
    running: BTreeMap<SocketAddr, Running>,
}

#[derive(Debug)]
struct Running {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Listener {
    /// Nothing is listened on yet.
    pub fn new(shelf: Shelf) -> Self {
        Self { site: Site::new(ServeLimits::default()), shelf, running: BTreeMap::new() }
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
        if !part.classes.is_empty() && part.addresses.is_empty() {
            problems.push(
                "the update agent listens nowhere: none of the addresses that the policy gives it is one of this \
                 computer's; `headwater update-agents give ID --address IP` gives it another"
                    .to_owned(),
            );
        }
        let mut wanted = Vec::new();
        for address in part.addresses.iter().copied().filter(|_| !part.classes.is_empty()) {
            if address.ip().is_loopback() || part.unsafe_bind_beyond_loopback {
                wanted.push(address);
            } else {
                problems.push(format!(
                    "the update agent does not listen on {address}: without certificates only loopback addresses are \
                     bound (--unsafe-bind-beyond-loopback lifts that)"
                ));
            }
        }
        let unwanted: Vec<SocketAddr> =
            self.running.keys().copied().filter(|address| !wanted.contains(address)).collect();
        for address in unwanted {
            self.stop_one(address).await;
        }
        for address in wanted {
            if self.running.get(&address).is_some_and(|running| !running.task.is_finished()) {
                continue;
            }
            match TcpListener::bind(address).await {
                Ok(listener) => {
                    self.start_one(address, listener);
                }
                Err(error) => problems.push(format!(
                    "the update agent cannot listen on {address}: {error}; free the port or give it another one in \
                     the policy"
                )),
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

    fn start_one(&mut self, address: SocketAddr, listener: TcpListener) {
        let (stop, mut stopped) = watch::channel(false);
        let shutdown = async move { drop(stopped.wait_for(|stopped| *stopped).await) };
        let task =
            tokio::spawn(listen(router(self.site.clone()), listener, ListenLimits::default(), shutdown));
        self.running.insert(address, Running { stop, task });
    }

    async fn stop_one(&mut self, address: SocketAddr) {
        if let Some(running) = self.running.remove(&address) {
            running.stop.send_replace(true);
            let _ = running.task.await;
        }
    }
}

/// Those of the policy's addresses that are the client's own, with the port.
pub fn own_addresses(policy: &[IpAddr], own: &[IpAddr], port: u16) -> Vec<SocketAddr> {
    policy
        .iter()
        .filter(|address| own.contains(address))
        .map(|address| SocketAddr::new(*address, port))
        .collect()
}
