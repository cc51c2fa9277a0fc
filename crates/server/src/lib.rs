//! The organisation's own server: signs, publishes, knows the fleet.
//!
//! [`run`] starts it in this process: two listeners (fleet and console), the jobs, the data folder. Layers, each
//! calling only those after it: `rest` (HTTP in, HTTP out) → the services (use cases: load, decide, save, answer) →
//! `publisher`, `database`, `policy`, `repo`, `identity`, `delta`, `depot`.
//!
//! What it leaves to others: deciding (`policy`), what may be believed (`repo`), bytes and sockets of content
//! (`depot`). It never plans for a client and never installs anything.

pub mod access;
mod adopt;
pub mod caller;
mod client_network;
pub mod config;
mod data;
pub mod error;
pub mod fleet;
mod folder_state;
pub mod limits;
pub mod publishing;
mod request;
mod rest;
pub mod restore;
mod run;
pub mod secret;
mod services;
pub mod source_list;
mod start;
mod turns;
pub mod upkeep;

use headwater_database as db;
pub use headwater_database::audit;

pub use config::{BindFailure, Config, ConfigError, ConsoleTls, ListenAddress, RawConfig, RawOidc};
pub use rest::{AllowedCaller, FleetRoute, RequiredRole, RouteRow};
pub use run::{Running, StartError, run};
pub use services::Services;
pub use start::open;

/// The routes of the console plane, each with the role that it requires.
#[must_use]
pub fn console_routes() -> Vec<RouteRow> {
    rest::console_table().rows()
}

/// The routes of the fleet plane, each with who may ask it.
#[must_use]
pub fn fleet_routes() -> Vec<FleetRoute> {
    rest::fleet_rows()
}

/// The OpenAPI document of the console plane: JSON, as it stands in `docs/openapi.json`.
#[must_use]
pub fn openapi() -> &'static str {
    rest::OPENAPI
}

/// The same, made from the routes and their handlers: what `docs/openapi.json` must be.
#[cfg(feature = "openapi")]
#[must_use]
pub fn generate_openapi() -> String {
    rest::generate_openapi(&console_routes())
}
