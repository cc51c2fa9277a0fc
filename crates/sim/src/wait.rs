//! Waiting for a state, with a bound.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::limits::LOOK_AGAIN;

/// Looks until there is an answer; fails after `limit`, saying what was waited for.
pub fn until<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let started = Instant::now();
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if started.elapsed() > limit {
            bail!("waited {} s for {what}, which did not come", limit.as_secs());
        }
        pause(LOOK_AGAIN);
    }
}

/// Lets time pass: between two looks at a state, and where the slowness itself is the fault that is made.
#[expect(clippy::disallowed_methods, reason = "the one place where the harness lets time pass")]
pub fn pause(time: Duration) {
    std::thread::sleep(time);
}
