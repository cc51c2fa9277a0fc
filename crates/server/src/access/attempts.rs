//! Failed attempts to sign in, by account and by address: each failure beyond the first few makes the next one wait
//! twice as long. Pure.
//!
//! An account waits for a minute at most: somebody else must not be able to keep its owner out for long. An address
//! waits up to a quarter of an hour.

use std::cmp::Ordering;
use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use crate::limits::{
    ATTEMPT_WAIT_ACCOUNT_MAX, ATTEMPT_WAIT_ADDRESS_MAX, ATTEMPTS_KEYS_MAX, ATTEMPTS_RECORDED_MAX,
    ATTEMPTS_UNPUNISHED,
};

/// Whose attempts are counted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Key {
    /// An administrator's name.
    Account(String),
    /// An address; of IPv6 its /64.
    Address(String),
}

impl Key {
    fn wait_max(&self) -> i64 {
        match self {
            Self::Account(_) => ATTEMPT_WAIT_ACCOUNT_MAX,
            Self::Address(_) => ATTEMPT_WAIT_ADDRESS_MAX,
        }
    }
}

/// The failures of late.
#[derive(Debug, Default)]
pub struct Attempts {
    failed: HashMap<Key, (u32, Timestamp)>,
}

impl Attempts {
    /// Seconds that an attempt must wait; `None` if it may be made.
    #[must_use]
    pub fn wait(&self, keys: &[Key], now: Timestamp) -> Option<u32> {
        let until = keys.iter().filter_map(|key| self.until(key)).max()?;
        let left = until.duration_since(now);
        (left > SignedDuration::ZERO).then(|| u32::try_from(left.as_secs() + 1).unwrap_or(u32::MAX))
    }

    /// One more has failed.
    pub fn fail(&mut self, keys: &[Key], now: Timestamp) {
        for key in keys {
            if self.failed.len() >= ATTEMPTS_KEYS_MAX && !self.failed.contains_key(key) {
                self.make_room(now);
            }
            let (count, last) = self.failed.entry(key.clone()).or_insert((0, now));
            // Who was quiet for as long as the longest wait begins again.
            if now.duration_since(*last) > SignedDuration::from_secs(2 * key.wait_max()) {
                *count = 0;
            }
            (*count, *last) = (count.saturating_add(1), now);
        }
    }

    /// One has succeeded: its account and its address begin again.
    pub fn succeed(&mut self, keys: &[Key]) {
        for key in keys {
            self.failed.remove(key);
        }
    }

    fn until(&self, key: &Key) -> Option<Timestamp> {
        let (count, last) = self.failed.get(key)?;
        let punished = count.checked_sub(ATTEMPTS_UNPUNISHED)?;
        let wait = 1_i64.checked_shl(punished.min(30)).unwrap_or(i64::MAX).min(key.wait_max());
        Some(*last + SignedDuration::from_secs(wait))
    }

    /// Those that wait no longer go; where all wait, those whose last failure is oldest.
    fn make_room(&mut self, now: Timestamp) {
        let done: Vec<Key> = self
            .failed
            .keys()
            .filter(|key| self.until(key).is_none_or(|until| until <= now))
            .cloned()
            .collect();
        for key in &done {
            self.failed.remove(key);
        }
        if done.is_empty() {
            let oldest = self.failed.iter().min_by_key(|(_, (_, last))| *last).map(|(key, _)| key.clone());
            oldest.map(|key| self.failed.remove(&key));
        }
    }
}

/// How many failed attempts the audit log has records of within an hour.
#[derive(Debug, Default)]
pub struct RecordedFailures {
    since: Timestamp,
    count: u32,
}

/// What is recorded of a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureRecord {
    /// That it was made.
    This,
    /// That it and the rest of this hour's are not recorded.
    NoMore,
    /// Nothing.
    Nothing,
}

impl RecordedFailures {
    /// One more has failed.
    pub fn fail(&mut self, now: Timestamp) -> FailureRecord {
        if now.duration_since(self.since) >= SignedDuration::from_hours(1) {
            *self = Self { since: now, count: 0 };
        }
        self.count = self.count.saturating_add(1);
        match self.count.cmp(&ATTEMPTS_RECORDED_MAX) {
            Ordering::Less => FailureRecord::This,
            Ordering::Equal => FailureRecord::NoMore,
            Ordering::Greater => FailureRecord::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    fn keys(account: &str, address: &str) -> [Key; 2] {
        [Key::Account(account.to_owned()), Key::Address(address.to_owned())]
    }

    #[test]
    fn each_failure_beyond_the_first_few_doubles_the_wait() {
        let mut attempts = Attempts::default();
        let ann = keys("ann", "10.0.0.1");
        for _ in 0..ATTEMPTS_UNPUNISHED - 1 {
            attempts.fail(&ann, at(0));
            assert_eq!(attempts.wait(&ann, at(0)), None);
        }
        for wait in [1, 2, 4, 8, 16, 32, 64, 128] {
            attempts.fail(&ann, at(0));
            assert_eq!(attempts.wait(&ann, at(0)), Some(wait + 1));
            assert_eq!(attempts.wait(&ann, at(i64::from(wait))), None);
        }
        // From elsewhere the account waits for a minute at most; the address waits for every account.
        assert_eq!(attempts.wait(&keys("ann", "10.0.0.2"), at(0)), Some(61));
        assert_eq!(attempts.wait(&keys("bob", "10.0.0.1"), at(0)), Some(129));
        assert_eq!(attempts.wait(&keys("bob", "10.0.0.2"), at(0)), None);
        attempts.succeed(&ann);
        assert_eq!(attempts.wait(&ann, at(0)), None);
    }

    #[test]
    fn a_wait_grows_up_to_its_limit_and_no_further() {
        let check = |key: Key, max: i64| {
            let keys = [key];
            let mut attempts = Attempts::default();
            let mut waits = Vec::new();
            for _ in 0..ATTEMPTS_UNPUNISHED + 40 {
                attempts.fail(&keys, at(0));
                waits.extend(attempts.wait(&keys, at(0)).map(|seconds| i64::from(seconds) - 1));
            }
            assert!(waits.iter().any(|wait| *wait > max / 2 && *wait < max), "{waits:?}");
            assert_eq!(waits.iter().max(), Some(&max));
            assert_eq!(attempts.wait(&keys, at(max - 1)), Some(2));
            assert_eq!(attempts.wait(&keys, at(max)), None);
        };
        check(Key::Account("ann".to_owned()), ATTEMPT_WAIT_ACCOUNT_MAX);
        check(Key::Address("10.0.0.1".to_owned()), ATTEMPT_WAIT_ADDRESS_MAX);
    }

    #[test]
    fn so_many_failed_attempts_are_recorded_an_hour() {
        let mut recorded = RecordedFailures::default();
        let mut hour = |now: i64| {
            for _ in 0..ATTEMPTS_RECORDED_MAX - 1 {
                assert_eq!(recorded.fail(at(now)), FailureRecord::This);
            }
            assert_eq!(recorded.fail(at(now)), FailureRecord::NoMore);
            assert_eq!(recorded.fail(at(now + 1)), FailureRecord::Nothing);
        };
        hour(0);
        // The next hour has its own.
        hour(3600);
    }

    #[test]
    fn what_is_remembered_has_an_end() {
        let mut attempts = Attempts::default();
        for number in 0..ATTEMPTS_KEYS_MAX + 10 {
            attempts.fail(&[Key::Account(number.to_string())], at(number as i64));
        }
        assert!(attempts.failed.len() <= ATTEMPTS_KEYS_MAX);
    }
}
