//! Tests of the crate from outside: what passes verification, and what does not.
#![expect(clippy::unwrap_used, reason = "a test that fails says where")]

mod certificates;
mod handshakes;
mod secrets;
mod statements;

use headwater_policy::{ClientId, DomainPath};
use jiff::{SignedDuration, Timestamp};

fn now() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

fn later(days: i64) -> Timestamp {
    now() + SignedDuration::from_hours(24 * days)
}

fn id(text: &str) -> ClientId {
    text.parse().unwrap()
}

fn domain(text: &str) -> DomainPath {
    text.parse().unwrap()
}
