//! Deltas being made, and who watches.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use headwater_repo::{ComponentName, Digest, FilePath};

/// A delta being made.
#[derive(Debug)]
pub struct DeltaJob {
    /// Whose.
    pub component: ComponentName,
    /// The newer file's path.
    pub path: FilePath,
    /// Bytes of the newer file.
    pub size: u64,
    /// The older file.
    pub base: Digest,
    /// The newer one.
    pub result: Digest,
    /// Bytes of the full body that it is to be smaller than.
    pub(super) body: u64,
    pub(super) permille: AtomicU32,
    pub(super) obsolete: AtomicBool,
}

impl DeltaJob {
    /// How far it is, of 1000 parts.
    #[must_use]
    pub fn permille(&self) -> u32 {
        self.permille.load(Ordering::Relaxed)
    }
}

/// Who watches deltas being made, and may stop them.
pub trait DeltaObserver: Sync {
    /// Whether to stop. What was made is kept.
    fn is_stopped(&self) -> bool {
        false
    }

    /// A delta is being made.
    fn started(&self, job: &Arc<DeltaJob>) {
        let _ = job;
    }

    /// It is further: [`DeltaJob::permille`].
    fn advanced(&self, job: &DeltaJob) {
        let _ = job;
    }

    /// It is no longer being made.
    fn ended(&self, job: &Arc<DeltaJob>) {
        let _ = job;
    }
}

/// An observer that sees nothing and stops nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unobserved;

impl DeltaObserver for Unobserved {}
