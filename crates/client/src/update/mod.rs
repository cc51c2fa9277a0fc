//! Brings this client to what was verified: the policy and the domain's settings (class settings), or every component or
//! program of a class.

mod document;
mod domain;
mod names;
mod offer;
mod policy;
mod settings;
mod unlisted;
mod voucher;

pub(crate) use names::update_names;
pub(crate) use offer::Offer;
pub(crate) use settings::update_settings;
