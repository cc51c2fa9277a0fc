//! What a source can do wrong, and where its content comes from.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What to do wrong, and for which requests.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Rule {
    /// Part of the path, as `/blobs/`; empty: every request.
    pub path: String,
    /// What to do wrong.
    #[serde(flatten)]
    pub fault: Fault,
    /// For so many requests; `None` for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
}

/// What a source can do wrong. Byte numbers are those of the file, also in an answer to a range.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "snake_case")]
pub enum Fault {
    /// Accept, read the request, never answer.
    Silent,
    /// Answer honestly, after this time.
    Late {
        /// Milliseconds.
        milliseconds: u64,
    },
    /// Answer a request for a range like this, with all bytes from its first on; other requests honestly.
    OfRange {
        /// The HTTP status; from 400 on without content.
        code: u16,
        /// `Content-Range`; `None` if there is none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        content_range: Option<String>,
    },
    /// Send the file up to this byte, then nothing, and keep the connection.
    Stall {
        /// The first byte not sent.
        at: u64,
    },
    /// Send slowly.
    Slow {
        /// Bytes a second.
        bytes_per_second: u64,
    },
    /// Change one byte.
    Flip {
        /// Which byte.
        at: u64,
    },
    /// Promise the whole, close the connection early.
    Truncate {
        /// The first byte not sent.
        at: u64,
    },
    /// Never stop sending.
    Endless,
    /// Answer with this status and no content.
    Status {
        /// The HTTP status.
        code: u16,
        /// Seconds of `Retry-After`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after_seconds: Option<u32>,
    },
}

impl Fault {
    /// This fault for every path that contains `path`.
    pub fn on(self, path: &str) -> Rule {
        Rule { path: path.to_owned(), fault: self, times: None }
    }
}

/// Where content comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Upstream {
    /// Another source.
    Http(SocketAddr),
    /// A folder in the static layout.
    Folder(PathBuf),
}
