//! Fetching along a plan: metadata by racing gently down the list, bodies by going on where they stopped.
//!
//! A [`Walk`] is one class of one run over the sources of its plan. Its steps, in order:
//!
//! 1. [`Walk::look_for_roots`], once a day: newer roots from all of them; [`Walk::refresh`]: which source is used, and what is trusted (P7, P9);
//! 2. [`Walk::target`]: small signed files;
//! 3. [`Walk::blobs`]: content, four at once, resumed at the same byte from the next source (P10);
//! 4. [`Walk::attempts`]: the walk as a report has it (P12).
//!
//! What to fetch, and what to do with it, is the caller's; making the plan is `policy`'s.

mod attempts;
mod blob;
mod body;
mod expected;
mod fault;
mod http;
mod meter;
mod queues;
mod race;
mod rate;
mod refreshed;
mod resume;
mod roots;
mod settings;
mod source_memory;
mod timeout;
mod trouble;
mod walk;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

pub use blob::Blob;
pub use expected::Expected;
pub use fault::{Fault, FetchError};
pub use meter::FetchProgress;
pub use refreshed::{Refreshed, Unable};
pub use roots::RootLook;
pub use settings::FetchSettings;
pub use source_memory::{HeadStarts, SourceMemory, SourcePace};
pub use walk::Walk;

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
    memory: Mutex<SourceMemory>,
}

/// The system gave no HTTP client: most often, it has no store of certificate authorities.
#[derive(Debug, thiserror::Error)]
#[error("no HTTP client can be made on this system")]
pub struct FetcherError(#[from] reqwest::Error);

impl Fetcher {
    /// A fetcher with what an earlier run remembered of sources.
    pub fn new(settings: FetchSettings, memory: SourceMemory) -> Result<Self, FetcherError> {
        let public = http::Http::new(&settings)?;
        let (fleet, memory) = (RwLock::new(None), Mutex::new(memory));
        Ok(Self { inner: Arc::new(Inner { public, fleet, settings, memory }) })
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
    pub fn source_memory(&self) -> SourceMemory {
        self.memory().clone()
    }

    fn memory(&self) -> MutexGuard<'_, SourceMemory> {
        self.inner.memory.lock().unwrap_or_else(PoisonError::into_inner)
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
