//! The daemon: a run at its start, then one per interval (shifted randomly) and whenever one is requested. Between runs it
//! serves others as update agent where the signed policy states so.

mod handle;
mod run_log;
mod worker;

pub use handle::{Daemon, run};
pub use worker::DaemonEnd;
