//! The enrolment bundle: what a new client needs to start.

use jiff::Timestamp;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::policy::PolicyDocument;

/// Root metadata of each repository, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RepositoryRoots {
    /// Root of the policy.
    pub policy: serde_json::Value,
    /// Root of class `settings`.
    pub settings: serde_json::Value,
    /// Root of class `components`.
    pub components: serde_json::Value,
    /// Root of class `programs`.
    pub programs: serde_json::Value,
}

/// The current format of [`EnrolBundle`].
pub const ENROL_FORMAT: u32 = 1;

/// One file, made by the server, with which clients enrol. Its holder can enrol as often as its token allows: keep
/// it like a password until it is used up.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EnrolBundle {
    /// [`ENROL_FORMAT`].
    pub format: u32,
    /// Base URLs of the server's fleet listener, in the order to try.
    pub server_urls: Vec<String>,
    /// The domain that the token names. For display; the server decides.
    pub domain: String,
    /// The one client that the token admits; it enrols under this id. Absent if the token admits any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// Certificates of the fleet CA (PEM), the newest first. They identify the server and its update agents.
    pub ca: Vec<String>,
    /// The server's public key that encrypts the enrolment (base64).
    pub encryption_key: String,
    /// Public keys that the server signs its answers with, the newest first.
    pub response_signing_keys: Vec<String>,
    /// The root metadata of each repository.
    pub roots: RepositoryRoots,
    /// What admits a client. Absent once it was used and removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(serialize_with = "crate::secret::serialize_option")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub token: Option<SecretString>,
    /// When the token ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_expires: Option<Timestamp>,
    /// The saved policy, by which a client that cannot reach the server finds its update agent.
    pub policy: PolicyDocument,
}
