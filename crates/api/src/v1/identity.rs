//! Who belongs to the fleet: enrolment tokens, clients' keys, revocation, unknown clients (I3).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Make an enrolment bundle, with a token of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct EnrolBundleRequest {
    /// The domain that its clients join. Default: `root`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// Clients that may enrol with it (1–100000). Default: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uses: Option<u32>,
    /// Seconds until it expires (60–31536000). Default: a week.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_seconds: Option<u32>,
    /// The one client that it admits. That client may have a new key; its former key is revoked. Requires one use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
}

/// The tokens that still admit somebody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TokensAnswer {
    /// The newest first.
    pub items: Vec<TokenView>,
}

/// An enrolment token as listed. The token itself is only in its bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TokenView {
    /// Its number.
    pub number: u64,
    /// The domain that its clients join.
    pub domain: String,
    /// The one client that it admits. `None` if it admits any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// Clients that it could admit when it was made.
    pub uses: u32,
    /// Clients that it can still admit.
    pub uses_left: u32,
    /// When it was made.
    pub made: Timestamp,
    /// When it ends.
    pub expires: Timestamp,
}

/// A client's key, as the server knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct IdentityView {
    /// SHA-256 of its public key, hexadecimal.
    pub key: String,
    /// When it was enrolled.
    pub enrolled: Timestamp,
    /// When its certificate expires. It renews it long before.
    pub certificate_end: Timestamp,
    /// The newest report that it claims to have made. 0 if none.
    pub reports_made: u64,
    /// The newest report that arrived. 0 if none did.
    pub reports_taken: u64,
    /// Reports that were made and never arrived: dropped in transit, or discarded by the client for want of space.
    pub report_gaps: Vec<ReportGap>,
}

/// Reports that never arrived, by sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ReportGap {
    /// The first.
    pub first: u64,
    /// The last.
    pub last: u64,
}

/// A client that was revoked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RevokedView {
    /// Its id.
    pub client: String,
    /// SHA-256 of the key that is revoked, hexadecimal.
    pub key: String,
    /// When.
    pub revoked: Timestamp,
    /// When its certificate would have expired. The signed policy names it until then.
    pub until: Timestamp,
    /// Where it goes on reading what is signed and not sealed.
    pub readable: StillReadable,
}

/// A client was removed from the registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RemovedClientAnswer {
    /// Its id.
    pub client: String,
    /// Where it goes on reading what is signed and not sealed.
    pub readable: StillReadable,
}

/// Where a client without a valid certificate reads signed content that is not sealed: components, programs, and settings of
/// domains that are not confidential.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StillReadable {
    /// URLs of the source list that are not this server: nobody there asks for a certificate.
    pub sources: Vec<OpenSourceView>,
    /// Server and update agents serve components to those who show no certificate.
    pub anonymous_components: bool,
}

/// A URL of the source list that asks for no certificate of the fleet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OpenSourceView {
    /// The URL.
    pub url: String,
    /// The entries that name it, from 1.
    pub entries: Vec<u32>,
    /// One of them selects the client. It reaches the others, too, if it tries.
    pub selects: bool,
}

/// Re-enrol clients that the server does not know, because they enrolled after the backup from which it was
/// restored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ReEnrolRequest {
    /// Their ids.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clients: Vec<String>,
    /// All unknown clients that have proven a certificate of this fleet. Give no ids then.
    #[serde(default)]
    pub all_proven: bool,
    /// The domain that they join.
    pub domain: String,
}

/// The outcome of each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ReEnrolAnswer {
    /// The domain that they joined.
    pub domain: String,
    /// The clients that are known from now on.
    pub re_enrolled: Vec<String>,
    /// The clients that were enrolled already, with no other key proven under their id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub enrolled_already: Vec<String>,
    /// The clients that were refused.
    pub refused: Vec<ReEnrolRefused>,
}

/// A client that is not re-enrolled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ReEnrolRefused {
    /// Its id.
    pub client: String,
    /// The reason, and what to do.
    pub reason: String,
}

/// The clients that ask and are not known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UnknownClientsAnswer {
    /// The latest first.
    pub items: Vec<UnknownClientView>,
}

/// A client that asks and is not known, or no longer known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UnknownClientView {
    /// The id that it claims.
    pub client: String,
    /// SHA-256 of the key that it showed, hexadecimal. Empty if it showed none.
    pub key: String,
    /// `unknown`, `revoked`, `other_key`, `bad_token`, `bad_statement` or `bad_proof`.
    pub reason: String,
    /// It has proven that it has this key, and that a CA of this fleet certified the key under this id: a client
    /// that enrolled, or was removed, in a time that the server does not know. It can be re-enrolled.
    #[serde(default)]
    pub proven: bool,
    /// The address from which it connected: its own, or that of the update agent that carried its message.
    pub address: String,
    /// Number of requests.
    pub count: u64,
    /// Other keys that were shown under this id; `key` is one that was proven, or the newest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_keys: Vec<String>,
    /// When it first did.
    pub first_seen: Timestamp,
    /// When it last did.
    pub last_seen: Timestamp,
}
