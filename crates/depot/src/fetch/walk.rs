//! The state of one class of one run, and the metadata of one source.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use headwater_api::report::{Attempt, Reason};
use headwater_repo::limits::{ROLES_VISITED_MAX, TARGET_LENGTH_MAX};
use headwater_repo::{Digest, Lookup, TargetDescription, TargetName, Trusted, VerifyError};
use jiff::Timestamp;
use tokio::time::Instant;

use super::Fetcher;
use super::attempts::{Clock, Log};
use super::fault::{Fault, FetchError};
use super::http::Activity;
use crate::source::Source;
use crate::store::Store;

/// One class of one run over the sources of its plan: [`Walk::refresh`], then what is to be fetched.
#[derive(Debug)]
pub struct Walk {
    pub(super) fetcher: Fetcher,
    pub(super) sources: Vec<Source>,
    pub(super) clock: Clock,
    pub(super) log: Log,
    source_states: Mutex<SourceStates>,
    names: Mutex<HashMap<Digest, String>>,
}

/// What this run has learnt of its sources.
#[derive(Debug, Clone)]
pub(super) struct SourceStates {
    /// The source whose metadata was taken.
    pub(super) chosen: Option<usize>,
    /// Sources that failed or stalled: for the rest of the run, asked only when no other is left.
    pub(super) poor: Vec<bool>,
    pub(super) timeouts: Vec<Timeouts>,
}

/// How often a source used up the whole time-out since it last gave something.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Timeouts {
    pub(super) in_a_row: u32,
    last: Option<Instant>,
}

impl Timeouts {
    /// Counts a turn that began then. Turns that ran at the same time count as one.
    pub(super) fn count(&mut self, began: Instant) {
        if self.last.is_none_or(|last| last <= began) {
            self.in_a_row += 1;
            self.last = Some(Instant::now());
        }
    }
}

impl Walk {
    /// A walk over `sources`, in order; `from_version`: of the signed content that the client has (0: none).
    pub fn new(fetcher: &Fetcher, sources: Vec<Source>, from_version: u64, now: Timestamp) -> Self {
        let clock = Clock::starting(now);
        let source_states = SourceStates {
            chosen: None,
            poor: vec![false; sources.len()],
            timeouts: vec![Timeouts::default(); sources.len()],
        };
        Self {
            fetcher: fetcher.clone(),
            sources,
            clock,
            log: Log::new(clock, from_version),
            source_states: Mutex::new(source_states),
            names: Mutex::default(),
        }
    }

    /// The sources, in order.
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// The walk so far, as a report has it: one attempt for each source asked, in the order they began.
    pub fn attempts(&self) -> Vec<Attempt> {
        self.log.attempts(&self.sources)
    }

    /// What attempts and errors call these blobs, whose addresses do not show what they are for.
    pub fn name_blobs(&self, names: impl IntoIterator<Item = (Digest, String)>) {
        self.names.lock().unwrap_or_else(PoisonError::into_inner).extend(names);
    }

