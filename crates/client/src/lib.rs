//! The endpoint's client: updates itself over the three classes, and is an update agent where it was given
//! the role.
//!
//! * [`enrol`] makes it a member of the fleet; every run does so first where it is not yet;
//! * [`run_once`] makes one run and returns its report;
//! * [`Daemon`] polls, runs when asked, and serves as update agent; [`run`] is a daemon until `shutdown`;
//! * [`status`] says what is installed and what would be tried, without touching anything.
//!
//! Decisions are in `machine` (pure); everything else carries them out. Verifying is `headwater-repo`'s,
//! planning `headwater-policy`'s, fetching and serving `headwater-depot`'s, holding what an update agent serves
//! `headwater-agent`'s.

pub mod arguments;
mod assemble;
mod bundle;
mod chance;
mod classes;
pub mod command;
pub mod config;
mod content;
mod daemon;
mod deltas;
mod domain;
mod domain_keys;
mod enrol;
mod error;
mod folder;
mod identity;
mod in_force;
mod install;
pub mod limits;
pub mod machine;
mod member;
pub mod narrate;
pub mod os;
mod progress_sink;
mod role;
mod run;
pub mod self_update;
mod server;
mod session;
pub mod slot;
mod spool;
pub mod state;
mod status;
mod sweep;
mod way;

pub use config::{Config, ConfigError, RawConfig};
pub use daemon::{Daemon, End, run};
pub use enrol::{Enrolled, enrol, enrol_anew};
pub use error::Error;
pub use folder::DataFolder;
pub use progress_sink::ProgressSink;
pub use run::{RunOptions, Trigger, run_once};
pub use spool::Spool;
pub use status::{DaemonStatus, IdentityStatus, Status, status};
