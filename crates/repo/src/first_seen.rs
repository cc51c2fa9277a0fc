//! When a reader first saw the present version of each role. So many days later the version counts as expired, whatever it
//! states itself (I2b): a thief of keys can state any time.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::error::VerifyError;
use crate::limits::{
    ROOT_LIFE_DAYS_MAX, SNAPSHOT_LIFE_DAYS_MAX, TARGETS_LIFE_DAYS_MAX, TIMESTAMP_LIFE_DAYS_MAX,
};
use crate::names::Role;
use crate::trusted::Trusted;

/// The present versions of a repository's metadata, and when each was first seen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirstSeen(BTreeMap<String, Seen>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    version: u64,
    at: Timestamp,
}

/// Days that a signature of a role may be good. No publisher makes longer ones, so an honest version never gets that old
/// before it expires.
pub fn life_days_max(role: Role) -> u32 {
    match role {
        Role::Root => ROOT_LIFE_DAYS_MAX,
        Role::Timestamp => TIMESTAMP_LIFE_DAYS_MAX,
        Role::Snapshot => SNAPSHOT_LIFE_DAYS_MAX,
        Role::Targets => TARGETS_LIFE_DAYS_MAX,
    }
}

impl FirstSeen {
    /// Notes the versions that are trusted at `now`. A time in the future was noted under a clock that was ahead.
    pub fn note(&mut self, trusted: &Trusted, now: Timestamp) {
        for (role, version) in trusted.versions() {
            let seen = self.0.entry(role.to_string()).or_insert(Seen { version, at: now });
            if seen.version != version || seen.at > now {
                *seen = Seen { version, at: now };
            }
        }
    }

    /// Whether every trusted version is young enough at `now`.
    ///
    /// # Errors
    ///
    /// [`VerifyError::SeenTooLongAgo`].
    pub fn check(&self, trusted: &Trusted, now: Timestamp) -> Result<(), VerifyError> {
        trusted.versions().into_iter().try_for_each(|(role, version)| {
            let days_max = life_days_max(role);
            let life = SignedDuration::from_hours(24 * i64::from(days_max));
            match self.0.get(role.name()) {
                Some(seen) if seen.version == version && now.duration_since(seen.at) > life => {
                    let (role, first_seen) = (role.to_string(), seen.at);
                    Err(VerifyError::SeenTooLongAgo { role, version, first_seen, days_max })
                }
                _ => Ok(()),
            }
        })
    }
}
