//! The endpoint's client: updates itself over the three classes, and serves others where it is an update agent.
//!
//! * [`enrol`] enrols it in the fleet; every run does so first if that has not happened;
//! * [`run_once`] makes one run and returns its report;
//! * [`Daemon`] polls, runs when asked, and serves as update agent; [`run`] is a daemon until `shutdown`;
//! * [`status`] reads what is installed and what would be tried, and writes nothing.
//!
//! The folders are the steps of a run: [`enrol`], `check_in`, `classes` (plan and sources), `fetch`, `update`, `assemble`,
//! `install`, `repair`, `serving`, `collect_garbage`, `report`. `run` puts them in order. `session` is what they work with.
//!
//! Decisions are in [`decide`] (pure); everything else carries them out. `headwater-repo` verifies, `headwater-policy`
//! plans, `headwater-depot` fetches and serves, `headwater-agent` holds what an update agent serves.

pub mod arguments;
mod assemble;
mod bundle;
mod candidates;
mod check_in;
mod classes;
mod collect_garbage;
pub mod command;
pub mod config;
mod daemon;
pub mod data;
pub mod decide;
mod enrol;
mod error;
mod fetch;
mod identity;
mod install;
pub mod limits;
mod options;
pub mod os;
mod progress_sink;
pub mod render;
mod repair;
mod report;
mod run;
pub mod self_update;
mod server;
mod serving;
mod session;
mod status;
mod update;

pub use config::{Config, ConfigError, IdOrigin, RawConfig};
pub use daemon::{Daemon, DaemonEnd, run};
pub use data::DataFolder;
pub use enrol::{EnrolOutcome, enrol, re_enrol};
pub use error::Error;
pub use options::{RunOptions, Trigger};
pub use progress_sink::ProgressSink;
pub use report::{Spool, exit_code};
pub use run::run_once;
pub use session::Change;
pub use status::{AddressStatus, DaemonStatus, IdentityStatus, Status, status};
