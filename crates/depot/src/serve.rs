//! Serving the static layout over HTTP: the same for the server and for an update agent (U4).
//!
//! [`Site`] says what is shared, counts what is served and keeps to limits; [`router`] answers requests for it;
//! [`listen`] runs any router on a listener with limits that hold off the slow and the many.
//!
//! Only files below a shared class's three folders are served, never a listing, never through a link that leads
//! out. What the files say is the caller's: it puts nothing there that was not verified.

mod cache;
mod counters;
mod handler;
mod listen;
mod pace;
mod path;
mod permits;
mod range;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use axum::Router;
use axum::routing::{MethodRouter, any};
use headwater_policy::Class;

pub use counters::Served;
pub use listen::{ListenLimits, PeerCertificate, Tls, listen, listen_tls, serve_connection};

use crate::limits::DOWNLOADS_MAX;

/// What downloads may take of this computer and its line (U4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServeLimits {
    /// Bodies being sent at once.
    pub downloads_max: usize,
    /// Bytes a second for all of them together; none: no limit.
    pub bytes_per_second: Option<u64>,
}

impl Default for ServeLimits {
    fn default() -> Self {
        Self { downloads_max: DOWNLOADS_MAX, bytes_per_second: None }
    }
}

/// What is served, to admitted callers; clones share their state.
#[derive(Debug, Clone)]
pub struct Site {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    shared: RwLock<BTreeMap<Class, PathBuf>>,
    cache: cache::Cache,
    pace: pace::Pace,
    counters: counters::Counters,
}

impl Site {
    /// A site that shares nothing yet.
    pub fn new(limits: ServeLimits) -> Self {
        Self {
            inner: Arc::new(Inner {
                shared: RwLock::default(),
                cache: cache::Cache::default(),
                pace: pace::Pace::new(limits),
                counters: counters::Counters::default(),
            }),
        }
    }

    /// Shares a class: `folder` holds its `metadata/`, `targets/` and `blobs/`. Takes effect at the next request.
    pub fn share(&self, class: Class, folder: impl Into<PathBuf>) {
        self.inner.shared.write().unwrap_or_else(PoisonError::into_inner).insert(class, folder.into());
    }

    /// Shares a class no longer.
    pub fn unshare(&self, class: Class) {
        self.inner.shared.write().unwrap_or_else(PoisonError::into_inner).remove(&class);
    }

    /// Puts other limits in force. Running downloads go on.
    pub fn set_limits(&self, limits: ServeLimits) {
        self.inner.pace.set(limits);
    }

    /// Bytes and requests by client address and class since the start.
    pub fn served(&self) -> Vec<Served> {
        self.inner.counters.all()
    }

    /// Bodies being sent now.
    pub fn downloads(&self) -> usize {
        self.inner.pace.downloads()
    }

    fn folder(&self, class: Class) -> Option<PathBuf> {
        self.inner.shared.read().unwrap_or_else(PoisonError::into_inner).get(&class).cloned()
    }
}

/// Answers `GET` and `HEAD` below `/settings/`, `/components/` and `/programs/`; to be merged with other routes.
///
/// Client addresses are counted where the request carries `axum::extract::ConnectInfo<SocketAddr>`, as it does under
/// [`listen`].
pub fn router(site: Site) -> Router {
    routes(&site).into_iter().fold(Router::new(), |router, (_, path, files)| router.route(path, files))
}

/// The routes of [`router`], for who guards each of them in a way of its own.
pub fn routes<S: Clone + Send + Sync + 'static>(site: &Site) -> [(Class, &'static str, MethodRouter<S>); 3] {
    Class::ALL.map(|class| {
        let path = match class {
            Class::Settings => "/settings/{*path}",
            Class::Components => "/components/{*path}",
            Class::Programs => "/programs/{*path}",
        };
        let site = site.clone();
        (class, path, any(move |request| handler::answer(site.clone(), class, request)))
    })
}
