//! Fetching along a plan: metadata by racing gently down the list, bodies by going on where they stopped.
//!
//! A [`Walk`] is one class of one run over the sources of its plan. Its steps, in order:
//!
//! 1. [`Walk::refresh`]: which source is taken, and what may be believed (P7, P9);
//! 2. [`Walk::target`]: small signed files;
//! 3. [`Walk::blobs`]: content, four at once, resumed at the same byte from the next source (P10);
//! 4. [`Walk::attempts`]: what a report says of it (P12).
//!
//! What to fetch, and what to do with it, is the caller's; making the plan is `policy`'s.

mod attempts;
mod back_off;
mod blob;
mod body;
mod fault;
mod http;
mod meter;
mod queues;
mod race;
mod refreshed;
mod resume;
mod walk;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use headwater_policy::FamilySet;

pub use back_off::BackOff;
pub use blob::Blob;
pub use fault::{Fault, FetchError};
pub use meter::Progress;
pub use refreshed::{Refreshed, Unable};
pub use walk::Walk;

use crate::limits;

/// The times and numbers that fetching goes by. The default is the product's.
#[derive(Debug, Clone)]
pub struct FetchSettings {
    /// Time to connect (P9).
    pub connect_timeout: Duration,
    /// Time without a byte before a source is given up (P9).
    pub idle_timeout: Duration,
    /// Silence after which the next source is asked for metadata beside a source.
    pub soft_start: Duration,
    /// The same for a source remembered as failing.
    pub soft_start_failing: Duration,
    /// Time after which metadata that is still coming counts as silence.
    pub metadata_slow: Duration,
    /// Time for the whole metadata of one source.
    pub metadata_total: Duration,
    /// Silence after which a body goes on at another source.
    pub soft_stall: Duration,
    /// Longest wait for a busy source when no other is left.
    pub busy_wait_max: Duration,
    /// Blobs fetched at once, at least 1.
    pub blobs_at_once: usize,
    /// The families of this computer's addresses: a name's other addresses are not tried.
    pub families: FamilySet,
    /// What requests say of us.
    pub user_agent: String,
}

impl Default for FetchSettings {
    fn default() -> Self {
        Self {
            connect_timeout: limits::CONNECT_TIMEOUT,
            idle_timeout: limits::IDLE_TIMEOUT,
            soft_start: limits::SOFT_START,
            soft_start_failing: limits::SOFT_START_FAILING,
            metadata_slow: limits::METADATA_SLOW,
            metadata_total: limits::METADATA_TOTAL,
            soft_stall: limits::SOFT_STALL,
            busy_wait_max: limits::BUSY_WAIT_MAX,
            blobs_at_once: limits::BLOBS_AT_ONCE,
            families: FamilySet::BOTH,
            user_agent: concat!("headwater/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

/// The outgoing side of this process: connections kept alive, and what is remembered of sources. Clones share both.
#[derive(Debug, Clone)]
pub struct Fetcher {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// To sources of the public: the system's certificate authorities, and no certificate of ours.
    public: http::Http,
    /// To the fleet's own, once its TLS is known.
    fleet: RwLock<Option<http::Http>>,
    settings: FetchSettings,
    back_off: Mutex<BackOff>,
}

/// The system gave no HTTP client: most often, it has no store of certificate authorities.
#[derive(Debug, thiserror::Error)]
#[error("no HTTP client can be made on this system")]
pub struct FetcherError(#[from] reqwest::Error);

impl Fetcher {
    /// A fetcher with what an earlier run remembered of sources.
    pub fn new(settings: FetchSettings, back_off: BackOff) -> Result<Self, FetcherError> {
        let public = http::Http::new(&settings)?;
        let (fleet, back_off) = (RwLock::new(None), Mutex::new(back_off));
        Ok(Self { inner: Arc::new(Inner { public, fleet, settings, back_off }) })
    }

    /// Speaks to the fleet's own sources ([`Source::is_fleet`](crate::Source::is_fleet)) by this TLS from now on, and by
    /// nothing weaker: it trusts no other authorities and shows our certificate to nobody else. Sessions are resumed as
    /// long as the configuration stays the same: call it only when it changes.
    ///
    /// # Errors
    ///
    /// The system gave no HTTP client.
    pub fn set_fleet_tls(&self, tls: rustls::ClientConfig) -> Result<(), FetcherError> {
        let fleet = http::Http::of_fleet(&self.inner.settings, tls)?;
        *self.inner.fleet.write().unwrap_or_else(PoisonError::into_inner) = Some(fleet);
        Ok(())
    }

    /// What is remembered of sources now, to be kept for the next run.
    pub fn back_off(&self) -> BackOff {
        self.memory().clone()
    }

    fn memory(&self) -> MutexGuard<'_, BackOff> {
        self.inner.back_off.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn settings(&self) -> &FetchSettings {
        &self.inner.settings
    }

    fn http(&self, source: &crate::Source) -> http::Http {
        let fleet = self.inner.fleet.read().unwrap_or_else(PoisonError::into_inner);
        match &*fleet {
            Some(fleet) if source.is_fleet() => fleet.clone(),
            _ => self.inner.public.clone(),
        }
    }
}
