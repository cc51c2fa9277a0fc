//! Who belongs to the fleet: enrolment tokens, clients' keys, revocation, unknown clients (I3).

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Make an enrolment bundle, with a token of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EnrolBundleRequest {
    /// The domain that its clients join (D1); absent: `root`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// How many clients may enrol with it (1–100000); absent: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uses: Option<u32>,
    /// Seconds until it ends (60–31536000); absent: a week.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_seconds: Option<u32>,
    /// The one client that it admits: it may come with a new key, and its former key is revoked. Needs one use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
}

/// The tokens that still admit somebody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TokensAnswer {
    /// The newest first.
    pub items: Vec<TokenView>,
}

/// An enrolment token, without what it is: that stands in its bundle alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TokenView {
    /// Its number.
    pub number: u64,
    /// The domain that its clients join.
    pub domain: String,
    /// The one client that it admits; none: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// How many clients it admitted when it was made.
    pub uses: u32,
    /// How many it still admits.
    pub uses_left: u32,
    /// When it was made.
    pub made: Timestamp,
    /// When it ends.
    pub expires: Timestamp,
}

/// A client's key, as the server knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IdentityView {
    /// SHA-256 of its public key, hexadecimal.
    pub key: String,
    /// When it was enrolled.
    pub enrolled: Timestamp,
    /// When its certificate ends; it renews it long before.
    pub certificate_end: Timestamp,
    /// The newest report that it says it made; 0: none.
    pub reports_made: u64,
    /// The newest report that arrived; 0: none.
    pub reports_taken: u64,
    /// Reports that were made and never arrived: dropped on the way, or given up by the client for want of room.
    pub report_gaps: Vec<ReportGap>,
}

/// Reports that never arrived, by sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReportGap {
    /// The first.
    pub first: u64,
    /// The last.
    pub last: u64,
}

/// A client that was revoked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RevokedView {
    /// Its id.
    pub client: String,
    /// SHA-256 of the key that is revoked, hexadecimal.
    pub key: String,
    /// When.
    pub revoked: Timestamp,
    /// Until when its certificate would have been good: so long the signed policy names it.
    pub until: Timestamp,
}

/// Take clients in again that the server knows nothing of: they enrolled after the backup that it was restored from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReEnrolRequest {
    /// Their ids.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clients: Vec<String>,
    /// All unknown clients that have proven a certificate of this fleet; with no ids beside it.
    #[serde(default)]
    pub all_proven: bool,
    /// The domain that they join.
    pub domain: String,
}

/// What became of each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReEnrolAnswer {
    /// The domain that they joined.
    pub domain: String,
    /// Those who are known from now on.
    pub re_enrolled: Vec<String>,
    /// Those who were enrolled already, with no other key proven under their id: nothing was to be done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub enrolled_already: Vec<String>,
    /// Those who are not.
    pub refused: Vec<ReEnrolRefused>,
}

/// Somebody who is not taken in again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReEnrolRefused {
    /// Its id.
    pub client: String,
    /// Why, and what would help.
    pub reason: String,
}

/// Those who ask and are not known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UnknownClientsAnswer {
    /// Who asked last first.
    pub items: Vec<UnknownClientView>,
}

/// Somebody who asks and is not known, or no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UnknownClientView {
    /// The id that it says it has.
    pub client: String,
    /// SHA-256 of the key that it showed, hexadecimal; empty: it showed none.
    pub key: String,
    /// `unknown`, `revoked`, `other_key`, `bad_token`, `bad_statement` or `bad_proof`.
    pub reason: String,
    /// It has proven that it has this key, and that a CA of this fleet has certified it under this id: a client of a
    /// time that the server knows nothing of, or one that was removed then. It can be re-enrolled.
    #[serde(default)]
    pub proven: bool,
    /// Where it connected from: its own address, or that of the update agent that carried what it said.
    pub address: String,
    /// How often it asked.
    pub count: u64,
    /// When it first did.
    pub first_seen: Timestamp,
    /// When it last did.
    pub last_seen: Timestamp,
}
