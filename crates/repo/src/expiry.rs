//! How long each role's signature is good.

use jiff::{SignedDuration, Timestamp};

use crate::error::WriteError;
use crate::names::Role;

/// How long after signing each role's metadata expires.
///
/// Short lives bound how long a source can hide news (freeze), long ones how often the offline keys are needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expiry {
    /// One day: signed by a job, many times a day.
    pub timestamp: SignedDuration,
    /// Seven days.
    pub snapshot: SignedDuration,
    /// 90 days.
    pub targets: SignedDuration,
    /// 365 days.
    pub root: SignedDuration,
}

impl Default for Expiry {
    fn default() -> Self {
        let days = |days: i64| SignedDuration::from_hours(24 * days);
        Self { timestamp: days(1), snapshot: days(7), targets: days(90), root: days(365) }
    }
}

impl Expiry {
    /// When metadata of `role` that is signed at `now` expires, in whole seconds as the specification writes times.
    ///
    /// # Errors
    ///
    /// A life that is not positive, or one that ends beyond the calendar.
    pub fn expires(&self, role: Role, now: Timestamp) -> Result<Timestamp, WriteError> {
        let life = match role {
            Role::Root => self.root,
            Role::Timestamp => self.timestamp,
            Role::Snapshot => self.snapshot,
            Role::Targets => self.targets,
        };
        if life < SignedDuration::from_secs(1) {
            return Err(WriteError::Invalid(format!(
                "{role} metadata must live for at least one second, not {life}"
            )));
        }
        let expires = now.checked_add(life).ok().and_then(|end| Timestamp::from_second(end.as_second()).ok());
        // Four digits of year are all that the specification's time format has.
        expires
            .filter(|end| end.as_second() < LAST_SECOND)
            .ok_or_else(|| WriteError::Invalid(format!("{role} metadata would expire beyond the year 9999")))
    }
}

/// 9999-12-31T00:00:00Z.
const LAST_SECOND: i64 = 253_402_214_400;
