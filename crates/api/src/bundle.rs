//! The client bundle: what a new client needs to start.

use serde::{Deserialize, Serialize};

use crate::policy::PolicyDocument;

/// The current format of [`ClientBundle`].
pub const FORMAT: u32 = 1;

/// One file, made by the server, handed to a new client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientBundle {
    /// [`FORMAT`].
    pub format: u32,
    /// Base URL of the server's fleet listener.
    pub server_url: String,
    /// The domain the client joins (D1).
    pub domain: String,
    /// The root metadata of each class repository.
    pub roots: ClassRoots,
    /// The saved policy, so that a client that cannot reach the server finds its update agent.
    pub policy: PolicyDocument,
}

/// Root metadata by class, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassRoots {
    /// Root of class `settings`.
    pub settings: serde_json::Value,
    /// Root of class `components`.
    pub components: serde_json::Value,
    /// Root of class `programs`.
    pub programs: serde_json::Value,
}
