//! Content and other files: from the chosen source, then from the others, going on at the byte where it stopped.
//!
//! `queues` gives the order of turns; `resume` makes one request of a turn. Which source sent which byte does not matter: the
//! digest of the whole decides, and a wrong one starts the file again.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::stream::{self, TryStreamExt};
use headwater_api::report::Reason;
use headwater_repo::{Digest, VerifyError};
use tokio::time::{Instant, sleep};

use super::blob::Blob;
use super::fault::{Fault, FetchError};
use super::http::Activity;
use super::meter::{FetchProgress, Meter};
use super::queues::{Next, Queues};
use super::resume::{Request, resume};
use super::timeout::IdleTimeout;
use super::trouble::Trouble;
use super::walk::{Timeouts, Walk};
use crate::limits::{BLOB_SIZE_MAX, BUSY_RETRIES_MAX, TIMEOUTS_MAX, TRIES};
use crate::source::Source;
use crate::store::{Partial, Store};

/// What a blob is to the reader of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Body,
    Delta,
}

impl Walk {
    /// Puts every blob of `wanted` into `store`, whole and verified, several at once. What is there is not fetched.
    ///
    /// `progress` is called often, from the task that fetches.
    ///
    /// # Errors
    /// The first blob that no source gives, or the disk, ends it; what was fetched stays and is not fetched again.
    pub async fn blobs(
        &self,
        store: &Store,
        wanted: &[Blob],
        progress: &(dyn Fn(FetchProgress) + Send + Sync),
    ) -> Result<(), FetchError> {
        let wanted = &once_each(wanted);
        store.room_for(wanted.iter().map(|blob| (blob.digest, blob.size)))?;
        let meter = Meter::new(wanted, progress);
        stream::iter(wanted.iter().enumerate().map(Ok))
            .try_for_each_concurrent(self.at_once(), |(index, blob)| {
                self.blob(store, *blob, Kind::Body, index, &meter)
            })
            .await
    }

