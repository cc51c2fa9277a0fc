//! The daemon.
use std::net::SocketAddr;
use std::path::PathBuf;

use headwater_api::report::Report;

use crate::{Config, Error, RunOptions};

/// A client that polls, and serves as update agent where it has the role.
#[derive(Debug)]
pub struct Daemon {}

/// How a daemon ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// It was told to stop.
    Stopped,
    /// A newer client program was put in place: this is the one to go on with.
    Replaced(PathBuf),
}

#[expect(clippy::unimplemented, clippy::unused_async, reason = "signatures first; the daemon follows")]
impl Daemon {
    /// Starts in the background. The first run begins at once.
    ///
    /// # Errors
    ///
    /// The data folder cannot be used, or there is no bundle.
    pub async fn start(_config: Config) -> Result<Self, Error> {
        unimplemented!()
    }

    /// Makes a run now (after the one that is going on, if any) and returns its report.
    ///
    /// # Errors
    ///
    /// As [`crate::run_once`].
    pub async fn update(&self, _options: RunOptions) -> Result<Report, Error> {
        unimplemented!()
    }

    /// Where the update agent's listener is; empty without the role.
    pub fn serving(&self) -> Vec<SocketAddr> {
        unimplemented!()
    }

    /// Stops polling and serving, and waits until a run that is going on has ended.
    pub async fn stop(self) -> End {
        unimplemented!()
    }
}

/// A daemon until `shutdown` completes or a newer program was put in place.
///
/// # Errors
///
/// As [`Daemon::start`].
#[expect(clippy::unimplemented, clippy::unused_async, reason = "signatures first; the daemon follows")]
pub async fn run(_config: Config, _shutdown: impl Future<Output = ()>) -> Result<End, Error> {
    unimplemented!()
}
