//! Administrators, their tokens, and the audit log (I4, R2).

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::secret::Secret;

/// Sign in with a password; the answer's cookie is the session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SignInRequest {
    /// The administrator's name.
    pub name: String,
    /// The password.
    pub password: Secret,
    /// Another password from now on. A password that is good for one sign-in takes none without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_password: Option<Secret>,
}

/// Who is signed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SessionView {
    /// As the audit log names them.
    pub name: String,
    /// What they may.
    pub role: String,
}

/// Set one's own password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordRequest {
    /// The password until now.
    pub password: Secret,
    /// The password from now on.
    pub new_password: Secret,
}

/// Add an administrator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AdministratorRequest {
    /// Lower-case letters, digits and `-_.@`.
    pub name: String,
    /// `viewer`, `operator` or `admin`.
    pub role: String,
}

/// Give an administrator another role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AdministratorRoleRequest {
    /// `viewer`, `operator` or `admin`.
    pub role: String,
}

/// An administrator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AdministratorView {
    /// Their name.
    pub name: String,
    /// What they may.
    pub role: String,
    /// The password is good for one sign-in, which sets another.
    pub one_time: bool,
    /// When they were added.
    pub made: Timestamp,
    /// When they last signed in.
    pub last_sign_in: Option<Timestamp>,
}

/// An administrator with a password that is good for one sign-in; this is the only time that it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NewPassword {
    /// Whose.
    pub administrator: AdministratorView,
    /// The password.
    pub password: Secret,
}

/// All administrators.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AdministratorsAnswer {
    /// In order of name.
    pub items: Vec<AdministratorView>,
}

/// What the identity provider sends a browser back with (RFC 6749, 4.1.2; RFC 9207). What else it sends is passed over.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct VouchedQuery {
    /// What was sent there with the browser.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// What a token is given for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Why nobody was signed in there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Which provider answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iss: Option<String>,
}

/// Which records of the audit log.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuditQuery {
    /// Only records before this one, the newest first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<u64>,
    /// Only records after this one, the oldest first; not with `before`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
    /// How many at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// One record of the audit log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuditRecord {
    /// 1, 2, 3, … without a gap.
    pub number: u64,
    /// When.
    pub time: Timestamp,
    /// Who.
    pub who: String,
    /// From where: an address, or `local`.
    pub from: String,
    /// What: a noun and a verb.
    pub action: String,
    /// What it was done to.
    pub subject: String,
    /// How it was before.
    pub before: Value,
    /// How it was afterwards.
    pub after: Value,
    /// The hash of the record before.
    pub previous: String,
    /// The hash of this one.
    pub hash: String,
}

/// Records of the audit log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuditAnswer {
    /// In the order that was asked for.
    pub items: Vec<AuditRecord>,
    /// Where the next page begins; none: there is none.
    pub next: Option<u64>,
}

/// What verifying the audit log came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuditVerified {
    /// Nothing is wrong with it.
    pub intact: bool,
    /// How many records follow one another from the first on.
    pub records: u64,
    /// The hash of the last of them: keep it elsewhere, and see later that the log still goes through it.
    pub head: String,
    /// The record that the signed settings name, which every client has a copy of; none: they name none.
    pub signed: Option<u64>,
    /// What is wrong, each a sentence.
    pub findings: Vec<String>,
}

/// Make an API token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NewApiToken {
    /// The token.
    pub token: Secret,
    /// What else is to be said of it.
    pub details: ApiTokenView,
}

/// API tokens: one's own; for an admin, all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ApiTokensAnswer {
    /// In order of name.
    pub items: Vec<ApiTokenView>,
}
