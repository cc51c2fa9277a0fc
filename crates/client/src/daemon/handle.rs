//! The handle of a running daemon.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::PoisonError;
use std::time::Duration;

use headwater_api::report::Report;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::bundle::{self, BundleUse};
use crate::config::Config;
use crate::daemon::worker::{DaemonEnd, Request, Serving, Worker};
use crate::data::{DataFolder, client_id};
use crate::error::Error;
use crate::limits::DAEMON_LOCK_WAIT;
use crate::options::RunOptions;
use crate::os::{self, Lock, Locked};

/// A client that polls, and serves others where it is an update agent.
#[derive(Debug)]
pub struct Daemon {
    requests: mpsc::Sender<Request>,
    stop: watch::Sender<bool>,
    serving: Serving,
    task: JoinHandle<DaemonEnd>,
}

impl Daemon {
    /// Starts in the background. The first run begins at once.
    ///
    /// # Errors
    ///
    /// The data folder cannot be used, or there is no bundle.
    pub async fn start(config: Config) -> Result<Self, Error> {
        let folder = DataFolder::new(&config.data);
        folder.refuse_root()?;
        bundle::adopt(&config, &folder, BundleUse::Start)?;
        folder.prepare()?;
        client_id::persist(&config.id, &folder)?;
        let lock = take_lock(&folder).await?;
        let (requests, waiting) = mpsc::channel(16);
        let (stop, stopping) = watch::channel(false);
        let serving = Serving::default();
        let mut worker = Worker::new(config, folder, lock, Serving::clone(&serving));
        // What it held when it last stopped is served before the first run, which may take long.
        worker.apply_serving_plan().await;
        let task = tokio::spawn(worker.work(waiting, stopping));
        Ok(Self { requests, stop, serving, task })
    }

    /// Makes a run now (after the current one, if any) and returns its report.
    ///
    /// # Errors
    ///
    /// As [`crate::run_once`].
    pub async fn update(&self, options: RunOptions) -> Result<Report, Error> {
        let (answer, answered) = oneshot::channel();
        let gone = || Error::Internal("the daemon has stopped".to_owned());
        self.requests.send(Request { options, answer }).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }

    /// The addresses on which it serves as update agent; empty if it is not one.
    pub fn serving(&self) -> Vec<SocketAddr> {
        self.serving.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Stops polling and serving. A run that is going on gets a moment to end. If it is cut off, it leaves the old or the
    /// new releases whole, and the next run continues.
    pub async fn stop(self) -> DaemonEnd {
        self.stop.send_replace(true);
        self.task.await.unwrap_or(DaemonEnd::Stopped)
    }

    /// Waits until it ends without being stopped: a newer program was activated.
    async fn ended(&mut self) -> DaemonEnd {
        (&mut self.task).await.unwrap_or(DaemonEnd::Stopped)
    }
}

/// A daemon until `shutdown` completes or a newer program is activated.
///
/// # Errors
///
/// As [`Daemon::start`].
pub async fn run(
    config: Config,
    shutdown: Pin<Box<dyn Future<Output = ()> + Send>>,
) -> Result<DaemonEnd, Error> {
    let mut daemon = Daemon::start(config).await?;
    tokio::select! {
        end = daemon.ended() => return Ok(end),
        () = shutdown => {}
    }
    Ok(daemon.stop().await)
}

async fn take_lock(folder: &DataFolder) -> Result<Lock, Error> {
    let path = folder.daemon_lock();
    let last_try = Instant::now() + DAEMON_LOCK_WAIT;
    loop {
        match os::lock(&path).map_err(Error::file("locking", &path))? {
            Locked::Held(lock) => return Ok(lock),
            // `headwater-client status` takes it for a moment, too.
            Locked::Busy(_) if Instant::now() < last_try => sleep(Duration::from_millis(20)).await,
            Locked::Busy(holder) => {
                return Err(Error::DaemonBusy { holder, folder: folder.root().to_owned() });
            }
        }
    }
}
