//! The daemon: a run at start, then one per interval (shifted by chance) and whenever one is asked for; between
//! them, serving as update agent where the signed policy says so.
//!
//! It waits for the next of: the interval, a request, the word to stop. It never spins: after any outcome the next
//! poll is at least a second off.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use headwater_agent::{Listener, Shelf};
use headwater_api::report::Report;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::chance::Chance;
use crate::config::Config;
use crate::error::Error;
use crate::folder::DataFolder;
use crate::limits::{DAEMON_LOCK_WAIT, ENROL_AGAIN, LISTEN_AGAIN, STOP_GRACE};
use crate::machine::poll_after;
use crate::os::{Lock, Locked};
use crate::run::{Completed, RunOptions, complete};
use crate::{bundle, identity, os, role, self_update};
use headwater_repo::error_chain;

/// A client that polls, and serves as update agent where it has the role.
#[derive(Debug)]
pub struct Daemon {
    requests: mpsc::Sender<Request>,
    stop: watch::Sender<bool>,
    serving: Serving,
    task: JoinHandle<End>,
}

/// How a daemon ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// It was told to stop.
    Stopped,
    /// A newer client program was put in place: this is the one to go on with.
    Replaced(PathBuf),
}

#[derive(Debug)]
struct Request {
    options: RunOptions,
    answer: oneshot::Sender<Result<Report, Error>>,
}

type Serving = Arc<Mutex<Vec<SocketAddr>>>;

impl Daemon {
    /// Starts in the background. The first run begins at once.
    ///
    /// # Errors
    ///
    /// The data folder cannot be used, or there is no bundle.
    pub async fn start(config: Config) -> Result<Self, Error> {
        let folder = DataFolder::new(&config.data);
        bundle::take(&config, &folder, false)?;
        identity::settle(&config, &folder)?;
        let lock = take_lock(&folder).await?;
        let (requests, waiting) = mpsc::channel(16);
        let (stop, stopping) = watch::channel(false);
        let serving = Serving::default();
        let seed = Chance::seed_of(config.id.as_str(), os::now().as_millisecond());
        let mut at_work = AtWork {
            listener: Listener::new(Shelf::new(folder.served())),
            serving: Arc::clone(&serving),
            chance: Chance::new(seed),
            warnings: Vec::new(),
            told: None,
            played_at: None,
            config,
            folder,
            _lock: lock,
        };
        // What it held when it last stopped is served before the first run, which may take its time.
        at_work.play().await;
        let task = tokio::spawn(at_work.work(waiting, stopping));
        Ok(Self { requests, stop, serving, task })
    }

    /// Makes a run now (after the one that is going on, if any) and returns its report.
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

    /// Where the update agent's listener is; empty without the role.
    pub fn serving(&self) -> Vec<SocketAddr> {
        self.serving.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Stops polling and serving. A run that is going on gets a moment to end; cut off, it leaves the old or the new
    /// releases, and the next run goes on.
    pub async fn stop(self) -> End {
        self.stop.send_replace(true);
        self.task.await.unwrap_or(End::Stopped)
    }

    /// Waits until it ends by itself: a newer program was put in place.
    async fn ended(&mut self) -> End {
        (&mut self.task).await.unwrap_or(End::Stopped)
    }
}

/// A daemon until `shutdown` completes or a newer program was put in place.
///
/// # Errors
///
/// As [`Daemon::start`].
pub async fn run(config: Config, shutdown: impl Future<Output = ()>) -> Result<End, Error> {
    let mut daemon = Daemon::start(config).await?;
    tokio::select! {
        end = daemon.ended() => return Ok(end),
        () = shutdown => {}
    }
    Ok(daemon.stop().await)
}

struct AtWork {
    config: Config,
    folder: DataFolder,
    listener: Listener,
    serving: Serving,
    chance: Chance,
    /// What the next report is to say beside its own.
    warnings: Vec<String>,
    /// What `daemon.json` says.
    told: Option<Told>,
    /// When the state was written that the part was last taken from.
    played_at: Option<SystemTime>,
    _lock: Lock,
}

/// What a running daemon tells `status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Told {
    pub serving: Vec<SocketAddr>,
    pub problems: Vec<String>,
}

async fn take_lock(folder: &DataFolder) -> Result<Lock, Error> {
    let path = folder.daemon_lock();
    let again = Instant::now() + DAEMON_LOCK_WAIT;
    loop {
        match os::lock(&path).map_err(Error::file("locking", &path))? {
            Locked::Held(lock) => return Ok(lock),
            // Somebody who asks for the status holds it for a moment, too.
            Locked::Busy(_) if Instant::now() < again => sleep(Duration::from_millis(20)).await,
            Locked::Busy(holder) => {
                return Err(Error::DaemonBusy { holder, folder: folder.root().to_owned() });
            }
        }
    }
}

