//! A client's check-in and the server's answer.
//!
//! The answer is a hint: nothing in it is obeyed beyond *which* signed documents the client looks for.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A client announces that it is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckIn {
    /// The client's id.
    pub client: String,
    /// The domain it takes itself to be in; a new client is filed there.
    pub domain: String,
    /// Its own addresses.
    pub addresses: Vec<String>,
    /// Version of the client program.
    pub program: String,
    /// The saved version of the policy it has; 0 if it has none yet.
    pub policy_version: u64,
    /// Content version it has, by repository: a class, or `policy`.
    pub versions: BTreeMap<String, u64>,
    /// Sequence of the newest report that it made: a gap in what the server has shows a report that was withheld. 0 if none, or unknown.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub reports_made: u64,
}

/// The server's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckInAnswer {
    /// The domain the server files the client under.
    pub domain: String,
    /// Newest content version that the server has published, by repository: a class (P9, *stale*), or `policy` (P5a).
    pub announced: BTreeMap<String, u64>,
    /// The version of each repository's root: under an older one nothing new is installed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub roots: BTreeMap<String, u64>,
    /// The server's clock, so that a client can warn of its own.
    pub server_time: Timestamp,
    /// The keys that open the settings of the client's domain, sealed to the client; empty if they
    /// are not confidential.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub domain_keys: Vec<SealedDomainKey>,
}

/// The server's signed answer to a statement whose number it has taken before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakenAnswer {
    /// The newest number of this kind that it has taken: the client continues after it.
    pub taken: u64,
}

/// A domain's key, sealed to one client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedDomainKey {
    /// The domain.
    pub domain: String,
    /// Names the key; the signed document names the one it needs.
    pub key_id: String,
    /// The key, sealed to the client's encryption key.
    pub sealed: serde_json::Value,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}
