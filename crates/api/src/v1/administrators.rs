//! Administrators, their tokens, and the audit log (I4, R2).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Make an API token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiTokenRequest {
    /// Its name, by which it is revoked.
    pub name: String,
    /// `viewer`, `operator` or `admin`; not above that of whoever makes it.
    pub role: String,
    /// The parts of the API that it is for: `releases`, `sources`, …; empty: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// Days that it lives; absent: 90.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days: Option<u32>,
}

/// An API token, as it is listed: never the token itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiTokenView {
    /// Its name.
    pub name: String,
    /// Whose it is; absent: made on the server's own machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub administrator: Option<String>,
    /// What it may, as long as its administrator may.
    pub role: String,
    /// The parts of the API that it is for; empty: all.
    pub scopes: Vec<String>,
    /// When it was made.
    pub made: Timestamp,
    /// From when on it does not count.
    pub expires: Timestamp,
}

/// A new API token; this is the only time that it is shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewApiToken {
    /// The token.
    pub token: String,
    /// What else is to be said of it.
    pub details: ApiTokenView,
}

impl std::fmt::Debug for NewApiToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewApiToken").field("token", &"***").field("details", &self.details).finish()
    }
}

/// API tokens: one's own; for an admin, all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiTokensAnswer {
    /// In order of name.
    pub items: Vec<ApiTokenView>,
}