impl AtWork {
    async fn work(mut self, mut requests: mpsc::Receiver<Request>, mut stop: watch::Receiver<bool>) -> End {
        let mut next = Instant::now();
        let end = loop {
            let request = tokio::select! {
                () = told(&mut stop) => break End::Stopped,
                Some(request) = requests.recv() => Some(request),
                () = sleep_until(next) => None,
                () = sleep(LISTEN_AGAIN), if self.serves_or_would() => {
                    // A run beside the daemon may have brought another policy: whom it revokes is refused from now on.
                    if !self.warnings.is_empty() || self.state_written() != self.played_at {
                        self.play().await;
                    }
                    continue;
                }
            };
            let (options, answer) = match request {
                Some(Request { options, answer }) => (options, Some(answer)),
                None => (RunOptions::default(), None),
            };
            let Some(done) = self.one_run(&options, &mut stop).await else { break End::Stopped };
            let not_enrolled = done.as_ref().is_err_and(Error::is_not_enrolled);
            let replaced = done.as_ref().ok().and_then(|done| done.replaced.clone());
            if replaced.is_none() {
                // Before the answer: who asked finds the listener as the run has left it.
                self.play().await;
            }
            if let Some(answer) = answer {
                let _ = answer.send(done.map(|done| done.report));
            }
            if let Some(program) = replaced {
                break End::Replaced(program);
            }
            let pause = poll_after(self.interval(), self.chance.next_number());
            next = Instant::now() + if not_enrolled { pause.min(ENROL_AGAIN) } else { pause };
        };
        self.listener.stop().await;
        self.set_serving();
        end
    }

    /// One run; `None` if it was cut off because the daemon is to stop.
    async fn one_run(
        &mut self,
        options: &RunOptions,
        stop: &mut watch::Receiver<bool>,
    ) -> Option<Result<Completed, Error>> {
        let warnings = std::mem::take(&mut self.warnings);
        let done = {
            let mut run = std::pin::pin!(complete(&self.config, options, warnings));
            let done = tokio::select! {
                done = &mut run => Some(done),
                () = told(stop) => None,
            };
            match done {
                Some(done) => Some(done),
                None => timeout(STOP_GRACE, run).await.ok(),
            }
        }?;
        match &done {
            Ok(done) => {
                tracing::info!(run = done.report.run, duration_ms = done.report.duration_ms, "run completed");
            }
            Err(error) => tracing::error!(error = error_chain(error), "the run could not be completed"),
        }
        Some(done.map(|done| self.after_run(done)))
    }

    fn after_run(&self, mut done: Completed) -> Completed {
        let Some(own) = self.config.program.as_ref().filter(|_| done.replaced.is_none()) else { return done };
        match self_update::after_run(&self.folder, own) {
            Ok(replaced) => done.replaced = replaced,
            Err(error) => tracing::error!(error = error_chain(&error), "the start counter cannot be kept"),
        }
        done
    }

    fn serves_or_would(&self) -> bool {
        !self.warnings.is_empty() || !self.listener.addresses().is_empty()
    }

    /// When the state was last written.
    fn state_written(&self) -> Option<SystemTime> {
        std::fs::metadata(self.folder.state()).and_then(|found| found.modified()).ok()
    }

    /// Plays the part that the policy now in force gives.
    async fn play(&mut self) {
        self.played_at = self.state_written();
        match role::part(&self.config, &self.folder) {
            Ok(part) => self.warnings = self.listener.play(&part).await,
            Err(error) => self.warnings = vec![error_chain(&error)],
        }
        self.set_serving();
        let told = Told { serving: self.listener.addresses(), problems: self.warnings.clone() };
        if self.told.as_ref() != Some(&told) {
            self.tell(told);
        }
    }

    /// Tells the log and `status`, once.
    fn tell(&mut self, told: Told) {
        for problem in &told.problems {
            tracing::warn!("{problem}");
        }
        let written = serde_json::to_vec(&told)
            .map_err(std::io::Error::other)
            .and_then(|bytes| os::write_atomic(&self.folder.daemon(), &bytes));
        if let Err(error) = written {
            tracing::warn!(%error, "what is served where cannot be written down for `status`");
        }
        self.told = Some(told);
    }

    fn set_serving(&self) {
        *self.serving.lock().unwrap_or_else(PoisonError::into_inner) = self.listener.addresses();
    }

    fn interval(&self) -> Duration {
        self.config.poll_interval.unwrap_or_else(|| role::poll_interval(&self.config, &self.folder))
    }
}

/// Completes when the word to stop was given (or nobody is left to give it).
async fn told(stop: &mut watch::Receiver<bool>) {
    drop(stop.wait_for(|stop| *stop).await);
}
