//! How a run is to be made: given by its caller, read by every step.

use crate::progress_sink::ProgressSink;

/// Who asked for a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Trigger {
    /// The daemon's poll, a notification, or the program that contains this client.
    #[default]
    Poll,
    /// The daemon, between polls that are more than a day apart: it looks for a newer policy and runs no class (P5a).
    PolicyLook,
    /// `headwater-client repair`: every byte of what is installed is verified, and only a class with damage that cannot be
    /// repaired from what is here asks its sources (P11).
    Repair,
    /// A person on the endpoint (N4); refused where the domain does not allow it.
    Person,
}

/// How a run is to be made.
#[derive(Debug, Clone, Default)]
pub struct RunOptions {
    /// Who asked.
    pub trigger: Trigger,
    /// Try releases again that failed here.
    pub retry_failed: bool,
    /// The run is the trial of a new program, inside the run of the program that it replaces: it takes no lock, stores
    /// and reports nothing, and does not update the program.
    pub self_trial: bool,
    /// Receives the progress of downloads.
    pub progress_sink: ProgressSink,
}
