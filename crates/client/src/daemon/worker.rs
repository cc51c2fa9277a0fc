//! The loop of a daemon. It waits for the next of: the interval, a request, the signal to stop; every few seconds it looks
//! at its addresses and its listener. It never spins: after any outcome the next poll is at least a second away.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use headwater_agent::{Listener, ServedTree};
use headwater_api::report::Report;
use headwater_repo::{Digest, error_chain};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::config::Config;
use crate::daemon::run_log::log_run;
use crate::data::{DaemonFile, DataFolder};
use crate::decide::{RunEnd, Wake, next_wake, pause_after, poll_after, run_end};
use crate::error::Error;
use crate::limits::{LOOK_AGAIN, STOP_GRACE};
use crate::options::{RunOptions, Trigger};
use crate::os::{self, Lock, blocking};
use crate::repair::SpreadCheck;
use crate::run::{CompletedRun, complete};
use crate::{self_update, serving, session};

/// How a daemon ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DaemonEnd {
    /// It was stopped.
    Stopped,
    /// A newer client program was activated: this is the one to continue with.
    Replaced(PathBuf),
}

/// A run that somebody waits for.
#[derive(Debug)]
pub(crate) struct Request {
    pub options: RunOptions,
    pub answer: oneshot::Sender<Result<Report, Error>>,
}

/// The addresses on which a daemon serves.
pub(crate) type Serving = Arc<Mutex<Vec<SocketAddr>>>;

pub(crate) struct Worker {
    config: Config,
    folder: DataFolder,
    listener: Listener,
    serving: Serving,
    random: fastrand::Rng,
    /// Problems of the listener, which the next report states.
    problems: Vec<String>,
    /// The content of `daemon.json`.
    published: Option<DaemonFile>,
    /// When the state was written from which the serving plan was last read.
    state_applied: Option<SystemTime>,
    /// The addresses at the last run.
    addresses: Vec<IpAddr>,
    /// Runs without network since the last other one.
    runs_without_network: u32,
    /// Runs because of other addresses since the last other one.
    runs_for_addresses: u32,
    /// The next run is because of other addresses.
    is_for_addresses: bool,
    /// When the last run over all classes ended.
    polled: Instant,
    /// When the next one is due.
    poll_due: Instant,
    /// The check of installed files between runs.
    check: SpreadCheck,
    _lock: Lock,
}

impl Worker {
    pub(crate) fn new(config: Config, folder: DataFolder, lock: Lock, serving: Serving) -> Self {
        let random = fastrand::Rng::with_seed(seed_of(config.id.as_str(), os::now().as_millisecond()));
        Self {
            listener: Listener::new(ServedTree::new(folder.served())),
            serving,
            random,
            problems: Vec::new(),
            published: None,
            state_applied: None,
            addresses: Vec::new(),
            runs_without_network: 0,
            runs_for_addresses: 0,
            is_for_addresses: false,
            polled: Instant::now(),
            poll_due: Instant::now(),
            check: SpreadCheck::after(Instant::now()),
            config,
            folder,
            _lock: lock,
        }
    }

