//! Serving the static layout over HTTP: the same for the server and for an update agent (U4).
//!
//! [`SharedRepositories`] says what is shared, counts what is served and keeps to limits; [`router`] answers requests for it;
//! [`listen`] runs any router on a listener with limits that hold off the slow and the many.
//!
//! Only objects below a shared repository's three folders are served, never a listing, and of a folder never through a link
//! that leads out. What the files contain is the caller's: it puts nothing there that was not verified.

mod cache;
mod counters;
mod handler;
mod holder;
mod listen;
mod pace;
mod path;
mod permits;
mod range;
mod send_rate;
mod serve_limits;
mod shared_repositories;

use axum::Router;
use axum::routing::{MethodRouter, any};
use headwater_policy::{Class, Repository};

pub use counters::Served;
pub use holder::{Holder, Identify, nobody};
pub use listen::{ListenLimits, PeerCertificate, Tls, listen, listen_tls, serve_connection};
pub use permits::{Permit, Permits};
pub use serve_limits::ServeLimits;
pub use shared_repositories::SharedRepositories;

/// Answers `GET` and `HEAD` below `/policy/`, `/settings/`, `/components/` and `/programs/`; to be merged with other routes.
///
/// Client addresses are counted where the request carries `axum::extract::ConnectInfo<SocketAddr>`, as it does under
/// [`listen`].
pub fn router(shared: SharedRepositories) -> Router {
    routes(&shared).into_iter().fold(Router::new(), |router, (_, path, files)| router.route(path, files))
}

/// The routes of [`router`], for a caller that guards each of them in its own way.
pub fn routes<S: Clone + Send + Sync + 'static>(
    shared: &SharedRepositories,
) -> [(Repository, &'static str, MethodRouter<S>); 4] {
    Repository::ALL.map(|repository| {
        let path = match repository {
            Repository::Policy => "/policy/{*path}",
            Repository::Class(Class::Settings) => "/settings/{*path}",
            Repository::Class(Class::Components) => "/components/{*path}",
            Repository::Class(Class::Programs) => "/programs/{*path}",
        };
        let shared = shared.clone();
        (repository, path, any(move |request| handler::answer(shared.clone(), repository, request)))
    })
}
