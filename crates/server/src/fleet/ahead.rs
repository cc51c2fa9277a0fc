//! Clients that state versions which this server has not signed: a sign that the whole machine was set back, database and
//! repositories together (I2d). A number alone is no evidence, so nothing follows from it but that it is reported.

use std::collections::BTreeMap;

use headwater_api::v1::{ServerProblem, Severity};
use headwater_policy::Repository;
use jiff::Timestamp;

use crate::limits::{CLIENTS_AHEAD_MAX, CLIENTS_AHEAD_NAMED_MAX};

/// A version that one client stated, and what was signed then.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Ahead {
    repository: Repository,
    stated: u64,
    signed: u64,
    since: Timestamp,
}

/// Clients that are ahead, by id.
#[derive(Debug, Default)]
pub(super) struct ClientsAhead(BTreeMap<String, Ahead>);

impl ClientsAhead {
    /// Notes what a client states; returns whether it is newly ahead.
    pub fn note(
        &mut self,
        client: &str,
        stated: &BTreeMap<String, u64>,
        signed: impl Fn(Repository) -> u64,
        now: Timestamp,
    ) -> bool {
        let ahead = Repository::ALL.into_iter().find_map(|repository| {
            let (stated, signed) = (*stated.get(repository.as_str())?, signed(repository));
            (stated > signed).then_some(Ahead { repository, stated, signed, since: now })
        });
        let Some(ahead) = ahead else {
            self.0.remove(client);
            return false;
        };
        if self.0.contains_key(client) || self.0.len() >= CLIENTS_AHEAD_MAX {
            return false;
        }
        self.0.insert(client.to_owned(), ahead);
        true
    }

    /// The warning that names them; `None` if no client is ahead.
    pub fn problem(&self) -> Option<ServerProblem> {
        let since = self.0.values().map(|ahead| ahead.since).min()?;
        let named = self.0.iter().take(CLIENTS_AHEAD_NAMED_MAX).map(|(client, ahead)| {
            let Ahead { repository, stated, signed, .. } = ahead;
            format!("{client} has version {stated} of {repository}, and this server has signed {signed}")
        });
        let named: Vec<String> = named.collect();
        let more = match self.0.len() - named.len() {
            0 => String::new(),
            more => format!("; and {more} more"),
        };
        let message = format!(
            "clients state versions that this server never signed: {}{more}. If the machine was set back to an earlier state \
             (a snapshot, a copy of the disk), they refuse what it signs now: run `headwater adopt --raise` and publish again \
             what was published since. If it was not, look at these clients",
            named.join("; ")
        );
        let code = "clients_ahead".to_owned();
        Some(ServerProblem { code, severity: Severity::Warning, since: Some(since), message })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_states_higher_versions_is_remembered_until_they_are_signed() {
        let mut ahead = ClientsAhead::default();
        let now = Timestamp::UNIX_EPOCH;
        let stated = |version| BTreeMap::from([("components".to_owned(), version)]);
        assert!(!ahead.note("pc-1", &stated(4), |_| 4, now));
        assert_eq!(ahead.problem(), None);
        assert!(ahead.note("pc-1", &stated(5), |_| 4, now));
        assert!(!ahead.note("pc-1", &stated(6), |_| 4, now), "it is logged once");
        let message = ahead.problem().unwrap().message;
        assert!(
            message.contains("pc-1 has version 5 of components, and this server has signed 4"),
            "{message}"
        );
        ahead.note("pc-1", &stated(6), |_| 7, now);
        assert_eq!(ahead.problem(), None);
    }

    #[test]
    fn so_many_clients_are_remembered_and_named_and_no_more() {
        let mut ahead = ClientsAhead::default();
        let stated = BTreeMap::from([("policy".to_owned(), 9)]);
        for number in 0..=CLIENTS_AHEAD_MAX {
            ahead.note(&format!("pc-{number:05}"), &stated, |_| 1, Timestamp::UNIX_EPOCH);
        }
        assert_eq!(ahead.0.len(), CLIENTS_AHEAD_MAX);
        let message = ahead.problem().unwrap().message;
        assert!(
            message.contains(&format!("and {} more", CLIENTS_AHEAD_MAX - CLIENTS_AHEAD_NAMED_MAX)),
            "{message}"
        );
    }
}
