//! Stopping long work: a signal to the process, and a flag that the work looks at.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::terminal::failure::{Exit, Failure};

/// A request to stop that all copies share.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Requests to stop.
    pub fn request(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether to stop.
    pub fn is_requested(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Reads from `from` until a stop is requested, then fails.
    pub fn reading<R: Read>(&self, from: R) -> impl Read {
        Stoppable { from, stop: self.clone() }
    }
}

/// Runs long work on its own thread; a stop signal to the process requests its stop. Waits until it has ended.
pub async fn run_stoppable(
    work: impl FnOnce(&Stop) -> Result<Exit, Failure> + Send + 'static,
) -> Result<Exit, Failure> {
    let stop = Stop::default();
    let shared = stop.clone();
    let mut working = tokio::task::spawn_blocking(move || work(&shared));
    let ended = tokio::select! {
        ended = &mut working => ended,
        () = stop_signal() => {
            stop.request();
            working.await
        }
    };
    ended.map_err(|error| Failure::failed(format!("the work panicked: {error}")))?
}

/// Waits for Ctrl-C or the system's signal to terminate.
#[cfg(unix)]
pub async fn stop_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return drop(tokio::signal::ctrl_c().await);
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

/// Waits for Ctrl-C.
#[cfg(not(unix))]
pub async fn stop_signal() {
    drop(tokio::signal::ctrl_c().await);
}

struct Stoppable<R> {
    from: R,
    stop: Stop,
}

impl<R: Read> Read for Stoppable<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        if self.stop.is_requested() {
            return Err(io::Error::other("the command was stopped"));
        }
        self.from.read(bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::Stop;

    #[test]
    fn reading_fails_once_a_stop_is_requested() {
        let stop = Stop::default();
        let mut from = stop.reading(&b"ab"[..]);
        let mut byte = [0];
        from.read_exact(&mut byte).unwrap();
        stop.clone().request();
        assert_eq!(from.read(&mut byte).unwrap_err().to_string(), "the command was stopped");
    }
}
