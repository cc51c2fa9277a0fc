//! Administrators, their tokens, and the audit log (I4, R2).

use jiff::Timestamp;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Sign in with a password; the answer's cookie is the session.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SignInRequest {
    /// The administrator's name.
    pub name: String,
    /// The password.
    #[serde(serialize_with = "crate::secret::serialize")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub password: SecretString,
    /// A new password. Required when the present one is for one sign-in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(serialize_with = "crate::secret::serialize_option")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub new_password: Option<SecretString>,
}

/// The administrator who is signed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SessionView {
    /// As the audit log names them.
    pub name: String,
    /// Their role.
    pub role: String,
}

/// Set one's own password.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PasswordRequest {
    /// The present password.
    #[serde(serialize_with = "crate::secret::serialize")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub password: SecretString,
    /// The new password.
    #[serde(serialize_with = "crate::secret::serialize")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub new_password: SecretString,
}

/// Add an administrator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct AdministratorRequest {
    /// Lower-case letters, digits and `-_.@`.
    pub name: String,
    /// `viewer`, `operator` or `admin`.
    pub role: String,
}

/// Give an administrator another role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct AdministratorRoleRequest {
    /// `viewer`, `operator` or `admin`.
    pub role: String,
}

/// An administrator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AdministratorView {
    /// Their name.
    pub name: String,
    /// Their role.
    pub role: String,
    /// The password is for one sign-in, which must set another.
    pub one_time: bool,
    /// When they were added.
    pub made: Timestamp,
    /// When they last signed in.
    pub last_sign_in: Option<Timestamp>,
}

/// An administrator with a password for one sign-in, which is shown only this once.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NewPassword {
    /// Its owner.
    pub administrator: AdministratorView,
    /// The password.
    #[serde(serialize_with = "crate::secret::serialize")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub password: SecretString,
}

/// All administrators.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AdministratorsAnswer {
    /// In order of name.
    pub items: Vec<AdministratorView>,
}

/// What the identity provider sends a browser back with (RFC 6749, 4.1.2; RFC 9207). Anything else is ignored.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct VouchedQuery {
    /// The value that was sent there with the browser.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Who gets a token, and for what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Why the sign-in failed there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The provider that answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iss: Option<String>,
}

/// Which records of the audit log.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AuditRecord {
    /// 1, 2, 3, … without gaps.
    pub number: u64,
    /// When.
    pub time: Timestamp,
    /// Who.
    pub who: String,
    /// Origin: an address, or `local`.
    pub from: String,
    /// The action: a noun and a verb.
    pub action: String,
    /// The object of the change.
    pub subject: String,
    /// The value before the change.
    pub before: Value,
    /// The value after the change.
    pub after: Value,
    /// The hash of the record before.
    pub previous: String,
    /// The hash of this one.
    pub hash: String,
}

/// Records of the audit log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AuditAnswer {
    /// In the requested order.
    pub items: Vec<AuditRecord>,
    /// Where the next page begins. `None` on the last page.
    pub next: Option<u64>,
}

/// The result of verifying the audit log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AuditVerified {
    /// Whether it is intact.
    pub intact: bool,
    /// Number of consecutive records from the first.
    pub records: u64,
    /// The hash of the last of them. Keep it elsewhere, to check later that the log still contains it.
    pub head: String,
    /// The record that the signed policy names; every client has a copy. `None` if it names none.
    pub signed: Option<u64>,
    /// The problems, each a sentence.
    pub findings: Vec<String>,
}

/// How the names of tokens begin that `headwater login` makes: they stand for the administrator who signed in.
pub const LOGIN_TOKEN_PREFIX: &str = "login-";

/// Make an API token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ApiTokenRequest {
    /// Its name, by which it is revoked.
    pub name: String,
    /// `viewer`, `operator` or `admin`; not above the role of its maker.
    pub role: String,
    /// The parts of the API for which it is valid: `releases`, `sources`, …. Empty means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// Days for which it is valid. Default: 90.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days: Option<u32>,
}

/// An API token as listed, without the token itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ApiTokenView {
    /// Its name.
    pub name: String,
    /// Its owner. Absent if it was made on the server's own machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub administrator: Option<String>,
    /// Its role, limited by that of its administrator.
    pub role: String,
    /// The parts of the API for which it is valid. Empty means all.
    pub scopes: Vec<String>,
    /// When it was made.
    pub made: Timestamp,
    /// When it expires.
    pub expires: Timestamp,
}

/// A new API token, which is shown only this once.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NewApiToken {
    /// The token.
    #[serde(serialize_with = "crate::secret::serialize")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub token: SecretString,
    /// The token as it is listed.
    pub details: ApiTokenView,
}

/// The caller's own API tokens; for an admin, all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ApiTokensAnswer {
    /// In order of name.
    pub items: Vec<ApiTokenView>,
}
