//! What a reader knows of a repository beside what it trusts.

use headwater_repo::FirstSeen;

/// What is expected of a source, so that an honest answer of long ago is not taken for the newest.
#[derive(Debug, Clone, Default)]
pub struct Expected {
    /// The version that the server is known to have published: a source with an older one is *stale* (P9).
    pub announced: Option<u64>,
    /// The root version that was named: under an older one a source is unable (I2b).
    pub root: Option<u64>,
    /// When the present versions were first seen.
    pub first_seen: FirstSeen,
}
