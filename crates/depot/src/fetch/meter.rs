//! How far the fetching of several blobs has come.

use std::sync::{Mutex, PoisonError};

use super::blob::Blob;

/// How far fetching has come; what was there before counts as done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FetchProgress {
    /// Bytes on the disk.
    pub bytes_done: u64,
    /// Bytes wanted.
    pub bytes_total: u64,
    /// Blobs whole and verified.
    pub blobs_done: usize,
    /// Blobs wanted.
    pub blobs_total: usize,
}

/// Adds up several files' progress.
pub(super) struct Meter<'a> {
    total: FetchProgress,
    state: Mutex<(Vec<u64>, usize)>,
    report: &'a (dyn Fn(FetchProgress) + Send + Sync),
}

impl<'a> Meter<'a> {
    pub(super) fn new(wanted: &[Blob], report: &'a (dyn Fn(FetchProgress) + Send + Sync)) -> Self {
        let total = FetchProgress {
            bytes_done: 0,
            bytes_total: wanted.iter().map(|blob| blob.size).sum(),
            blobs_done: 0,
            blobs_total: wanted.len(),
        };
        Self { total, state: Mutex::new((vec![0; wanted.len()], 0)), report }
    }

    pub(super) fn at(&self, index: usize, length: u64) {
        self.update(index, length, 0);
    }

    pub(super) fn whole(&self, index: usize, size: u64) {
        self.update(index, size, 1);
    }

    fn update(&self, index: usize, length: u64, whole: usize) {
        let progress = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.0[index] = length;
            state.1 += whole;
            FetchProgress { bytes_done: state.0.iter().sum(), blobs_done: state.1, ..self.total }
        };
        (self.report)(progress);
    }
}