    pub(crate) async fn work(
        mut self,
        mut requests: mpsc::Receiver<Request>,
        mut stop: watch::Receiver<bool>,
    ) -> DaemonEnd {
        let (mut next, mut wake) = (Instant::now(), Wake::Run);
        let end = loop {
            let request = tokio::select! {
                () = stopped(&mut stop) => break DaemonEnd::Stopped,
                Some(request) = requests.recv() => Some(request),
                () = sleep_until(next) => None,
                () = sleep(LOOK_AGAIN) => {
                    self.look_at_listener().await;
                    if let Some(sooner) = self.pause_for_addresses().map(|pause| Instant::now() + pause)
                        && sooner < next
                    {
                        (next, wake) = (sooner, Wake::Run);
                    }
                    if self.finds_damage().await {
                        (next, wake) = (Instant::now(), Wake::Run);
                    }
                    continue;
                }
            };
            let (options, answer) = match request {
                Some(Request { options, answer }) => (options, Some(answer)),
                None => (options_of(wake), None),
            };
            let Some(done) = self.one_run(&options, &mut stop).await else { break DaemonEnd::Stopped };
            let pause = self.pause_after(done.as_ref().map(|done| &done.report));
            let replaced = done.as_ref().ok().and_then(|done| done.replaced.clone());
            if replaced.is_none() {
                // Before the answer, so that the caller finds the listener as the run has left it.
                self.apply_serving_plan().await;
            }
            if let Some(answer) = answer {
                let _ = answer.send(done.map(|done| done.report));
            }
            if let Some(program) = replaced {
                break DaemonEnd::Replaced(program);
            }
            (next, wake) = self.schedule(pause, options.trigger);
        };
        self.listener.stop().await;
        self.set_serving();
        tracing::info!("stopped");
        end
    }

    /// When the daemon wakes after a run, and for what. After a look for the policy the interval may be another one.
    fn schedule(&mut self, pause: Duration, trigger: Trigger) -> (Instant, Wake) {
        let now = Instant::now();
        if trigger == Trigger::PolicyLook {
            self.poll_due = self.poll_due.min(self.polled + pause);
        } else {
            (self.polled, self.poll_due) = (now, now + pause);
            // The run made one.
            self.check = SpreadCheck::after(now);
        }
        let to_poll = self.poll_due.saturating_duration_since(now);
        let (pause, wake) = next_wake(to_poll, self.random.u64(..));
        (now + pause, wake)
    }

    /// One run; `None` if it was cut off because the daemon stops.
    async fn one_run(
        &mut self,
        options: &RunOptions,
        stop: &mut watch::Receiver<bool>,
    ) -> Option<Result<CompletedRun, Error>> {
        let problems = std::mem::take(&mut self.problems);
        self.addresses = session::addresses(&self.config).unwrap_or_default();
        if !std::mem::take(&mut self.is_for_addresses) {
            self.runs_for_addresses = 0;
        }
        let done = {
            let mut run = std::pin::pin!(complete(&self.config, options, problems));
            let done = tokio::select! {
                done = &mut run => Some(done),
                () = stopped(stop) => None,
            };
            match done {
                Some(done) => Some(done),
                None => timeout(STOP_GRACE, run).await.ok(),
            }
        }?;
        log_run(done.as_ref());
        Some(done.map(|done| self.confirm_program(done)))
    }

    /// Ends the probation of this program, if it is on probation.
    fn confirm_program(&self, mut done: CompletedRun) -> CompletedRun {
        let Some(own) = self.config.program.as_ref().filter(|_| done.replaced.is_none()) else { return done };
        match self_update::confirm(&self.folder, own) {
            Ok(replaced) => done.replaced = replaced,
            Err(error) => {
                tracing::error!(error = error_chain(&error), "cannot read or remove the start counter");
            }
        }
        done
    }

    /// The time to the next run, after a run that ended so.
    fn pause_after(&mut self, done: Result<&Report, &Error>) -> Duration {
        let end = match done {
            Ok(report) => run_end(report),
            Err(error) if error.is_not_enrolled() => RunEnd::NotEnrolled,
            Err(_) => RunEnd::Complete,
        };
        let poll = poll_after(self.interval(), self.random.u64(..));
        let pause = pause_after(end, self.runs_without_network, poll, self.random.u64(..));
        self.runs_without_network = match end {
            RunEnd::Complete => 0,
            RunEnd::NoNetwork | RunEnd::NotEnrolled => self.runs_without_network.saturating_add(1),
        };
        match end {
            RunEnd::Complete => {}
            RunEnd::NoNetwork => {
                tracing::info!("there is no network; the next run is in {} s", pause.as_secs())
            }
            RunEnd::NotEnrolled => tracing::info!("the next try to enrol is in {} s", pause.as_secs()),
        }
        pause
    }

