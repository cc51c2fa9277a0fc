//! Who administers the server, and who asks (I4): administrators, sessions, API tokens, the identity provider, the
//! audit log.
//!
//! Which role a route needs stands in the table of `rest`; what a caller is, in [`crate::caller`].

mod administrators;
mod api_tokens;
mod attempts;
mod audit_log;
#[cfg_attr(not(feature = "oidc"), path = "access/no_oidc.rs")]
mod oidc;
mod passwords;
mod provider_sign_in;
mod service;
mod sessions;

pub use self::service::AccessService;
