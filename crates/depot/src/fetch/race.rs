//! Metadata: the sources in order, gently raced, so that a silent one costs a second and the order still holds.
//!
//! A source is started when every one before it has failed, is stale, or is silent for longer than its head start
//! (`source_memory`). One that answered well is taken
//! as soon as the same is true of every one before it. So the earliest that answers well wins, unless it keeps
//! everybody waiting.
//!
//! What a source that failed had shown until then is forgotten, except for its roots: those hold for every source of
//! the race, and after it. Where it is the plan's only source, everything that verified is kept (ADR 8).

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use headwater_api::report::Reason;
use headwater_repo::{Trusted, VerifyError};
use tokio::time::{Instant, sleep_until};

use super::expected::Expected;
use super::fault::Fault;
use super::http::Activity;
use super::refreshed::{Refreshed, Unable};
use super::source_memory::SourcePace;
use super::walk::Walk;
use crate::limits::BUSY_RETRIES_MAX;

impl Walk {
    /// Brings `trusted` up to date from the first source that can, and chooses that source for what follows.
    ///
    /// Sources are tried in order; one that is silent does not hold up the next, which is then asked beside it.
    /// `announced`: the version that the server is known to have published; a source with an older one is *stale*
    /// and is taken only if nobody has anything fresher.
    pub async fn refresh(&self, trusted: &Trusted, announced: Option<u64>) -> Result<Refreshed, Unable> {
        self.refresh_as(trusted, &Expected { announced, ..Expected::default() }).await
    }

    /// As [`Self::refresh`], with more that is known: a source under an older root than was named, or whose versions were
    /// first seen too long ago, is unable (I2b).
    pub async fn refresh_as(&self, trusted: &Trusted, expected: &Expected) -> Result<Refreshed, Unable> {
        race(self, trusted, expected).await
    }
}

async fn race(walk: &Walk, trusted: &Trusted, expected: &Expected) -> Result<Refreshed, Unable> {
    let mut race = Race {
        walk,
        trusted: trusted.clone(),
        expected,
        states: (0..walk.sources.len()).map(|_| State::Waiting).collect(),
        waits: vec![0; walk.sources.len()],
        running: FuturesUnordered::new(),
        last: None,
    };
    loop {
        race.start_due();
        if let Some(winner) = race.winner() {
            return Ok(race.take(winner));
        }
        if race.running.is_empty() {
            match race.busy_to_wait_for() {
                Some((source, until)) => {
                    sleep_until(until).await;
                    race.waits[source] += 1;
                    race.start(source);
                }
                None => return race.give_up(trusted),
            }
        }
        let silent_next = race.next_silence();
        tokio::select! {
            Some(done) = race.running.next() => race.done(done),
            () = sleep_until(silent_next.unwrap_or_else(Instant::now)), if silent_next.is_some() => {}
        }
    }
}

struct Race<'a> {
    walk: &'a Walk,
    /// Where each source begins: what the client has, and the roots that sources have shown since.
    trusted: Trusted,
    expected: &'a Expected,
    states: Vec<State>,
    /// How often each busy source was waited for.
    waits: Vec<u32>,
    running: FuturesUnordered<BoxFuture<'a, Done>>,
    last: Option<Fault>,
}

enum State {
    Waiting,
    Running { activity: Arc<Activity>, started: Instant, head_start: SourcePace },
    Failed,
    Busy { until: Instant },
    Stale { trusted: Box<Trusted>, version: u64 },
    Good { trusted: Box<Trusted>, version: u64 },
}

struct Done {
    source: usize,
    trusted: Trusted,
    outcome: Result<u64, Fault>,
    pace: SourcePace,
}

