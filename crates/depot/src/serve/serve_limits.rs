//! The limits of serving.

use crate::limits::DOWNLOADS_MAX;

/// What downloads may take of this computer and its line (U4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServeLimits {
    /// Bodies being sent at once.
    pub downloads_max: usize,
    /// Bytes a second for all of them together; none: no limit.
    pub bytes_per_second: Option<u64>,
}

impl Default for ServeLimits {
    fn default() -> Self {
        Self { downloads_max: DOWNLOADS_MAX, bytes_per_second: None }
    }
}
