//! The organisation's own server: signs, publishes, knows the fleet.
//!
//! [`run`] starts it in this process: two listeners (fleet and console), the jobs, the data folder. Layers, each
//! calling only those after it: `rest` (HTTP in, HTTP out) → `app` (use cases: load, decide, save, answer) → `db`,
//! `policy`, `repo`, `delta`, `depot`.
//!
//! What it leaves to others: deciding (`policy`), what may be believed (`repo`), bytes and sockets of content
//! (`depot`). It never plans for a client and never installs anything.

pub mod app;
pub mod backup;
pub mod config;
mod data;
mod db;
pub mod error;
mod keys;
pub mod limits;
mod rest;
pub mod restore;
mod run;

pub use app::{App, CrashPoint};
pub use config::{Config, ConfigError, RawConfig};
pub use run::{Running, StartError, run};
