//! How many bodies are sent at once, to each caller and in all, and how fast (U4).
//!
//! One caller may use all that nobody else wants. Once everything is in use, a caller that has less than another takes a
//! place from the one that has most: that one's newest download ends early, and goes on at the same byte later. So nobody's
//! downloads keep another from its own, whether they are read or not.
//!
//! Under a bandwidth limit each chunk is given a moment at which it may leave; the moments follow one another at the
//! limit's rate, for all callers together. A download is admitted only while every one would still have a useful share.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::holder::Holder;
use super::serve_limits::ServeLimits;
use crate::limits::{BANDWIDTH_SHARE_MIN, SERVE_CHUNK, SERVE_CHUNK_MIN};

#[derive(Debug, Clone)]
pub(super) struct SendPace {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    limits: ServeLimits,
    /// Each holder's downloads, the newest last; whether each was ended in favour of another.
    running: HashMap<Holder, Vec<Arc<AtomicBool>>>,
    downloads: usize,
    /// When the line is free again.
    free_at: Instant,
}

/// A permit to send one body; given back when dropped.
#[derive(Debug)]
pub(super) struct SendPermit {
    pace: SendPace,
    holder: Holder,
    ended: Arc<AtomicBool>,
}

impl SendPace {
    pub(super) fn new(limits: ServeLimits) -> Self {
        let (running, free_at) = (HashMap::new(), Instant::now());
        Self { state: Arc::new(Mutex::new(State { limits, running, downloads: 0, free_at })) }
    }

    pub(super) fn set(&self, limits: ServeLimits) {
        let mut state = self.lock();
        state.limits = limits;
        state.free_at = Instant::now();
    }

    pub(super) fn downloads(&self) -> usize {
        self.lock().downloads
    }

    /// A permit for one more body, if there is one, or another holder has more than its part.
    pub(super) fn enter(&self, holder: Holder) -> Option<SendPermit> {
        let mut state = self.lock();
        if state.downloads >= state.downloads_max() && !state.make_room_for(&holder) {
            return None;
        }
        let ended = Arc::new(AtomicBool::new(false));
        state.downloads += 1;
        state.running.entry(holder.clone()).or_default().push(Arc::clone(&ended));
        drop(state);
        Some(SendPermit { pace: self.clone(), holder, ended })
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
    fn downloads_max(&self) -> usize {
        let shares = match self.limits.bytes_per_second {
            Some(rate) => usize::try_from(rate / BANDWIDTH_SHARE_MIN).unwrap_or(usize::MAX).max(1),
            None => usize::MAX,
        };
        self.limits.downloads_max.min(shares)
    }

    /// Ends the newest download of the holder that has most, if that one still has as many as `holder` afterwards.
    fn make_room_for(&mut self, holder: &Holder) -> bool {
        let own = self.running.get(holder).map_or(0, Vec::len);
        let most = self.running.iter_mut().max_by_key(|(_, downloads)| downloads.len());
        let Some((_, downloads)) = most.filter(|(_, downloads)| downloads.len() > own + 1) else {
            return false;
        };
        let Some(newest) = downloads.pop() else { return false };
        newest.store(true, Ordering::Relaxed);
        self.downloads -= 1;
        true
    }

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
    /// Was the download ended in favour of another caller?
    pub(super) fn is_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

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
        let mut state = self.pace.lock();
        let state = &mut *state;
        let Some(downloads) = state.running.get_mut(&self.holder) else { return };
        let before = downloads.len();
        downloads.retain(|download| !Arc::ptr_eq(download, &self.ended));
        // One that was ended is counted no longer.
        state.downloads -= before - downloads.len();
        if downloads.is_empty() {
            state.running.remove(&self.holder);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Holder, SendPace, SendPermit};
    use crate::limits::{BANDWIDTH_SHARE_MIN, DOWNLOADS_MAX, SERVE_CHUNK, SERVE_CHUNK_MIN};
    use crate::serve::ServeLimits;

    /// Takes as many permits as there are.
    fn fill(limits: ServeLimits) -> Vec<SendPermit> {
        let pace = SendPace::new(limits);
        std::iter::from_fn(|| pace.enter(Holder::Unknown)).collect()
    }

    fn client(name: &str) -> Holder {
        Holder::Client(name.into())
    }

    #[test]
    fn a_caller_that_took_everything_leaves_each_other_its_part() {
        let pace = SendPace::new(ServeLimits::default());
        let greedy: Vec<SendPermit> = std::iter::from_fn(|| pace.enter(client("greedy"))).collect();
        assert_eq!(greedy.len(), DOWNLOADS_MAX);
        let mut others = Vec::new();
        for name in ["a", "b", "c"] {
            others.extend(std::iter::from_fn(|| pace.enter(client(name))).take(4));
        }
        assert_eq!(others.len(), 12);
        assert!(greedy[..DOWNLOADS_MAX - 12].iter().all(|permit| !permit.is_ended()));
        assert!(greedy[DOWNLOADS_MAX - 12..].iter().all(SendPermit::is_ended), "its newest end");
        assert_eq!(pace.downloads(), DOWNLOADS_MAX);
        drop(greedy);
        assert_eq!(pace.downloads(), 12, "those that were ended are not given back twice");
        drop(others);
        assert_eq!((pace.downloads(), pace.lock().running.len()), (0, 0));
    }

    #[test]
    fn among_equals_nobody_is_ended() {
        let pace = SendPace::new(ServeLimits { downloads_max: 4, bytes_per_second: None });
        let held: Vec<_> = ["a", "a", "b", "b"].map(|name| pace.enter(client(name)).unwrap()).into();
        assert!(pace.enter(client("a")).is_none(), "it has as many as the other");
        let third = pace.enter(client("c")).expect("it has none");
        assert!(pace.enter(client("c")).is_none(), "it would have more than one of the others");
        assert_eq!(held.iter().filter(|permit| permit.is_ended()).count(), 1);
        drop((held, third));
        assert_eq!(pace.downloads(), 0);
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
