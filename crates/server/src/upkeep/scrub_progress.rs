//! How far scrubbing is.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use headwater_policy::Class;
use headwater_repo::Digest;

/// The blob of each class that was read last.
#[derive(Debug, Default)]
pub(super) struct ScrubProgress(Mutex<BTreeMap<Class, Digest>>);

impl ScrubProgress {
    /// The blob of a class that was read last.
    pub fn last(&self, class: Class) -> Option<Digest> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&class).copied()
    }

    /// Sets it.
    pub fn set(&self, class: Class, last: Digest) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(class, last);
    }
}
