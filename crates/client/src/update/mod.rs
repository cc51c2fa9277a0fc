//! Brings this client to what was verified: the policy with the domain's typed settings, what the domain sets for the
//! software on this endpoint (class settings), or every component or program of a class.

mod document;
mod domain;
mod names;
mod offer;
mod policy;
mod typed_settings;
mod unlisted;
mod voucher;

pub(crate) use domain::{files_of, update_domain};
pub(crate) use names::update_names;
pub(crate) use offer::Offer;
pub(crate) use policy::update_policy;
