//! One run: check and repair what is installed → enrol or renew → check-in → policy → settings → components → programs →
//! collect garbage → report (P7–P12).
//!
//! The check-in waits at most a second, and its answer is a hint. Each class runs whatever happened before (P8).
//! A disk or permission error ends the run with its own message (P9); the report is sent all the same.

mod complete;
mod identity;

pub use complete::run_once;
pub(crate) use complete::{CompletedRun, complete};
