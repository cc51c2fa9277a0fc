//! One run.
use headwater_api::report::Report;

use crate::{Config, Error};

/// Who asked for a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Trigger {
    /// The daemon's poll, a notice, or the program that this client is part of.
    #[default]
    Poll,
    /// A person on the endpoint (N4); refused where the domain does not allow it.
    Person,
}

/// How a run is to be made.
#[derive(Debug, Clone, Default)]
pub struct RunOptions {
    /// Who asked.
    pub trigger: Trigger,
    /// Try releases again that failed here.
    pub retry_failed: bool,
}

/// Makes one run over the three classes and returns its report, which is also sent (or kept) for the server.
///
/// # Errors
///
/// The run could not start or could not go on: see [`Error`]. What failed at sources is in the report.
#[expect(clippy::unimplemented, clippy::unused_async, reason = "signature first; the run follows")]
pub async fn run_once(_config: &Config, _options: &RunOptions) -> Result<Report, Error> {
    unimplemented!()
}
