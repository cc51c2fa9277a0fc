//! How a client gets its certificate (I3), and a new one before the old one ends.
//!
//! `POST /client/v1/enrol` takes an [`EnrolRequest`], sealed to the server's encryption key, so that a carrier neither
//! reads the token nor puts another key in place. `POST /client/v1/renew` takes a statement of kind `renewal` whose body is a
//! [`RenewalRequest`]. Both are answered with an answer that the server has signed; its body is a [`CertificateAnswer`].

use jiff::Timestamp;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

/// The current format of the messages here.
pub const FORMAT: u32 = 1;

/// A client asks to be taken into the fleet.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EnrolRequest {
    /// [`FORMAT`].
    pub format: u32,
    /// The token of the enrolment bundle. It decides which domain the client joins, not the client.
    #[serde(serialize_with = "crate::secret::serialize")]
    pub token: SecretString,
    /// The id that the client wants to have.
    pub client: String,
    /// The signing request (PKCS#10, PEM) for the key that the client made itself.
    pub request: String,
    /// The public key that secrets for this client are sealed to (base64).
    pub encryption_key: String,
    /// Its own addresses.
    pub addresses: Vec<String>,
    /// Version of the client program.
    pub program: String,
}

/// A client asks for a new certificate for the key that it has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenewalRequest {
    /// [`FORMAT`].
    pub format: u32,
    /// The signing request (PKCS#10, PEM); for the key that the server knows already.
    pub request: String,
    /// The public key that secrets for this client are sealed to from now on (base64).
    pub encryption_key: String,
    /// The certificate that it has and the cross-signed ones above it (PEM): to a server that does not know the key it
    /// proves that the fleet once did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
}

/// What a client is given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateAnswer {
    /// [`FORMAT`].
    pub format: u32,
    /// The client's id.
    pub client: String,
    /// The domain that the server files the client under.
    pub domain: String,
    /// The certificate and the cross-signed ones above it (PEM, the client's own first), as it is shown to others.
    pub certificate: String,
    /// Every certificate of the fleet CA that is in use (PEM), the newest first.
    pub ca: Vec<String>,
    /// The newest statement of each kind that the server has accepted: a client that lost count goes on after it.
    pub taken: TakenSequences,
    /// The server's clock.
    pub server_time: Timestamp,
}

/// The newest statement of each kind that the server has accepted; 0 if none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakenSequences {
    /// Of check-ins.
    #[serde(default)]
    pub check_in: u64,
    /// Of reports.
    #[serde(default)]
    pub report: u64,
    /// Of renewals.
    #[serde(default)]
    pub renewal: u64,
}
