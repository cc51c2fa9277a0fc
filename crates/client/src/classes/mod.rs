//! The policy and one class of a run: plan → segments → sources → verify → update (P7, P8).
//!
//! A plan's steps are walked in order. The vendor source is another repository with its own root and its own metadata, so a
//! plan consists of segments: consecutive steps on one repository. A segment that fails gives way to the next.

mod full_time;
mod outcome;
mod own_components;
mod roots;
mod run_class;
mod run_policy;
mod segment;

pub(crate) use outcome::outcome;
pub(crate) use roots::look_for_roots;
pub(crate) use run_class::run_class;
pub(crate) use run_policy::run_policy;
