//! Counts requests of unknown clients, so that the database is written now and then and not for each request. Pure.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use crate::db::limits::{UNKNOWN_CLIENTS_MAX, UNKNOWN_CLIENTS_PROVEN_MAX};
use crate::limits;

/// As many as are written down.
const ASKED_MAX: usize = (UNKNOWN_CLIENTS_MAX + UNKNOWN_CLIENTS_PROVEN_MAX) as usize;

/// Unknown clients that asked since they were last written down, by id, key and whether they proved it.
#[derive(Debug, Default)]
pub(super) struct UnknownRequests {
    by_key: HashMap<(String, String, bool), (Timestamp, u64)>,
    /// How many came for the first time since then.
    new: (Timestamp, u32),
}

impl UnknownRequests {
    /// Counts one; returns how many are to be written down now, if it is time.
    pub fn count(&mut self, client: &str, key: &str, is_proven: bool, now: Timestamp) -> Option<u64> {
        let pause = SignedDuration::from_secs(limits::UNKNOWN_CLIENT_PAUSE_SECONDS);
        let is_over = |since: Timestamp| now.duration_since(since).abs() >= pause;
        let who = (client.to_owned(), key.to_owned(), is_proven);
        let Some((written, pending)) = self.by_key.get_mut(&who) else {
            if is_over(self.new.0) {
                self.new = (now, 0);
            }
            // A caller that makes up an id for each request must not cause a write for each.
            if !is_proven {
                if self.new.1 >= limits::UNKNOWN_CLIENTS_NEW_MAX {
                    return None;
                }
                self.new.1 += 1;
            }
            if self.by_key.len() >= ASKED_MAX {
                self.by_key.clear();
            }
            self.by_key.insert(who, (now, 0));
            return Some(1);
        };
        *pending += 1;
        if !is_over(*written) {
            return None;
        }
        *written = now;
        Some(std::mem::take(pending))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_without_end_is_written_down_now_and_then() {
        let start = Timestamp::UNIX_EPOCH;
        let at = |seconds| start + SignedDuration::from_secs(seconds);
        let mut asked = UnknownRequests::default();
        assert_eq!(asked.count("pc", "k", false, at(0)), Some(1));
        assert_eq!(asked.count("pc", "k", false, at(1)), None);
        assert_eq!(asked.count("pc", "other", false, at(1)), Some(1));
        assert_eq!(asked.count("pc", "k", false, at(2)), None);
        assert_eq!(asked.count("pc", "k", false, at(limits::UNKNOWN_CLIENT_PAUSE_SECONDS)), Some(3));
        for number in 0..2 * ASKED_MAX {
            let now = at(number as i64 * limits::UNKNOWN_CLIENT_PAUSE_SECONDS);
            assert_eq!(asked.count(&number.to_string(), "", false, now), Some(1));
            assert!(asked.by_key.len() <= ASKED_MAX);
        }
    }

    #[test]
    fn who_makes_up_an_id_for_each_request_is_not_written_down_each_time() {
        let start = Timestamp::UNIX_EPOCH;
        let mut asked = UnknownRequests::default();
        for number in 0..limits::UNKNOWN_CLIENTS_NEW_MAX {
            assert_eq!(asked.count(&number.to_string(), "", false, start), Some(1));
        }
        assert_eq!(asked.count("one more", "", false, start), None);
        let later = start + SignedDuration::from_secs(limits::UNKNOWN_CLIENT_PAUSE_SECONDS);
        assert_eq!(asked.count("one more", "", false, later), Some(1));
    }
}
