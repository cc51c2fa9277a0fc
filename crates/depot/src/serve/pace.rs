//! How many bodies are sent at once, and how fast (U4).
//!
//! Under a bandwidth limit each chunk is given a moment at which it may leave; the moments follow one another at the
//! limit's rate, for all callers together. A download is admitted only while every one would still have a useful share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::serve_limits::ServeLimits;
use crate::limits::{BANDWIDTH_SHARE_MIN, SERVE_CHUNK, SERVE_CHUNK_MIN};

#[derive(Debug, Clone)]
pub(super) struct Pace {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    limits: ServeLimits,
    downloads: usize,
    /// When the line is free again.
    free_at: Instant,
}

/// A permit to send one body; given back when dropped.
#[derive(Debug)]
pub(super) struct SendPermit {
    pace: Pace,
}

impl Pace {
    pub(super) fn new(limits: ServeLimits) -> Self {
        Self { state: Arc::new(Mutex::new(State { limits, downloads: 0, free_at: Instant::now() })) }
    }

    pub(super) fn set(&self, limits: ServeLimits) {
        let mut state = self.lock();
        state.limits = limits;
        state.free_at = Instant::now();
    }

    pub(super) fn downloads(&self) -> usize {
        self.lock().downloads
    }

    /// A permit for one more body, if there is one.
    pub(super) fn enter(&self) -> Option<SendPermit> {
        let mut state = self.lock();
        let shares = match state.limits.bytes_per_second {
            Some(rate) => usize::try_from(rate / BANDWIDTH_SHARE_MIN).unwrap_or(usize::MAX).max(1),
            None => usize::MAX,
        };
        if state.downloads >= state.limits.downloads_max.min(shares) {
            return None;
        }
        state.downloads += 1;
        Some(SendPermit { pace: self.clone() })
    }

    /// Notes that `bytes` leave at once, without a permit: small files that nobody is made to wait for.
    pub(super) fn sent(&self, bytes: u64) {
        self.lock().book(bytes);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Books the line for `bytes` and returns when they may leave; `None` if at once.
    fn book(&mut self, bytes: u64) -> Option<Instant> {
        let rate = self.limits.bytes_per_second?;
        let now = Instant::now();
        let from = self.free_at.max(now);
        self.free_at = from + Duration::from_secs_f64(bytes as f64 / rate.max(1) as f64);
        (from > now).then_some(from)
    }
}

impl SendPermit {
    /// Bytes to send next, at most: an eighth of a second's share under a bandwidth limit, so that bursts are
    /// small and nobody seems to stall.
    pub(super) fn chunk_max(&self) -> usize {
        let state = self.pace.lock();
        let Some(rate) = state.limits.bytes_per_second else { return SERVE_CHUNK };
        let share = rate / (8 * state.downloads.max(1) as u64);
        usize::try_from(share).unwrap_or(SERVE_CHUNK).clamp(SERVE_CHUNK_MIN, SERVE_CHUNK)
    }

    /// Waits until `bytes` may leave.
    pub(super) async fn turn(&self, bytes: u64) {
        let at = self.pace.lock().book(bytes);
        if let Some(at) = at {
            tokio::time::sleep_until(at).await;
        }
    }
}

impl Drop for SendPermit {
    fn drop(&mut self) {
        self.pace.lock().downloads -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::{Pace, SendPermit};
    use crate::limits::{BANDWIDTH_SHARE_MIN, DOWNLOADS_MAX, SERVE_CHUNK, SERVE_CHUNK_MIN};
    use crate::serve::ServeLimits;

    /// Takes as many permits as there are.
    fn fill(limits: ServeLimits) -> Vec<SendPermit> {
        let pace = Pace::new(limits);
        std::iter::from_fn(|| pace.enter()).collect()
    }

    fn slow(bytes_per_second: u64) -> ServeLimits {
        ServeLimits { bytes_per_second: Some(bytes_per_second), ..ServeLimits::default() }
    }

    #[test]
    fn so_many_downloads_at_once_and_no_more() {
        assert_eq!(fill(ServeLimits::default()).len(), DOWNLOADS_MAX);
        assert_eq!(fill(slow(5 * BANDWIDTH_SHARE_MIN - 1)).len(), 4, "each is to have its share");
        assert_eq!(fill(slow(5 * BANDWIDTH_SHARE_MIN)).len(), 5);
        assert_eq!(fill(slow(1)).len(), 1, "one is served however narrow the line");
    }

    #[test]
    fn no_chunk_is_too_small_or_too_large() {
        let chunk = |rate: u64| fill(slow(rate))[0].chunk_max();
        assert_eq!(chunk(1), SERVE_CHUNK_MIN);
        assert_eq!(chunk(u64::MAX), SERVE_CHUNK);
    }
}
