//! HTTP in, HTTP out: each handler reads a request, calls one use case and writes its answer. Nothing is decided here.
//!
//! Two routers, for two listeners: [`fleet`] is the static layout and what clients state; [`console`] is `/api/v1` and
//! `/health`. Each is made from a table of who may ask what; `docs/authorisation.md` shows both.

mod admin;
mod authorizer;
mod backups;
mod clients;
mod console;
mod domains;
mod errors;
mod fleet;
mod json;
mod local;
mod oidc;
mod openapi;
mod origin_check;
mod publishing;
mod responses;
mod route;
mod sources;
mod table;
mod transport;
mod upkeep;
mod upload;

pub use console::{console, local_console, table as console_table};
pub use fleet::{AllowedCaller, FleetRoute, fleet, rows as fleet_rows};
pub use local::{LocalListener, listen_locally};
pub use openapi::DOCUMENT as OPENAPI;
#[cfg(feature = "openapi")]
pub use openapi::generate as generate_openapi;
pub use origin_check::OriginCheck;
pub use route::{RequiredRole, RouteRow};
pub use transport::Transport;

use std::collections::BTreeSet;

use jiff::Timestamp;

/// The parts of the API that a token can be for.
pub fn scopes() -> BTreeSet<&'static str> {
    let rows = console_table().rows().into_iter();
    rows.filter(|row| row.required_role != RequiredRole::Anyone).map(|row| row.scope()).collect()
}

/// The clock, read once a request.
#[expect(clippy::disallowed_methods, reason = "request entry points are where the clock is read")]
fn now() -> Timestamp {
    Timestamp::now()
}
