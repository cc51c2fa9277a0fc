//! The enrolment bundle: what a client starts from. A copy of it lies in the data folder.

mod choose;
mod document;
mod recovered;

pub(crate) use choose::{BundleUse, adopt, passed, refuse_without_token};
pub(crate) use document::{Bundle, named_client, strike_token};
pub(crate) use recovered::{kept, kept_or_recovered};
