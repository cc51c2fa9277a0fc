//! Enrolment and renewal: how this client gets its certificate (I3).

mod enrol_client;
mod renew;
mod request;

pub(crate) use enrol_client::load_or_enrol;
pub use enrol_client::{EnrolOutcome, enrol, re_enrol};
pub(crate) use renew::renew_if_due;
