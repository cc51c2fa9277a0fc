//! A whole fleet in one process, on this machine alone: `headwater demo`.
//!
//! 1. a vendor source and a server start;
//! 2. update agents and clients start at their sites, and the source list is saved;
//! 3. publication after publication, the vendor publishes, the server takes it over, and all clients update, update agents
//!    first; the vendor makes deltas meanwhile;
//! 4. the report of each client tells what it received from where.
//!
//! Then it continues until it is stopped. The program that runs it gives it an API client and prints its text ([`Host`]).

mod data_folder;
mod error;
mod feed;
mod fleet;
mod host;
mod journal;
pub mod limits;
mod options;
mod publications;
mod run;
mod sites;
mod story;
mod text;
mod totals;
mod vendor;

use std::sync::Arc;

use futures_util::future::BoxFuture;

pub use crate::error::{Error, ErrorKind, Result};
pub use crate::host::{Host, Method, RequestBody, Transport};
pub use crate::options::Options;
pub use crate::story::ending;
pub use crate::text::Paint;
pub use crate::totals::{FromSource, Totals};

/// Runs the demo until it is complete or stopped.
///
/// # Errors
/// The options or the feed are not valid; a server, update agent or client cannot run; the disk refuses.
pub fn run(options: Options, host: Arc<dyn Host>) -> BoxFuture<'static, Result<Totals>> {
    // Boxed, so that the caller's crate does not compile the demo a second time.
    Box::pin(run::run(options, host))
}