impl Race<'_> {
    /// Starts the next sources, as long as nobody before them is worth waiting for.
    fn start_due(&mut self) {
        while let Some(next) = self.states.iter().position(|state| matches!(state, State::Waiting)) {
            let blocked = (0..next).any(|source| !self.is_out(source));
            if blocked {
                return;
            }
            let walk = self.walk;
            let busy = walk.fetcher.memory().busy_for(walk.sources[next].url(), walk.clock.now());
            match busy {
                Some(wait) => self.busy(next, wait, "it was busy before"),
                None => self.start(next),
            }
        }
    }

    fn start(&mut self, source: usize) {
        let walk = self.walk;
        let head_starts = &walk.fetcher.settings().head_starts;
        let url = walk.sources[source].url();
        let head_start = walk.fetcher.memory().head_start(url, head_starts, walk.clock.now());
        let activity = walk.log.begin(source);
        activity.begin();
        self.states[source] =
            State::Running { activity: Arc::clone(&activity), started: Instant::now(), head_start };
        let mut trusted = self.trusted.clone();
        self.running.push(Box::pin(async move {
            let outcome = walk.metadata(source, &mut trusted, &activity).await;
            Done { source, trusted, outcome, pace: activity.pace() }
        }));
    }

    fn done(&mut self, Done { source, trusted, outcome, pace }: Done) {
        self.learn(&trusted);
        match outcome {
            Ok(version) => {
                if self.answered(source, trusted, version) {
                    let url = self.walk.sources[source].url();
                    self.walk.fetcher.memory().answered(url, pace, self.walk.clock.now());
                }
            }
            Err(fault) => {
                self.walk.remember(source, &fault);
                match fault.retry_after {
                    Some(wait) => self.busy(source, wait, &fault.detail),
                    None => self.out(source, fault),
                }
            }
        }
    }

    /// `false`: not under the latest root, or not what was expected.
    fn answered(&mut self, source: usize, mut trusted: Trusted, version: u64) -> bool {
        let good =
            self.under_latest_root(source, &mut trusted).and_then(|()| self.as_expected(source, &trusted));
        if let Err(fault) = good {
            self.walk.remember(source, &fault);
            self.out(source, fault);
            return false;
        }
        self.walk.log.answered(source, version);
        let trusted = Box::new(trusted);
        match self.expected.announced.filter(|announced| version < *announced) {
            Some(announced) => {
                let detail = format!("it has version {version}, and {announced} was announced");
                self.failed(source, Fault::new(Reason::Stale, detail));
                self.states[source] = State::Stale { trusted, version };
            }
            None => self.states[source] = State::Good { trusted, version },
        }
        true
    }

    /// Takes over the roots that a source showed; from the plan's only source, all that verified.
    fn learn(&mut self, shown: &Trusted) {
        if self.states.len() == 1 {
            self.trusted = shown.clone();
        } else if shown.root_version() > self.trusted.root_version() && self.trusted.follow(shown).is_ok() {
            self.verify_again();
        }
    }

    /// Under a newer root, what answered well may be signed by nobody any more.
    fn verify_again(&mut self) {
        for source in 0..self.states.len() {
            if let State::Good { trusted, version } | State::Stale { trusted, version } = &self.states[source]
            {
                let (trusted, version) = (Trusted::clone(trusted), *version);
                self.answered(source, trusted, version);
            }
        }
    }

    fn under_latest_root(&self, source: usize, trusted: &mut Trusted) -> Result<(), Fault> {
        let followed = trusted.follow(&self.trusted);
        followed.and_then(|()| trusted.authorised(self.walk.clock.now())).map_err(|error| {
            let url = self.walk.sources[source].url();
            let version = self.trusted.root_version();
            let detail = format!("{url}: not good under root {version}, which another source has: {error}");
            let expired = matches!(error, VerifyError::Expired { .. });
            Fault::new(if expired { Reason::Expired } else { Reason::WrongSignature }, detail)
                .by_clock(self.walk.clock.now())
        })
    }

    /// Is its root the one that was named, or newer, and were its versions not first seen long ago?
    fn as_expected(&self, source: usize, trusted: &Trusted) -> Result<(), Fault> {
        let (url, root) = (self.walk.sources[source].url(), trusted.root_version());
        if let Some(named) = self.expected.root.filter(|named| root < *named) {
            let detail = format!("{url}: its metadata is under root {root}, and root {named} was named");
            return Err(Fault::new(Reason::StaleRoot, detail));
        }
        let now = self.walk.clock.now();
        let seen = self.expected.first_seen.check(trusted, now);
        seen.map_err(|error| Fault::of_metadata(&error, url).by_clock(now))
    }

    /// The source was unable.
    fn out(&mut self, source: usize, fault: Fault) {
        self.failed(source, fault);
        self.states[source] = State::Failed;
    }

    fn failed(&mut self, source: usize, fault: Fault) {
        self.walk.log.failed(source, &fault);
        self.last = Some(fault);
    }

    fn busy(&mut self, source: usize, wait: Duration, detail: &str) {
        let url = self.walk.sources[source].url();
        let mut fault = Fault::new(Reason::Busy, format!("{url}: busy for {} s: {detail}", wait.as_secs()));
        fault.retry_after = Some(wait);
        self.failed(source, fault);
        self.states[source] = State::Busy { until: Instant::now() + wait };
    }

    /// Nobody waits for it: it failed, is stale or busy, or shows no sign of life.
    fn is_out(&self, source: usize) -> bool {
        match &self.states[source] {
            State::Waiting | State::Good { .. } => false,
            State::Failed | State::Busy { .. } | State::Stale { .. } => true,
            State::Running { .. } => self.silent_from(source).is_some_and(|from| from <= Instant::now()),
        }
    }

    /// When a running source counts as silent, if nothing more comes.
    fn silent_from(&self, source: usize) -> Option<Instant> {
        let State::Running { activity, started, head_start } = &self.states[source] else { return None };
        Some((activity.last() + head_start.silence).min(*started + head_start.total))
    }

    /// The next moment at which a source that is not silent yet will be.
    fn next_silence(&self) -> Option<Instant> {
        let now = Instant::now();
        (0..self.states.len()).filter_map(|source| self.silent_from(source)).filter(|from| *from > now).min()
    }

    fn winner(&self) -> Option<usize> {
        let good = self.states.iter().position(|state| matches!(state, State::Good { .. }))?;
        (0..good).all(|source| self.is_out(source)).then_some(good)
    }

    /// A busy source that may be waited for, when no other is left.
    fn busy_to_wait_for(&self) -> Option<(usize, Instant)> {
        let latest = Instant::now() + self.walk.fetcher.settings().busy_wait_max;
        let waiting = self.states.iter().enumerate().filter_map(|(source, state)| match state {
            State::Busy { until } if *until <= latest && self.waits[source] < BUSY_RETRIES_MAX => {
                Some((source, *until))
            }
            _ => None,
        });
        waiting.min_by_key(|(_, until)| *until)
    }

    /// Every source has answered or failed, and none is good: takes the best stale one, or gives up.
    fn give_up(mut self, before: &Trusted) -> Result<Refreshed, Unable> {
        let stale = self.states.iter().enumerate().filter_map(|(source, state)| match state {
            State::Stale { version, .. } => Some((*version, std::cmp::Reverse(source))),
            _ => None,
        });
        if let Some((_, std::cmp::Reverse(source))) = stale.max() {
            return Ok(self.take(source));
        }
        let message = match &self.last {
            Some(last) => {
                format!("none of {} sources could be used; the last error: {last}", self.states.len())
            }
            None => {
                "there is no source; add one to the source list or switch the server's fallback on".to_owned()
            }
        };
        let progress = (self.trusted.received() != before.received()).then(|| Box::new(self.trusted));
        Err(Unable { message, last: self.last, progress })
    }

    /// Takes a source's metadata, and writes down what became of the others.
    fn take(&mut self, winner: usize) -> Refreshed {
        let silent: Vec<bool> = (0..self.states.len()).map(|source| self.is_out(source)).collect();
        let walk = self.walk;
        let mut taken = None;
        for (source, state) in self.states.drain(..).enumerate() {
            match state {
                State::Good { trusted, version } if source == winner => {
                    taken = Some((trusted, version, false))
                }
                State::Stale { trusted, version } if source == winner => {
                    taken = Some((trusted, version, true))
                }
                State::Good { .. } => {
                    walk.log.passed_over(source, Reason::Overtaken, "an earlier source answered too");
                }
                State::Running { .. } if silent[source] => {
                    let fault = Fault::new(Reason::Silent, "another source answered while it was silent");
                    walk.log.passed_over(source, fault.reason, &fault.detail);
                    walk.remember(source, &fault);
                    walk.source_states().poor[source] = true;
                }
                State::Running { .. } => {
                    walk.log.passed_over(source, Reason::Overtaken, "an earlier source answered first");
                }
                State::Failed | State::Busy { .. } => walk.source_states().poor[source] = true,
                State::Waiting | State::Stale { .. } => {}
            }
        }
        let (trusted, version, stale) = taken.expect("only a source that answered is taken");
        walk.log.taken(winner, version, stale);
        walk.source_states().chosen = Some(winner);
        Refreshed { trusted: *trusted, source: winner, version, stale }
    }
}
