//! The update agent: holds what was verified, whole, and serves it to the clients of a site (U1–U4).
//!
//! * [`ServedTree`]: what is served, in the same layout as at every source;
//! * [`hold`] brings one class in it up to date, within a quota; until the new content is whole the old stays;
//! * [`Listener`] listens on the addresses that the signed policy names. It admits enrolled clients, and carries what
//!   clients state to the server (U5).
//!
//! The signed policy decides who is an update agent, and the client's run decides when to hold. `headwater-depot` fetches
//! and serves. Nothing enters the served tree that was not verified.

mod admission;
mod carry;
mod hold;
mod hold_error;
pub mod limits;
mod listener;
mod room;
mod scrub;
mod served_tree;

pub use admission::AdmissionRules;
pub use hold::{HoldOutcome, HoldRequest, hold};
pub use hold_error::HoldError;
pub use listener::{AgentIdentity, Listener, ServingPlan, own_addresses};
pub use served_tree::ServedTree;
