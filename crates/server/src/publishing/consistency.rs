//! Whether the database and a repository are of one time (I2d): a pure decision over what is read of both at start.
//!
//! The database's row of a repository is the recorded intent of a publication: it holds the bytes of `timestamp.json`, and
//! is committed before these are put in place. So a crash leaves two differences alone, and both are explained: files of
//! the next version that no row leads to (they are overwritten), and a row whose timestamp is not in place yet (it is put
//! there). Everything else comes from a database or a repository that was put back.

mod read;

use headwater_policy::Repository;

pub(super) use self::read::{Folder, RepositoryState, expires_of};

/// What is read of one repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The repository.
    pub repository: Repository,
    /// What the database has of it; `None` if it was never published.
    pub recorded: Option<Recorded>,
    /// What its `timestamp.json` is.
    pub served: Served,
    /// A signed file that a publication later than the next one made.
    pub later: Option<String>,
}

/// A publication, as the database has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// Version of its timestamp.
    pub timestamp: u64,
    /// The first of its metadata files that is missing or is another.
    pub metadata_missing: Option<String>,
    /// The first of its targets that is missing.
    pub target_missing: Option<String>,
}

/// The `timestamp.json` of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Served {
    /// There is none.
    Missing,
    /// It is not signed by this server's keys.
    Unverified(String),
    /// The one of the database.
    Same,
    /// Another one, signed by this server's keys.
    Other {
        /// Its version.
        timestamp: u64,
    },
}

/// What database and repository are to one another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Consistency {
    /// Nothing was published yet.
    Unpublished,
    /// Of one time.
    Consistent,
    /// The database's publication is whole, and its timestamp is to be put in place. `odd`: what no crash explains.
    ToComplete {
        /// A sentence.
        odd: Option<String>,
    },
    /// Of different times.
    Different(Difference),
    /// A file that the database and the repository agree on is missing.
    Lost(String),
}

/// Database and repository are of different times.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Difference {
    /// The repository went on.
    #[error(
        "{repository}: the database is older than the repository: it has timestamp {database}, and {found} is there"
    )]
    DatabaseOlder {
        /// The repository.
        repository: Repository,
        /// The database's timestamp.
        database: u64,
        /// What is newer.
        found: String,
    },
    /// The database went on.
    #[error(
        "{repository}: the repository is older than the database: it has timestamp {served}, the database has {database}, and \
         {missing} is missing"
    )]
    RepositoryOlder {
        /// The repository.
        repository: Repository,
        /// The repository's timestamp.
        served: u64,
        /// The database's.
        database: u64,
        /// The first missing file.
        missing: String,
    },
    /// Both went on, apart.
    #[error("{repository}: database and repository have different content under timestamp {timestamp}")]
    Apart {
        /// The repository.
        repository: Repository,
        /// The version of both.
        timestamp: u64,
    },
}

/// Decides for one repository.
pub fn decide(facts: &Facts) -> Consistency {
    let repository = facts.repository;
    let Some(recorded) = &facts.recorded else { return Consistency::Unpublished };
    let database = recorded.timestamp;
    let older =
        |found: String| Consistency::Different(Difference::DatabaseOlder { repository, database, found });
    let missing = recorded.metadata_missing.as_ref().or(recorded.target_missing.as_ref());
    match (&facts.served, missing) {
        (Served::Other { timestamp }, _) if *timestamp > database => older(format!("timestamp {timestamp}")),
        (Served::Other { timestamp }, _) if *timestamp == database => {
            Consistency::Different(Difference::Apart { repository, timestamp: *timestamp })
        }
        (Served::Other { timestamp }, Some(missing)) => Consistency::Different(Difference::RepositoryOlder {
            repository,
            served: *timestamp,
            database,
            missing: missing.clone(),
        }),
        (Served::Same, _) if recorded.metadata_missing.is_some() => {
            Consistency::Lost(recorded.metadata_missing.clone().unwrap_or_default())
        }
        (Served::Missing | Served::Unverified(_), Some(missing)) => Consistency::Lost(missing.clone()),
        _ if facts.later.is_some() => older(facts.later.clone().unwrap_or_default()),
        (Served::Same, _) => Consistency::Consistent,
        (Served::Other { .. }, None) => Consistency::ToComplete { odd: None },
        // A first start that was ended has not put the first one in place.
        (Served::Missing, None) if database == 1 => Consistency::ToComplete { odd: None },
        (Served::Missing, None) => {
            let odd = Some(format!("{repository}: timestamp.json was missing and is put back"));
            Consistency::ToComplete { odd }
        }
        (Served::Unverified(reason), None) => {
            let odd = format!(
                "{repository}: timestamp.json was not the one that was published ({reason}) and is replaced"
            );
            Consistency::ToComplete { odd: Some(odd) }
        }
    }
}

#[cfg(test)]
mod tests {
    use headwater_policy::Class;

    use super::*;

    fn facts(missing: Option<&str>, served: Served, later: Option<&str>) -> Facts {
        let recorded =
            Recorded { timestamp: 5, metadata_missing: missing.map(str::to_owned), target_missing: None };
        let repository = Class::Components.into();
        Facts { repository, recorded: Some(recorded), served, later: later.map(str::to_owned) }
    }

    fn other(timestamp: u64) -> Served {
        Served::Other { timestamp }
    }

    #[test]
    fn what_a_crash_leaves_is_completed_and_everything_else_is_not() {
        let check = |missing, served: Served, later, word: &str| {
            let decided = format!("{:?}", decide(&facts(missing, served.clone(), later)));
            assert!(decided.starts_with(word), "{served:?}, {missing:?}, {later:?}: {decided}");
        };
        let unverified = || Served::Unverified("no JSON".to_owned());
        check(None, Served::Same, None, "Consistent");
        check(None, other(4), None, "ToComplete { odd: None }");
        check(None, other(2), None, "ToComplete { odd: None }");
        check(None, Served::Missing, None, "ToComplete { odd: Some");
        check(None, unverified(), None, "ToComplete { odd: Some");
        check(None, other(6), None, "Different(DatabaseOlder");
        check(Some("5.targets.json"), other(6), None, "Different(DatabaseOlder");
        check(None, Served::Same, Some("9.snapshot.json"), "Different(DatabaseOlder");
        check(None, other(4), Some("9.snapshot.json"), "Different(DatabaseOlder");
        check(None, other(5), None, "Different(Apart");
        check(Some("5.targets.json"), other(4), None, "Different(RepositoryOlder");
        check(Some("5.targets.json"), Served::Same, None, "Lost");
        check(Some("5.targets.json"), Served::Missing, None, "Lost");
        check(Some("5.targets.json"), unverified(), None, "Lost");
    }

    #[test]
    fn a_lost_target_alone_keeps_no_server_from_starting() {
        let mut facts = facts(None, Served::Same, None);
        let target = Some("targets/rules/1.json".to_owned());
        facts.recorded.as_mut().unwrap().target_missing = target;
        assert_eq!(decide(&facts), Consistency::Consistent);
        facts.served = other(4);
        assert!(matches!(decide(&facts), Consistency::Different(Difference::RepositoryOlder { .. })));
    }

    #[test]
    fn what_was_never_published_is_no_difference() {
        let repository = Repository::Policy;
        let facts = Facts { repository, recorded: None, served: Served::Missing, later: None };
        assert_eq!(decide(&facts), Consistency::Unpublished);
    }
}