    /// As [`Self::blobs`], for deltas: one that no source gives does not end it, because there are other ways.
    /// Returns those that are missing.
    ///
    /// # Errors
    /// The disk, or a plan without sources.
    pub async fn deltas(
        &self,
        store: &Store,
        wanted: &[Blob],
        progress: &(dyn Fn(FetchProgress) + Send + Sync),
    ) -> Result<HashSet<Digest>, FetchError> {
        let wanted = &once_each(wanted);
        store.room_for(wanted.iter().map(|blob| (blob.digest, blob.size)))?;
        let meter = Meter::new(wanted, progress);
        let missing = Mutex::new(HashSet::new());
        stream::iter(wanted.iter().enumerate().map(Ok))
            .try_for_each_concurrent(self.at_once(), |(index, blob)| {
                let (meter, missing) = (&meter, &missing);
                async move {
                    match self.blob(store, *blob, Kind::Delta, index, meter).await {
                        Err(FetchError::NoSource { .. }) => {
                            missing.lock().unwrap_or_else(PoisonError::into_inner).insert(blob.digest);
                            Ok(())
                        }
                        other => other,
                    }
                }
            })
            .await?;
        Ok(missing.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    fn at_once(&self) -> usize {
        self.fetcher.settings().blobs_at_once.max(1)
    }

    async fn blob(
        &self,
        store: &Store,
        blob: Blob,
        kind: Kind,
        index: usize,
        meter: &Meter<'_>,
    ) -> Result<(), FetchError> {
        let name = self.blob_name(&blob.digest);
        let what = || name.clone().unwrap_or_else(|| format!("blob {}", blob.digest));
        if blob.size > BLOB_SIZE_MAX {
            let detail = format!("{} bytes are more than the {BLOB_SIZE_MAX} allowed", blob.size);
            let last = Fault::new(Reason::Oversized, detail);
            return Err(FetchError::NoSource { what: what(), last });
        }
        // Two walks that want the same blob: one fetches, the other finds it.
        let _alone = store.alone_with(blob.digest).await;
        if !store.has_whole(&blob.digest, blob.size) {
            let mut partial = store.partial(blob.digest, blob.size)?;
            meter.at(index, partial.length());
            if !partial.is_right() {
                let name = name.as_deref();
                let mut turn = BlobTurn { partial: &mut partial, blob, name, kind, index, meter };
                self.each_in_turn(&what(), &mut turn).await?;
            }
            // The fsync of a large file takes its time.
            let finished = tokio::task::spawn_blocking(move || partial.finish()).await;
            finished.expect("finishing a blob does not panic")?;
        }
        meter.whole(index, blob.size);
        Ok(())
    }

    /// A file small enough for memory, of at most `length_max` bytes, that `check` accepts.
    pub(super) async fn small<T: Send + Sync>(
        &self,
        what: &str,
        length_max: u64,
        url: impl Fn(&Source) -> String + Send + Sync,
        check: impl Fn(&[u8]) -> Result<T, VerifyError> + Send + Sync,
    ) -> Result<T, FetchError> {
        let mut turn = SmallTurn { length_max, url, check, found: None };
        self.each_in_turn(what, &mut turn).await?;
        Ok(turn.found.expect("a turn that ended well found it"))
    }

    /// Gives each source its turn until one brings the file to its end.
    async fn each_in_turn(&self, what: &str, turn: &mut impl Turn) -> Result<(), FetchError> {
        let mut queues = Queues::new(self);
        let mut last = None;
        let mut blamed = HashSet::new();
        while let Some(Next { source, timeout }) = queues.next(self) {
            if let Some(wait) = self.busy_for(source) {
                if timeout == IdleTimeout::Soft {
                    queues.postpone(source);
                    continue;
                }
                if wait > self.fetcher.settings().busy_wait_max || queues.waits[source] >= BUSY_RETRIES_MAX {
                    let fault = Fault::new(Reason::Busy, format!("{}: busy", self.sources[source].url()));
                    self.log.begin(source);
                    self.log.failed(source, &fault);
                    last = Some(fault);
                    continue;
                }
                sleep(wait).await;
            }
            if self.is_given_up(source) {
                let url = self.sources[source].url();
                let detail =
                    format!("{url}: it timed out {TIMEOUTS_MAX} times, and is not asked again in this run");
                last = Some(Fault::new(Reason::Timeout, detail));
                continue;
            }
            let began = Instant::now();
            match self.turns(source, turn, timeout).await {
                Ok(()) => {
                    self.log.gave(source, blamed.contains(&source));
                    self.fetcher.memory().gave(self.sources[source].url());
                    self.source_states().timeouts[source] = Timeouts::default();
                    return Ok(());
                }
                Err(Trouble::Disk(error)) => return Err(error.into()),
                Err(Trouble::Stalled) => {
                    let fault = Fault::new(Reason::Silent, format!("it fell silent over {what}"));
                    self.blame(source, &fault);
                    blamed.insert(source);
                    last = Some(fault);
                    if timeout == IdleTimeout::Soft {
                        queues.postpone(source);
                    }
                }
                Err(Trouble::Fault(fault)) => {
                    if fault.reason == Reason::Timeout {
                        self.source_states().timeouts[source].count(began);
                    }
                    self.blame(source, &turn.name().map_or_else(|| fault.clone(), |name| fault.over(name)));
                    blamed.insert(source);
                    if fault.reason == Reason::Busy {
                        queues.waits[source] += 1;
                        queues.postpone(source);
                    }
                    last = Some(fault);
                }
            }
        }
        Err(match last {
            Some(last) => FetchError::NoSource { what: what.to_owned(), last },
            None => FetchError::EmptyPlan { what: what.to_owned() },
        })
    }

    /// One source's turn, with the one retry that P9 gives.
    async fn turns(&self, source: usize, turn: &mut impl Turn, timeout: IdleTimeout) -> Result<(), Trouble> {
        let activity = self.log.begin(source);
        let mut tried = 1;
        loop {
            let before = turn.length();
            let trouble = match turn.take(self, source, timeout, &activity).await {
                Err(Trouble::Fault(fault)) => fault,
                other => return other,
            };
            let again = match trouble.reason {
                Reason::Missing | Reason::Truncated | Reason::Oversized | Reason::WrongDigest => true,
                // A connection that broke after it had brought something.
                Reason::Connect => turn.length() > before,
                _ => false,
            };
            if !again || tried >= TRIES {
                return Err(Trouble::Fault(trouble));
            }
            tried += 1;
        }
    }

    fn blame(&self, source: usize, fault: &Fault) {
        self.log.failed(source, fault);
        self.remember(source, fault);
        // A missing file says nothing of the next one.
        if fault.reason != Reason::Missing {
            self.source_states().poor[source] = true;
        }
    }

    /// In how much time enough must come.
    fn span(&self, timeout: IdleTimeout) -> Duration {
        let settings = self.fetcher.settings();
        match timeout {
            IdleTimeout::Soft => settings.soft_stall,
            IdleTimeout::Full => settings.idle_timeout,
        }
    }

    /// Has it timed out so often that more of the run is not to be spent on it?
    fn is_given_up(&self, source: usize) -> bool {
        self.source_states().timeouts[source].in_a_row >= TIMEOUTS_MAX
    }

    pub(super) fn busy_for(&self, source: usize) -> Option<Duration> {
        self.fetcher.memory().busy_for(self.sources[source].url(), self.clock.now())
    }
}

/// One file's way through its sources' turns.
trait Turn {
    /// What it is, if its address does not show that.
    fn name(&self) -> Option<&str> {
        None
    }

    /// Bytes that are there.
    fn length(&self) -> u64;

    /// Takes what `source` gives until the file is whole and right.
    fn take(
        &mut self,
        walk: &Walk,
        source: usize,
        timeout: IdleTimeout,
        activity: &Activity,
    ) -> impl Future<Output = Result<(), Trouble>> + Send;
}

struct BlobTurn<'a> {
    partial: &'a mut Partial,
    blob: Blob,
    name: Option<&'a str>,
    kind: Kind,
    index: usize,
    meter: &'a Meter<'a>,
}

impl Turn for BlobTurn<'_> {
    fn name(&self) -> Option<&str> {
        self.name
    }

