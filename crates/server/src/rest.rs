//! HTTP in, HTTP out: each handler reads a request, calls one use case and writes its answer. Nothing is decided here.
//!
//! Two routers, for two listeners: [`fleet`] is the static layout and what clients say; [`console`] is `/api/v1` and
//! `/health`. The table of routes stands in `headwater_api::v1`.

mod backups;
mod console;
mod errors;
mod fleet;
mod guard;
mod json;
mod upload;

pub use console::console;
pub use fleet::{fleet, fleet_unsafe};

use jiff::Timestamp;

/// The clock, read once a request.
#[expect(clippy::disallowed_methods, reason = "request entry points are where the clock is read")]
fn now() -> Timestamp {
    Timestamp::now()
}
