//! What a start found out about database and repositories, and what follows: the values.

use jiff::Timestamp;

use super::consistency::Difference;

/// Signing is stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// Since when: the start.
    pub since: Timestamp,
    /// Why: each repository that differs.
    pub differences: Vec<Difference>,
    /// Until when clients accept every timestamp that is served.
    pub accepted_until: Timestamp,
}

/// What the start found.
#[derive(Debug, Default)]
pub struct Findings {
    /// Signing is stopped.
    pub hold: Option<Hold>,
    /// Sentences on what no crash explains.
    pub odd: Vec<String>,
    /// Until then nothing is deleted.
    pub deletes_after: Option<Timestamp>,
}

/// What to do about a server that does not sign.
const HINT: &str = "stop the server and put server.db and the folder repository/ of one time in place, from one backup of \
                        the data folder; or, if no such backup is left, run `headwater adopt`, which takes what is \
                        published as the truth and signs it again";

impl Hold {
    /// Why signing is stopped, until when clients accept what is served, and what to do.
    pub fn message(&self) -> String {
        let differences: Vec<String> = self.differences.iter().map(ToString::to_string).collect();
        format!(
            "signing is stopped: the database and the repositories are of different times. {}. Nothing is signed or deleted; \
             what verifies is served, and clients accept it until {:.0}. To recover: {HINT}",
            differences.join("; "),
            self.accepted_until,
        )
    }
}
