//! Serving the static layout over HTTP: the same for the server and for an update agent (U4).
//!
//! [`SharedClasses`] says what is shared, counts what is served and keeps to limits; [`router`] answers requests for it;
//! [`listen`] runs any router on a listener with limits that hold off the slow and the many.
//!
//! Only objects below a shared class's three folders are served, never a listing, and of a folder never through a link
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
mod shared_classes;

use axum::Router;
use axum::routing::{MethodRouter, any};
use headwater_policy::Class;

pub use counters::Served;
pub use holder::{Holder, Identify, nobody};
pub use listen::{ListenLimits, PeerCertificate, Tls, listen, listen_tls, serve_connection};
pub use permits::{Permit, Permits};
pub use serve_limits::ServeLimits;
pub use shared_classes::SharedClasses;

/// Answers `GET` and `HEAD` below `/settings/`, `/components/` and `/programs/`; to be merged with other routes.
///
/// Client addresses are counted where the request carries `axum::extract::ConnectInfo<SocketAddr>`, as it does under
/// [`listen`].
pub fn router(shared: SharedClasses) -> Router {
    routes(&shared).into_iter().fold(Router::new(), |router, (_, path, files)| router.route(path, files))
}

/// The routes of [`router`], for a caller that guards each of them in its own way.
pub fn routes<S: Clone + Send + Sync + 'static>(
    shared: &SharedClasses,
) -> [(Class, &'static str, MethodRouter<S>); 3] {
    Class::ALL.map(|class| {
        let path = match class {
            Class::Settings => "/settings/{*path}",
            Class::Components => "/components/{*path}",
            Class::Programs => "/programs/{*path}",
        };
        let shared = shared.clone();
        (class, path, any(move |request| handler::answer(shared.clone(), class, request)))
    })
}
