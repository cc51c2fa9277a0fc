//! Starting and stopping: bind, open, announce, serve, run the jobs, end.

use std::future::Future;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use headwater_depot::serve::{ListenLimits, ServeLimits, Site, listen, listen_tls};
use headwater_policy::{Class, Scheme, SourceUrl};
use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::app::App;
use crate::config::{Config, ConsoleTls};
use crate::error::Error;
use crate::rest::{Door, LocalListener, listen_locally};
use crate::secret::Secret;
use crate::{data, limits, rest};

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A listener cannot be bound.
    #[error("cannot listen at {address} for {plane}{}", bind_hint(.source, .address))]
    Bind {
        /// `fleet` or `console`.
        plane: &'static str,
        /// Where.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
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
    app: Arc<App>,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Running {
    /// The use cases, for tests and the demonstration.
    #[must_use]
    pub fn app(&self) -> &Arc<App> {
        &self.app
    }

    /// The password of the first administrator, if this start made one. It is told once, and good for one sign-in.
    #[must_use]
    pub fn take_first_password(&self) -> Option<Secret> {
        self.app.take_first_password()
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
        self.app.db.close().await;
    }
}

/// Starts the server. It stops when `shutdown` ends or [`Running::stop`] is called.
///
/// # Errors
/// When a listener cannot be bound, or the data folder is in use, unreadable or full.
pub async fn run(
    mut config: Config,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<Running, StartError> {
    let (fleet, fleet_addr) = bind("fleet", config.fleet_listen).await?;
    let (console, console_addr) = bind("console", config.console_listen).await?;
    let fleet_url = config.fleet_url.clone().unwrap_or_else(|| url_of(Scheme::Https, fleet_addr));
    let console_url = console_url(&config, console_addr);
    if let Some(oidc) = &mut config.oidc {
        oidc.lead_back_to(&console_url);
    }
    let app = Arc::new(App::open(config, fleet_url.clone(), now()).await?);
    for warning in app.warnings(now()) {
        tracing::warn!("{warning}");
    }
    let local = LocalListener::bind(&app.data.socket())?;
    // Before the first answer, so that nobody is served by what is about to expire.
    app.run_signing(now()).await;
    let announced = serde_json::json!({
        "event": "listening",
        "fleet": fleet_url.as_str(),
        "console": console_url,
        "socket": app.data.socket(),
    });
    data::write_file(&app.data.listening(), announced.to_string().as_bytes())?;
    tracing::info!(%fleet_addr, %console_addr, data = %app.config.data.display(), "listening");

    let (stop, stopped) = watch::channel(false);
    let tasks = vec![
        listen_to_fleet(&app, fleet, until(stopped.clone())),
        listen_to_console(&app, console, console_addr, until(stopped.clone())),
        tokio::spawn(listen_locally(rest::local_console(app.clone()), local, until(stopped.clone()))),
        // Apart from the others: a sync may take a day, and what is signed lives no longer.
        tokio::spawn(at_each_tick(app.clone(), until(stopped.clone()), |app| async move {
            app.run_signing(now()).await;
        })),
        tokio::spawn(at_each_tick(app.clone(), until(stopped.clone()), |app| async move {
            app.run_jobs(now()).await;
        })),
        // Apart as well: making the deltas of a large release takes its time.
        tokio::spawn(make_deltas(app.clone(), until(stopped.clone()))),
    ];
    let stopper = stop.clone();
    let (closing, closed) = (app.clone(), stopped.clone());
    tokio::spawn(async move {
        until(closed).await;
        closing.publishing.pause_deltas();
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
        socket: app.data.socket(),
        app,
        stop,
        tasks,
    })
}

/// What would help, where the reason tells it.
fn bind_hint(error: &std::io::Error, address: &SocketAddr) -> String {
    match error.kind() {
        ErrorKind::AddrInUse => {
            "; another program has the port: end that, or give another port (0: any free one)".to_owned()
        }
        ErrorKind::AddrNotAvailable => format!("; {} is no address of this machine", address.ip()),
        ErrorKind::PermissionDenied => "; give a port above 1023".to_owned(),
        _ => String::new(),
    }
}

async fn bind(plane: &'static str, address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let failed = |source| StartError::Bind { plane, address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

fn listen_to_fleet(
    app: &Arc<App>,
    listener: TcpListener,
    stopped: impl Future<Output = ()> + Send + 'static,
) -> JoinHandle<()> {
    let limits = listen_limits(limits::FLEET_CONNECTIONS_MAX);
    let router = rest::fleet(app.clone(), &site(app));
    tokio::spawn(listen_tls(router, listener, app.fleet_tls(), limits, stopped))
}

fn listen_to_console(
    app: &Arc<App>,
    listener: TcpListener,
    address: SocketAddr,
    stopped: impl Future<Output = ()> + Send + 'static,
) -> JoinHandle<()> {
    let limits = listen_limits(limits::CONSOLE_CONNECTIONS_MAX);
    let door = if app.console_tls().is_some() { Door::Tls } else { Door::Plain };
    let router = rest::console(app.clone(), door, address);
    match app.console_tls() {
        Some(tls) => tokio::spawn(listen_tls(router, listener, tls, limits, stopped)),
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

fn site(app: &App) -> Site {
    let site = Site::new(ServeLimits::default());
    for class in Class::ALL {
        site.share(class, app.data.repository(class));
    }
    site
}

fn listen_limits(connections_max: usize) -> ListenLimits {
    ListenLimits { connections_max, shutdown_grace: limits::SHUTDOWN_GRACE, ..ListenLimits::default() }
}

async fn at_each_tick<F: Future<Output = ()>>(
    app: Arc<App>,
    stopped: impl Future<Output = ()>,
    work: impl Fn(Arc<App>) -> F,
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
            () = work(app.clone()) => {}
        }
    }
}

/// At each tick, and whenever something was published.
async fn make_deltas(app: Arc<App>, stopped: impl Future<Output = ()>) {
    let mut stopped = std::pin::pin!(stopped);
    loop {
        tokio::select! {
            () = &mut stopped => return,
            () = app.run_deltas(now()) => {}
        }
        tokio::select! {
            () = &mut stopped => return,
            () = app.publishing.deltas_requested() => {}
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