    /// When a run is due because this computer has other addresses than at the last one; `None` if it has not. An address
    /// that comes and goes starts runs ever less often.
    fn pause_for_addresses(&mut self) -> Option<Duration> {
        let addresses = session::addresses(&self.config).ok()?;
        if addresses == self.addresses {
            return None;
        }
        tracing::info!(
            "the addresses of this computer have changed to {addresses:?}; the next run is in seconds"
        );
        self.addresses = addresses;
        let poll = self.interval();
        let pause = pause_after(RunEnd::NoNetwork, self.runs_for_addresses, poll, self.random.u64(..));
        self.runs_for_addresses = self.runs_for_addresses.saturating_add(1);
        self.is_for_addresses = true;
        Some(pause)
    }

    /// One step of the check of installed files (P11); whether a run is to repair some.
    async fn finds_damage(&mut self) -> bool {
        let now = Instant::now();
        let (mut check, folder) =
            (std::mem::replace(&mut self.check, SpreadCheck::after(now)), self.folder.clone());
        let (check, is_damaged) = blocking(move || {
            let is_damaged = check.step(&folder, now);
            (check, is_damaged)
        })
        .await;
        self.check = check;
        if is_damaged {
            tracing::warn!("installed files have changed; a run repairs them now");
        }
        is_damaged
    }

    /// A run beside the daemon may have brought another policy: clients that it revokes are refused now.
    async fn look_at_listener(&mut self) {
        let pending = !self.problems.is_empty() || self.state_written() != self.state_applied;
        if self.serves_or_should() && pending {
            self.apply_serving_plan().await;
        }
    }

    fn serves_or_should(&self) -> bool {
        !self.problems.is_empty() || !self.listener.addresses().is_empty()
    }

    /// When the state was last written.
    fn state_written(&self) -> Option<SystemTime> {
        std::fs::metadata(self.folder.state()).and_then(|found| found.modified()).ok()
    }

    /// Serves what the policy on the disk states.
    pub(crate) async fn apply_serving_plan(&mut self) {
        self.state_applied = self.state_written();
        match serving::serving_plan(&self.config, &self.folder) {
            Ok(plan) => self.problems = self.listener.apply(&plan).await,
            Err(error) => self.problems = vec![error_chain(&error)],
        }
        self.set_serving();
        let current = DaemonFile { serving: self.listener.addresses(), problems: self.problems.clone() };
        if self.published.as_ref() != Some(&current) {
            self.publish(current);
        }
    }

    /// Logs the problems once, and writes `daemon.json` for `headwater-client status`.
    fn publish(&mut self, current: DaemonFile) {
        for problem in &current.problems {
            tracing::warn!("{problem}");
        }
        if let Err(error) = current.save(&self.folder) {
            let error = error_chain(&error);
            tracing::warn!(error, "cannot write daemon.json; `headwater-client status` shows an old state");
        }
        self.published = Some(current);
    }

    fn set_serving(&self) {
        *self.serving.lock().unwrap_or_else(PoisonError::into_inner) = self.listener.addresses();
    }

    fn interval(&self) -> Duration {
        self.config.poll_interval.unwrap_or_else(|| serving::poll_interval(&self.config, &self.folder))
    }
}

fn options_of(wake: Wake) -> RunOptions {
    let trigger = match wake {
        Wake::Run => Trigger::Poll,
        Wake::PolicyLook => Trigger::PolicyLook,
    };
    RunOptions { trigger, ..RunOptions::default() }
}

/// Completes when the daemon is to stop (or its handle is gone).
async fn stopped(stop: &mut watch::Receiver<bool>) {
    drop(stop.wait_for(|stop| *stop).await);
}

/// A seed from the client's id and its start time, so that the clients of a site poll at different times.
fn seed_of(id: &str, started_ms: i64) -> u64 {
    let digest = Digest::of(format!("{id} {started_ms}").as_bytes());
    digest.as_bytes().iter().take(8).fold(0, |seed, byte| seed << 8 | u64::from(*byte))
}
