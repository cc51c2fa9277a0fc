//! Starting and stopping: bind, open, announce, serve, run the jobs, end.

use std::future::Future;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use headwater_depot::serve::{ListenLimits, ServeLimits, SharedRepositories, listen, listen_tls, nobody};
use headwater_identity::tls::client_of;
use headwater_policy::{Repository, Scheme, SourceUrl};
use jiff::Timestamp;
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::config::{BindFailure, Config, ConsoleTls, ListenAddress};
use crate::error::Error;
use crate::publishing::PublishingService;
use crate::rest::{LocalListener, OriginCheck, Transport, listen_locally};
use crate::services::Services;
use crate::start::{enter, open};
use crate::upkeep::UpkeepService;
use crate::{data, limits, rest};

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A listener cannot be bound.
    #[error("the {plane} listener cannot bind{}", bind_hint(.source))]
    Bind {
        /// `fleet` or `console`.
        plane: &'static str,
        /// Where, and why not.
        source: BindFailure,
    },
    /// What is in the data folder cannot be opened or made.
    #[error("the server cannot start on its data folder")]
    Open(#[from] Error),
}

/// A running server. Dropping it stops nothing; end the `shutdown` future, then await [`Running::ended`].
#[derive(Debug)]
pub struct Running {
    /// Where the fleet listener is.
    pub fleet_addr: SocketAddr,
    /// Where the console listener is.
    pub console_addr: SocketAddr,
    /// Base URL by which clients reach the fleet listener.
    pub fleet_url: String,
    /// Base URL of the console listener.
    pub console_url: String,
    /// The local socket of the console plane.
    pub socket: PathBuf,
    services: Services,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Running {
    /// The services, for tests and the demonstration.
    #[must_use]
    pub fn services(&self) -> &Services {
        &self.services
    }

    /// Whether everything was made at this start: no client knows this server yet.
    #[must_use]
    pub fn is_first_start(&self) -> bool {
        self.services.is_first_start
    }

    /// The password of the first administrator, if this start made one. It is given once, and good for one sign-in.
    #[must_use]
    pub fn take_first_password(&self) -> Option<SecretString> {
        self.services.access.take_first_password()
    }

    /// Stops the server; [`Self::ended`] waits until it has.
    pub fn stop(&self) {
        // Nobody listens any more: it has ended already.
        let _ = self.stop.send(true);
    }

    /// Waits until the server has stopped: open requests have ended or were cut, the database is closed.
    pub async fn ended(self) {
        for task in self.tasks {
            if let Err(error) = task.await {
                tracing::error!(%error, "a part of the server ended badly");
            }
        }
        self.services.db.close().await;
        if let Err(error) = self.services.data.unlock() {
            tracing::error!(%error, "the data folder stays locked until this process ends");
        }
        tracing::info!(data = %self.services.data.root().display(), "stopped");
    }
}

/// A boxed future: a caller polls it through a pointer, and its crate does not compile the server again.
pub type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Starts the server. It stops when `shutdown` ends or [`Running::stop`] is called.
///
/// # Errors
/// When a listener cannot be bound, or the data folder is in use, unreadable or full.
pub fn run(
    config: Config,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Boxed<Result<Running, StartError>> {
    start(config, Box::pin(shutdown))
}

fn start(config: Config, shutdown: Boxed<()>) -> Boxed<Result<Running, StartError>> {
    Box::pin(bind_and_serve(config, shutdown))
}

async fn bind_and_serve(mut config: Config, shutdown: Boxed<()>) -> Result<Running, StartError> {
    // A mistyped folder is named, whatever has the ports.
    enter(&config)?;
    let (fleet, fleet_addr) = bind("fleet", config.fleet_listen).await?;
    let (console, console_addr) = bind("console", config.console_listen).await?;
    let fleet_url = config.fleet_url.clone().unwrap_or_else(|| url_of(Scheme::Https, fleet_addr));
    warn_of_listener(config.fleet_listen, &fleet_url);
    let console_url = console_url(&config, console_addr);
    if let Some(oidc) = &mut config.oidc {
        oidc.lead_back_to(&console_url);
    }
    let console_names = config.console_names.iter().map(ToString::to_string).collect();
    let services = open(config, fleet_url.clone(), now()).await?;
    let Services { publishing, upkeep, data: folder, .. } = services.clone();
    if services.is_first_start {
        tracing::warn!(
            data = %folder.root().display(),
            "first start: a new server was made, with new keys; clients of another server do not know it"
        );
    }
    for warning in upkeep.warnings(now()) {
        tracing::warn!("{warning}");
    }
    let local = LocalListener::bind(&folder.socket())?;
    // Before the first answer, so that nobody is served by what is about to expire.
    upkeep.run_signing(now()).await;
    let announced = serde_json::json!({
        "event": "listening",
        "fleet": fleet_url.as_str(),
        "console": console_url,
        "socket": folder.socket(),
    });
    data::write_file(&folder.listening(), announced.to_string().as_bytes())?;
    tracing::info!(%fleet_addr, %console_addr, data = %folder.root().display(), "listening");

    let (stop, stopped) = watch::channel(false);
    let listeners = Listeners { fleet, console, console_addr, console_names, local };
    let tasks = serve_and_work(&services, listeners, &stopped);
    let stopper = stop.clone();
    let closed = stopped.clone();
    tokio::spawn(async move {
        until(closed).await;
        publishing.pause_deltas();
    });
    tokio::spawn(async move {
        tokio::select! {
            () = shutdown => {
                let _ = stopper.send(true);
            }
            () = until(stopped) => {}
        }
    });
    Ok(Running {
        fleet_addr,
        console_addr,
        fleet_url: fleet_url.to_string(),
        console_url,
        socket: folder.socket(),
        services,
        stop,
        tasks,
    })
}

/// What was bound.
struct Listeners {
    fleet: TcpListener,
    console: TcpListener,
    console_addr: SocketAddr,
    console_names: Vec<String>,
    local: LocalListener,
}

/// Starts everything that runs until the server stops.
fn serve_and_work(
    services: &Services,
    listeners: Listeners,
    stopped: &watch::Receiver<bool>,
) -> Vec<JoinHandle<()>> {
    let Listeners { fleet, console, console_addr, console_names, local } = listeners;
    let until_stopped = || until(stopped.clone());
    let upkeep = || services.upkeep.clone();
    vec![
        listen_to_fleet(services, fleet, until_stopped()),
        listen_to_console(services, console, console_addr, console_names, until_stopped()),
        tokio::spawn(listen_locally(rest::local_console(services.clone()), local, until_stopped())),
        // Apart from the others: a sync may take a day, and what is signed lives no longer.
        tokio::spawn(at_each_tick(upkeep(), until_stopped(), |upkeep| async move {
            upkeep.run_signing(now()).await;
        })),
        tokio::spawn(at_each_tick(upkeep(), until_stopped(), |upkeep| async move {
            upkeep.run_jobs(now()).await;
        })),
        // Apart as well: making the deltas of a large release takes its time.
        tokio::spawn(make_deltas(services.clone(), until_stopped())),
    ]
}

/// What would help, where the reason tells it.
fn bind_hint(failure: &BindFailure) -> String {
    let Some((address, error)) = failure.0.last() else { return String::new() };
    match error.kind() {
        ErrorKind::AddrInUse => {
            "; another program has the port: end that, or give another port (0: any free one)".to_owned()
        }
        ErrorKind::AddrNotAvailable => format!("; {} is no address of this machine", address.ip()),
        ErrorKind::PermissionDenied => "; give a port above 1023".to_owned(),
        _ => String::new(),
    }
}

async fn bind(plane: &'static str, at: ListenAddress) -> Result<(TcpListener, SocketAddr), StartError> {
    let failed = |source| StartError::Bind { plane, source };
    let listener = at.bind().await.map_err(failed)?;
    let no_address = |error| failed(BindFailure(vec![(SocketAddr::new(at.ip(), 0), error)]));
    let bound = listener.local_addr().map_err(no_address)?;
    Ok((listener, bound))
}

/// What keeps clients from the fleet listener without being an error.
fn warn_of_listener(listen: ListenAddress, url: &SourceUrl) {
    if matches!(listen, ListenAddress::One(address) if address.ip() == IpAddr::V4(Ipv4Addr::UNSPECIFIED)) {
        tracing::warn!(
            "fleet_listen {listen} has IPv4 alone: clients without IPv4 cannot connect. `:PORT` has both families"
        );
    }
    if url.is_loopback() && !listen.ip().is_loopback() {
        tracing::warn!(
            "fleet_url {url} is this machine alone: bundles name it, and other machines cannot reach it"
        );
    }
}

fn listen_to_fleet(
    services: &Services,
    listener: TcpListener,
    stopped: impl Future<Output = ()> + Send + 'static,
) -> JoinHandle<()> {
    let limits = listen_limits(limits::FLEET_CONNECTIONS_MAX);
    let router = rest::fleet(services.fleet.clone(), &site(&services.publishing));
    tokio::spawn(listen_tls(router, listener, services.fleet.fleet_tls(), client_of, limits, stopped))
}

fn listen_to_console(
    services: &Services,
    listener: TcpListener,
    address: SocketAddr,
    names: Vec<String>,
    stopped: impl Future<Output = ()> + Send + 'static,
) -> JoinHandle<()> {
    let limits = listen_limits(limits::CONSOLE_CONNECTIONS_MAX);
    let tls = services.fleet.console_tls();
    let transport = if tls.is_some() { Transport::Tls } else { Transport::Plain };
    let router = rest::console(services.clone(), OriginCheck { transport, names, address });
    match tls {
        Some(tls) => tokio::spawn(listen_tls(router, listener, tls, nobody, limits, stopped)),
        None => tokio::spawn(listen(router, listener, limits, stopped)),
    }
}

/// How the console is reached: over TLS by the first of its names.
fn console_url(config: &Config, address: SocketAddr) -> String {
    if config.console_tls == ConsoleTls::Plain {
        return url_of(Scheme::Http, address).to_string();
    }
    match config.console_names.first().map(ToString::to_string) {
        Some(name) if name.contains(':') => format!("https://[{name}]:{}/", address.port()),
        Some(name) => format!("https://{name}:{}/", address.port()),
        None => url_of(Scheme::Https, address).to_string(),
    }
}

/// How a listener is reached; one on every address, by the loopback.
fn url_of(scheme: Scheme, address: SocketAddr) -> SourceUrl {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SourceUrl::from_address(scheme, ip, address.port())
}

fn site(publishing: &PublishingService) -> SharedRepositories {
    let site = SharedRepositories::new(ServeLimits::default());
    for repository in Repository::ALL {
        site.share_objects(repository, publishing.served_objects(repository));
    }
    site
}

fn listen_limits(connections_max: usize) -> ListenLimits {
    ListenLimits { connections_max, shutdown_grace: limits::SHUTDOWN_GRACE, ..ListenLimits::default() }
}

async fn at_each_tick<F: Future<Output = ()>>(
    upkeep: Arc<UpkeepService>,
    stopped: impl Future<Output = ()>,
    work: impl Fn(Arc<UpkeepService>) -> F,
) {
    let mut stopped = std::pin::pin!(stopped);
    let mut tick = tokio::time::interval(limits::JOB_TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = &mut stopped => return,
            _ = tick.tick() => {}
        }
        tokio::select! {
            () = &mut stopped => return,
            () = work(upkeep.clone()) => {}
        }
    }
}

/// At each tick, and whenever something was published. A delta that is being made is stopped at the end, and its threads are
/// waited for: they use the data folder.
async fn make_deltas(services: Services, stopped: impl Future<Output = ()>) {
    let mut stopped = std::pin::pin!(stopped);
    loop {
        {
            let mut making = std::pin::pin!(services.upkeep.run_deltas(now()));
            tokio::select! {
                () = &mut stopped => {
                    services.publishing.pause_deltas();
                    let _ = tokio::time::timeout(limits::SHUTDOWN_GRACE, making).await;
                    return;
                }
                () = &mut making => {}
            }
        }
        tokio::select! {
            () = &mut stopped => return,
            () = services.publishing.deltas_requested() => {}
            () = tokio::time::sleep(limits::JOB_TICK) => {}
        }
    }
}

async fn until(mut stopped: watch::Receiver<bool>) {
    // The sender lives as long as the server; if it is gone, the server is too.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

#[expect(clippy::disallowed_methods, reason = "the start and the job loop are where the clock is read")]
fn now() -> Timestamp {
    Timestamp::now()
}