    fn length(&self) -> u64 {
        self.partial.length()
    }

    async fn take(
        &mut self,
        walk: &Walk,
        source: usize,
        timeout: IdleTimeout,
        activity: &Activity,
    ) -> Result<(), Trouble> {
        let Some(url) = walk.sources[source].blob(&self.blob.digest) else {
            return Err(Fault::new(Reason::Missing, "a plain repository has no blobs").into());
        };
        let http = walk.fetcher.http(&walk.sources[source]);
        let moved = |length| self.meter.at(self.index, length);
        let span = walk.span(timeout);
        let before = self.partial.length();
        let request = Request { http: &http, url: &url, span, timeout, activity, moved: &moved };
        let done = resume(&request, self.partial).await;
        if self.kind == Kind::Delta {
            activity.were_of_delta(self.partial.length().saturating_sub(before));
        }
        done.map_err(|trouble| trouble.at_last(timeout, &url, span))
    }
}

struct SmallTurn<T, U, C> {
    length_max: u64,
    url: U,
    check: C,
    found: Option<T>,
}

impl<T, U, C> Turn for SmallTurn<T, U, C>
where
    T: Send + Sync,
    U: Fn(&Source) -> String + Send + Sync,
    C: Fn(&[u8]) -> Result<T, VerifyError> + Send + Sync,
{
    fn length(&self) -> u64 {
        0
    }

    async fn take(
        &mut self,
        walk: &Walk,
        source: usize,
        timeout: IdleTimeout,
        activity: &Activity,
    ) -> Result<(), Trouble> {
        let url = (self.url)(&walk.sources[source]);
        let http = walk.fetcher.http(&walk.sources[source]);
        let span = walk.span(timeout);
        let fetching = async {
            let head = tokio::time::timeout(span, http.get(&url, 0, activity)).await;
            let response = head.map_err(|_| Trouble::Stalled)??;
            http.read_small(response, &url, self.length_max, span, activity).await
        };
        let bytes = fetching.await.map_err(|trouble| trouble.at_last(timeout, &url, span))?;
        let bytes = bytes.found(&url)?;
        self.found = Some((self.check)(&bytes).map_err(|error| Fault::of_metadata(&error, &url))?);
        Ok(())
    }
}

/// A blob wanted twice is fetched once.
fn once_each(wanted: &[Blob]) -> Vec<Blob> {
    let mut seen = HashSet::new();
    wanted.iter().copied().filter(|blob| seen.insert(blob.digest)).collect()
}
