//! Check-in: the client states that it exists and what it has. The answer is a hint (P1): it names the signed content to
//! look for, and brings keys that open confidential settings.
//!
//! A check-in waits at most a second on the direct route, and as long on those through update agents. While an earlier
//! failure of either is remembered, it is skipped.

mod back_off;
mod clock;
mod send;

pub(crate) use clock::clock_warning;
pub(crate) use send::{check_in, renumbered};