    pub(super) fn blob_name(&self, digest: &Digest) -> Option<String> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner).get(digest).cloned()
    }

    /// Searches a target, through delegated roles where there are any; their files come from the walk's sources.
    ///
    /// # Errors
    /// Also where a delegated role's file does not verify, from any source.
    pub async fn find(
        &self,
        trusted: &mut Trusted,
        name: &TargetName,
    ) -> Result<Option<TargetDescription>, FetchError> {
        let refused = |error| FetchError::NoSource {
            what: format!("the description of {name}"),
            last: Fault::of_metadata(&error, name.as_str()).by_clock(self.clock.now()),
        };
        // One lookup more than roles that may be visited: each round loads one.
        for _ in 0..=ROLES_VISITED_MAX {
            match trusted.lookup(name, self.clock.now()).map_err(refused)? {
                Lookup::Found(description) => return Ok(Some(description)),
                Lookup::Absent => return Ok(None),
                Lookup::Wanted(role) => {
                    let now = self.clock.now();
                    let url = |source: &Source| source.metadata(&role.wanted.file);
                    let found = self
                        .small(&format!("role {:?}", role.name), role.wanted.length_max, url, |bytes| {
                            let mut next = trusted.clone();
                            next.update_delegated(&role, bytes, now).map(|()| next)
                        })
                        .await?;
                    *trusted = found;
                }
            }
        }
        // The lookup refuses as many roles; a search that ends here found no answer, which is not "absent".
        Err(refused(VerifyError::TooManyRoles { visited_max: ROLES_VISITED_MAX }))
    }

    /// Fetches a target, small enough for memory, and verifies it.
    pub async fn target(&self, description: &TargetDescription) -> Result<Vec<u8>, FetchError> {
        let what = format!("target {}", description.name);
        if description.length > TARGET_LENGTH_MAX {
            let detail =
                format!("{} bytes are more than the {TARGET_LENGTH_MAX} allowed", description.length);
            return Err(FetchError::NoSource { what, last: Fault::new(Reason::Oversized, detail) });
        }
        let url = |source: &Source| source.target(&description.path);
        self.small(&what, description.length, url, |bytes| description.check(bytes).map(|()| bytes.to_vec()))
            .await
    }

    /// A target's bytes: those that `store` keeps, or fetched, verified and kept there (P10).
    pub async fn stored_target(
        &self,
        store: &Store,
        description: &TargetDescription,
    ) -> Result<Vec<u8>, FetchError> {
        if let Some(kept) = store.target(description)? {
            return Ok(kept);
        }
        let bytes = self.target(description).await?;
        store.put(&bytes)?;
        Ok(bytes)
    }

    /// One source's whole metadata: roots, timestamp, snapshot, targets. `trusted` is left at the furthest verified.
    pub(super) async fn metadata(
        &self,
        source: usize,
        trusted: &mut Trusted,
        activity: &Activity,
    ) -> Result<u64, Fault> {
        let total = self.fetcher.settings().metadata_total;
        match tokio::time::timeout(total, self.metadata_steps(source, trusted, activity)).await {
            Ok(outcome) => outcome,
            Err(_) => {
                let detail = format!(
                    "{}: its metadata did not end in {} s",
                    self.sources[source].url(),
                    total.as_secs()
                );
                Err(Fault::new(Reason::Timeout, detail))
            }
        }
    }

    async fn metadata_steps(
        &self,
        index: usize,
        trusted: &mut Trusted,
        activity: &Activity,
    ) -> Result<u64, Fault> {
        let source = &self.sources[index];
        let http = self.fetcher.http(source);
        let refused =
            |file: &str, error| Fault::of_metadata(&error, &source.metadata(file)).by_clock(self.clock.now());
        self.follow_roots(index, trusted, activity).await?;
        trusted.check_root(self.clock.now()).map_err(|error| refused("root", error))?;

        let wanted = trusted.timestamp_wanted();
        let url = source.metadata(&wanted.file);
        let bytes = http.small(&url, wanted.length_max, activity).await?;
        let bytes = bytes.found(&url).map_err(|fault| Fault { reason: Reason::NotShared, ..fault })?;
        trusted.update_timestamp(&bytes, self.clock.now()).map_err(|error| refused(&wanted.file, error))?;

        let now = self.clock.now();
        if let Some(wanted) =
            trusted.snapshot_wanted(now).map_err(|error| refused("timestamp.json", error))?
        {
            let bytes = self.pinned(source, &wanted, activity).await?;
            trusted.update_snapshot(&bytes, now).map_err(|error| refused(&wanted.file, error))?;
        }
        if let Some(wanted) = trusted.targets_wanted(now).map_err(|error| refused("snapshot.json", error))? {
            let bytes = self.pinned(source, &wanted, activity).await?;
            trusted.update_targets(&bytes, now).map_err(|error| refused(&wanted.file, error))?;
        }
        trusted.authorised(self.clock.now()).map_err(|error| refused("targets.json", error))?;
        Ok(trusted.targets_version().unwrap_or(0))
    }

    async fn pinned(
        &self,
        source: &Source,
        wanted: &headwater_repo::Wanted,
        activity: &Activity,
    ) -> Result<Vec<u8>, Fault> {
        let url = source.metadata(&wanted.file);
        self.fetcher.http(source).small(&url, wanted.length_max, activity).await?.found(&url)
    }

    pub(super) fn source_states(&self) -> MutexGuard<'_, SourceStates> {
        self.source_states.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The source failed in a way that is worth remembering.
    pub(super) fn remember(&self, source: usize, fault: &Fault) {
        let url = self.sources[source].url();
        let now = self.clock.now();
        match fault.reason {
            Reason::Busy => {
                let wait = fault.retry_after.unwrap_or(Duration::ZERO);
                self.fetcher.memory().busy(url, wait, now);
            }
            // Says something of the class or of our own wishes, not of how the source answers.
            Reason::NotShared | Reason::Stale | Reason::StaleRoot | Reason::Overtaken => {}
            // Slower than others is no failure (P9).
            Reason::Silent => self.fetcher.memory().lost(url, now),
            _ => self.fetcher.memory().failed(url, now),
        }
    }
}
