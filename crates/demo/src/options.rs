//! The options of the demo.

use std::path::PathBuf;
use std::time::Duration;

/// What the demo shows.
#[derive(Debug, Clone)]
pub struct Options {
    /// Clients, update agents not counted.
    pub clients: u32,
    /// Update agents, each with a site of its own.
    pub update_agents: u32,
    /// Content to publish, instead of generated rules.
    pub feed: Option<PathBuf>,
    /// The folder to keep everything in; `None` for a temporary one.
    pub data: Option<PathBuf>,
    /// End when all clients are current.
    pub exit: bool,
    /// Time until all clients must be current.
    pub timeout: Duration,
}
