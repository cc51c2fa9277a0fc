//! This client as an update agent: what a run holds for others, and what the daemon's listener is to serve.
//!
//! The signed policy decides who is an update agent (U3, U4). Trouble here is reported and stops nothing.

mod hold;
mod serving_plan;

pub(crate) use hold::{finish, hold_for_others};
pub(crate) use serving_plan::{poll_interval, serving_plan};
