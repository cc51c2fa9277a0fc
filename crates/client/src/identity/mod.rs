//! The client's identity in the fleet (I3): its keys, its certificate, its trust anchors, and the keys of confidential
//! settings. Enrolment gets them ([`crate::enrol`]); this folder stores and reads them.

mod client_identity;
mod client_keys;
pub mod domain_keys;
mod files;
pub(crate) mod machine;
mod trust_anchors;

pub(crate) use client_identity::ClientIdentity;
pub(crate) use client_keys::ClientKeys;
pub(crate) use files::internal;
pub(crate) use trust_anchors::TrustAnchors;
