//! What a caller sets for an encoding: its limits, and whether it goes on.

use std::io;

use crate::limits::DELTA_MEMORY_MAX;

/// What an encoder may cost its decoders and itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeltaOptions {
    /// Bytes of memory that decoding may take, at most.
    pub memory_max: u64,
    /// Bytes of the full body: a delta must be smaller.
    pub size_max: u64,
}

impl DeltaOptions {
    /// What any client can decode, and is worth having beside a body of `full_size` bytes.
    #[must_use]
    pub fn beside(full_size: u64) -> Self {
        Self { memory_max: DELTA_MEMORY_MAX, size_max: full_size }
    }
}

/// Cancels a long encoding, and receives its progress.
pub trait Control {
    /// Whether to stop. After `true` the encoding ends without further calls. Called some times a second, except
    /// while the base is sorted or taken in as a dictionary: each takes some seconds for 20 MB.
    fn cancelled(&self) -> bool;

    /// `done` of 1000 parts are done. Never goes back.
    fn progress(&self, done: u32);
}

/// Ends an encoding that is not wanted any more.
pub(super) fn go_on(control: &dyn Control) -> Result<(), DeltaError> {
    if control.cancelled() { Err(DeltaError::Cancelled) } else { Ok(()) }
}

/// A control that never stops, and ignores progress.
#[derive(Debug, Clone, Copy, Default)]
pub struct Uncontrolled;

impl Control for Uncontrolled {
    fn cancelled(&self) -> bool {
        false
    }

    fn progress(&self, _done: u32) {}
}

/// A delta could not be made.
#[derive(Debug, thiserror::Error)]
pub enum DeltaError {
    /// The control cancelled it.
    #[error("making a delta was stopped")]
    Cancelled,
    /// The compressor failed.
    #[error("making a delta failed")]
    Io(#[from] io::Error),
}
