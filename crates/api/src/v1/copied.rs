//! Two machines with one identity: a copied data folder, or one that was put back to an earlier state (I3a).

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Two reports of a client that one machine would not have made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CopiedIdentity {
    /// The number of the later report, which was taken before.
    pub sequence: u64,
    /// Where the number had come from; if the server no longer remembers that, where its newest report came from.
    pub first: SeenMachine,
    /// Where the other report came from.
    pub second: SeenMachine,
}

/// A machine that reported.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SeenMachine {
    /// The name of the host. Empty if it is unknown.
    pub host: String,
    /// Its own addresses, as it stated.
    pub addresses: Vec<String>,
    /// The address from which the report came.
    pub from: String,
    /// The update agent that carried it. `None` if it came straight.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carrier: Option<String>,
    /// When.
    pub at: Timestamp,
}

impl fmt::Display for CopiedIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sequence, first, second } = self;
        if (&first.host, &first.addresses) == (&second.host, &second.addresses) {
            return write!(
                f,
                "its data folder was put back to an earlier state, or copied: {first} and {second} made different reports \
                 with number {sequence}; if no copy runs, re-enrol it with a new key"
            );
        }
        write!(
            f,
            "two machines use its identity: {first} and {second} made different reports with number {sequence}; enrol the copy \
             with an empty data folder and another id, then re-enrol this client with a new key"
        )
    }
}

impl fmt::Display for SeenMachine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let addresses = self.addresses.join(" ");
        match (self.host.as_str(), addresses.as_str()) {
            ("", "") => f.write_str(&self.from)?,
            ("", addresses) => f.write_str(addresses)?,
            (host, "") => write!(f, "{host} ({})", self.from)?,
            (host, addresses) => write!(f, "{host} ({addresses})")?,
        }
        if let Some(carrier) = &self.carrier {
            write!(f, " through {carrier}")?;
        }
        write!(f, " at {}", self.at.strftime("%Y-%m-%d %H:%M:%S UTC"))
    }
}
