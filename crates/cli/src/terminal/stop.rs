//! Stopping long work: a signal to the process, and a flag that the work looks at.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::terminal::failure::{Exit, Failure};

/// A word that can be said once, and is heard by whoever has a copy.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Says it.
    pub fn tell(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it was said.
    pub fn is_told(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// What `from` gives, as long as it was not said; then an error.
    pub fn reading<R: Read>(&self, from: R) -> impl Read {
        Stoppable { from, stop: self.clone() }
    }
}

/// Does long work on a thread of its own, which hears when the process is told to stop; waits until it has ended.
pub async fn until_told(
    work: impl FnOnce(&Stop) -> Result<Exit, Failure> + Send + 'static,
) -> Result<Exit, Failure> {
    let stop = Stop::default();
    let heard = stop.clone();
    let mut working = tokio::task::spawn_blocking(move || work(&heard));
    let ended = tokio::select! {
        ended = &mut working => ended,
        () = stop_signal() => {
            stop.tell();
            working.await
        }
    };
    ended.map_err(|error| Failure::failed(format!("it broke down: {error}")))?
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
        if self.stop.is_told() {
            return Err(io::Error::other("it was stopped"));
        }
        self.from.read(bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::Stop;

    #[test]
    fn reading_ends_with_an_error_once_it_is_told() {
        let stop = Stop::default();
        let mut from = stop.reading(&b"ab"[..]);
        let mut byte = [0];
        from.read_exact(&mut byte).unwrap();
        stop.clone().tell();
        assert_eq!(from.read(&mut byte).unwrap_err().to_string(), "it was stopped");
    }
}
