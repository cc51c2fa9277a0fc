//! Who is who in a fleet, and what its members send one another (I3, U5; ADR 9). Pure: no socket, no file, no clock.
//!
//! - [`FleetCa`] issues certificates ([`Chain`], [`CaCertificate`]); [`Peer`] is the client that one names.
//! - [`ClientKey`] is made on the endpoint; a [`SigningRequest`] proves that its sender has it.
//! - [`Statement`] and [`Answer`] are signed envelopes, so that a carrier can neither forge nor change them.
//! - [`EncryptionKey`] opens what was sealed to it; [`DomainKey`] is the key of a domain's confidential settings.
//! - [`MachineMark`] tells whether this is the machine on which a client enrolled.
//! - [`EnrolToken`] lets a client enrol.
//! - [`tls`] makes the TLS library's configurations of these.
//!
//! Left to others: where keys are kept, who was revoked, which number was seen, and who may do what.

mod ca;
mod certificate;
mod domain_key;
mod error;
mod keys;
pub mod limits;
mod machine;
mod seal;
mod statement;
mod statement_kind;
pub mod tls;
mod tls_roots;
mod token;

pub use ca::{FleetCa, ServedName};
pub use certificate::{CaCertificate, Chain, Peer, is_issued_by};
pub use domain_key::{DomainKey, DomainKeyId, SealedSettings};
pub use error::{IdentityError, StatementVerifyError};
pub use keys::{
    ClientKey, KeyFingerprint, PublicKey, ResponseSigningKey, SecretKey, ServerKey, SigningRequest,
};
pub use machine::MachineMark;
pub use seal::{EncryptionKey, EncryptionPublicKey, Purpose, Sealed};
pub use statement::{Answer, FORMAT, Statement, VerifiedAnswer, VerifiedStatement};
pub use statement_kind::StatementKind;
pub use token::{EnrolToken, TokenDigest};
