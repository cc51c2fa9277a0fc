//! Activates assembled releases: switch, probe, keep or revert (P11).
//!
//! * [`activate`] switches the link; install command and probes decide; the release is kept or reverted.
//! * [`recover`], at the start of a run, finishes what a crash interrupted and removes leftovers.
//!
//! Reverting points the link back and, for a program with an install command, runs the former release's install command
//! again. An install command must therefore work when it runs more than once.

mod activate;
mod hooks;
mod recover;

pub(crate) use activate::{ProbeOutcome, activate, note_reference, remember_failure};
pub(crate) use hooks::Hooks;
pub(crate) use recover::recover;
