//! `daemon.json`: what a running daemon states for `headwater-client status`.

use std::net::SocketAddr;

use headwater_depot::files::{self, FileAccess};
use serde::{Deserialize, Serialize};

use crate::data::folder::DataFolder;
use crate::error::Error;
use crate::limits::DAEMON_FILE_BYTES_MAX;
use crate::os;

/// Where a daemon serves others, and what hinders it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DaemonFile {
    /// The addresses that it listens on as update agent.
    pub serving: Vec<SocketAddr>,
    /// What hinders it: sentences.
    pub problems: Vec<String>,
}

impl DaemonFile {
    /// Reads the file. A missing or damaged file is an empty one: the daemon writes it again when something changes.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn load(folder: &DataFolder) -> Result<Self, Error> {
        let path = folder.daemon();
        let bytes = os::read_bounded(&path, DAEMON_FILE_BYTES_MAX).map_err(Error::file("reading", &path))?;
        Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default())
    }

    /// Replaces the file.
    ///
    /// # Errors
    ///
    /// The disk is full or refuses.
    pub fn save(&self, folder: &DataFolder) -> Result<(), Error> {
        let path = folder.daemon();
        let bytes = serde_json::to_vec(self).map_err(|error| Error::Internal(error.to_string()))?;
        files::replace(&path, &bytes, FileAccess::Owner).map_err(Error::file("writing", &path))
    }
}
