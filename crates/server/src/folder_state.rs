//! What the data folder is before anything is made or changed in it: a new server's, one that goes on, or one that must be
//! looked after first. One pure decision over facts that are read at start.
//!
//! 1. [`decide_entry`]: may a server be made here, or does one stand here? Before the folder is made or locked.
//! 2. [`decide_database`]: can the database be opened? Once the folder is locked.
//!
//! Whether database and repositories are of one time is decided by `publishing::consistency`.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use headwater_depot::files::TEMPORARY_PREFIX;
use headwater_policy::Repository;
use headwater_repo::layout;

use crate::config::Config;
use crate::data::DataFolder;
use crate::db::Db;
use crate::db::examine::{DatabaseFile, Unusable, examine};
use crate::error::{Doing, Error, Result};
use crate::limits::FOREIGN_NAMES_MAX;

/// What a data folder may have at its top.
const OWN: [&str; 12] = [
    "server.lock",
    "server.db",
    "server.db-wal",
    "server.db-shm",
    "server.db-journal",
    "keys",
    "repository",
    "uploads",
    "vendor",
    "console-ca.pem",
    "listening.json",
    "console.sock",
];
/// The mark of a folder that this program made: it is made before anything else.
const LOCK: &str = "server.lock";
const DATABASE: &str = "server.db";

/// How a server starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartKind {
    /// Everything is made.
    First,
    /// It goes on.
    Again,
}

/// What stands at the top of the folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    /// Every name; empty if the folder is not there.
    pub names: Vec<String>,
    /// Those of them that the configuration names.
    pub configured: Vec<String>,
    /// Signed metadata or signing keys are in it.
    pub has_published: bool,
}

/// Why a folder is not used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rejection {
    /// Something else is in it.
    Foreign(Vec<String>),
    /// The database is gone, and the rest of a server is there.
    DatabaseMissing,
    /// The database has nothing in it, and the rest of a server is there.
    DatabaseEmpty,
    /// The database cannot be used.
    Database(Unusable),
    /// The database was never of the server that published what is there.
    NothingKnown(Repository),
}

/// Reads what stands at the top of a folder.
///
/// # Errors
/// When the folder cannot be read.
pub fn read_entry(root: &Path, config: &Config) -> Result<Entry> {
    let doing = || format!("cannot list {}", root.display());
    let entries = match fs::read_dir(root) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Entry::default()),
        read => read.doing(doing)?,
    };
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry.doing(doing)?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    let is_configured = |name: &&String| config.files.iter().any(|file| is_at(file, &root.join(name)));
    let configured = names.iter().filter(is_configured).cloned().collect();
    Ok(Entry { names, configured, has_published: has_published(root)? })
}

/// Whether a file that the configuration names is this one, or is below this folder.
fn is_at(file: &Path, entry: &Path) -> bool {
    let absolute = |path: &Path| fs::canonicalize(path).or_else(|_| std::path::absolute(path));
    matches!((absolute(file), absolute(entry)), (Ok(file), Ok(entry)) if file.starts_with(&entry))
}

fn has_published(root: &Path) -> Result<bool> {
    for repository in Repository::ALL {
        let served = root.join("repository").join(repository.as_str());
        let keys = root.join("keys").join(repository.as_str());
        if is_there(&served.join(layout::TIMESTAMP))? || is_there(&keys.join("targets.pem"))? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a file is there; what cannot be read is not taken for missing.
fn is_there(path: &Path) -> Result<bool> {
    path.try_exists().doing(|| format!("cannot look for {}", path.display()))
}

/// Whether a server may start here, and how. A database that is there is looked at afterwards.
///
/// # Errors
/// Why not.
pub fn decide_entry(entry: &Entry) -> std::result::Result<StartKind, Rejection> {
    let has = |name: &str| entry.names.iter().any(|there| there == name);
    if entry.has_published && !has(DATABASE) {
        return Err(Rejection::DatabaseMissing);
    }
    if has(DATABASE) && (entry.has_published || has(LOCK)) {
        return Ok(StartKind::Again);
    }
    // A first start that a crash ended has made the lock, and nothing but names of ours.
    let is_own = |name: &str| OWN.contains(&name) || name.starts_with(TEMPORARY_PREFIX);
    let is_explained = |name: &str| is_own(name) && (has(LOCK) || name == DATABASE);
    let foreign: Vec<String> = entry
        .names
        .iter()
        .filter(|name| *name != "lost+found" && !entry.configured.contains(name) && !is_explained(name))
        .cloned()
        .collect();
    if foreign.is_empty() { Ok(StartKind::First) } else { Err(Rejection::Foreign(foreign)) }
}

/// Whether the database can be opened, and how the server starts with it.
///
/// # Errors
/// Why not.
pub fn decide_database(entry: &Entry, file: &DatabaseFile) -> std::result::Result<StartKind, Rejection> {
    match file {
        DatabaseFile::Missing if entry.has_published => Err(Rejection::DatabaseMissing),
        DatabaseFile::Empty if entry.has_published => Err(Rejection::DatabaseEmpty),
        DatabaseFile::Missing | DatabaseFile::Empty => Ok(StartKind::First),
        DatabaseFile::Unusable(why) => Err(Rejection::Database(why.clone())),
        DatabaseFile::Sound => Ok(StartKind::Again),
    }
}

/// Looks at the database and decides.
///
/// # Errors
/// Why it cannot be opened.
pub async fn check_database(data: &DataFolder, entry: &Entry) -> Result<StartKind> {
    let path = data.database();
    let file = examine(&path).await?;
    decide_database(entry, &file).map_err(|why| rejected(data.root(), &why))
}

/// Refuses a database that does not know a repository that is published.
///
/// # Errors
/// [`Error::DataFolder`].
pub async fn refuse_unknown_repositories(data: &DataFolder, db: &Db) -> Result<()> {
    for repository in Repository::ALL {
        let is_published = is_there(&data.repository(repository).join(layout::TIMESTAMP))?;
        if is_published && db.repository(repository).await?.is_none() {
            return Err(rejected(data.root(), &Rejection::NothingKnown(repository)));
        }
    }
    Ok(())
}

/// A refusal, in words.
pub fn rejected(root: &Path, why: &Rejection) -> Error {
    const PUT_BACK: &str = "nothing was changed. Keep a copy of the folder as it is; then put back server.db, or the whole \
                            folder, from a backup, or restore the server with `headwater restore` into a new folder";
    let database = root.join(DATABASE);
    let database = database.display();
    let (reason, hint) = match why {
        Rejection::Foreign(names) => (
            format!(
                "{} is no data folder of a server and not empty: it has {}",
                root.display(),
                listed(names)
            ),
            "a first start needs a new or an empty folder; check --data and the configuration",
        ),
        Rejection::DatabaseMissing => {
            (format!("{database} is missing, and beside it stands what was published"), PUT_BACK)
        }
        Rejection::DatabaseEmpty => {
            (format!("{database} is empty, and beside it stands what was published"), PUT_BACK)
        }
        Rejection::Database(why @ (Unusable::Newer { .. } | Unusable::Older { .. })) => (
            format!("{database} cannot be used: {why}"),
            "nothing was changed. Start the version of the program that made it, or put back a backup of this version",
        ),
        Rejection::Database(why) => (format!("{database} cannot be used: {why}"), PUT_BACK),
        Rejection::NothingKnown(repository) => (
            format!(
                "{database} knows nothing of the repository {repository} that is published: it is another server's, or new"
            ),
            PUT_BACK,
        ),
    };
    Error::DataFolder { reason, hint }
}

/// The first of some names.
fn listed(names: &[String]) -> String {
    let shown: Vec<String> =
        names.iter().take(FOREIGN_NAMES_MAX).map(|name| name.escape_debug().to_string()).collect();
    match names.len().saturating_sub(shown.len()) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(names: &str, configured: &str, has_published: bool) -> Entry {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect();
        Entry { names: words(names), configured: words(configured), has_published }
    }

    #[test]
    fn a_first_start_needs_a_folder_of_its_own() {
        let check = |names: &str, configured: &str, has_published, expected| {
            assert_eq!(decide_entry(&entry(names, configured, has_published)), expected, "{names}");
        };
        let foreign = |names: &str| Err(Rejection::Foreign(entry(names, "", false).names));
        check("", "", false, Ok(StartKind::First));
        check("lost+found server.toml", "server.toml", false, Ok(StartKind::First));
        check("server.db", "", false, Ok(StartKind::First));
        check("keys server.lock uploads", "", false, Ok(StartKind::First));
        check("keys repository server.db server.lock", "", true, Ok(StartKind::Again));
        check("keys notes.txt repository server.db", "", true, Ok(StartKind::Again));
        check("keys repository server.lock", "", true, Err(Rejection::DatabaseMissing));
        check("notes.txt", "", false, foreign("notes.txt"));
        check("keys uploads", "", false, foreign("keys uploads"));
        check("notes.txt server.db", "", false, foreign("notes.txt"));
        check("notes.txt server.lock", "", false, foreign("notes.txt"));
    }

    #[test]
    fn a_database_with_nothing_in_it_is_no_first_start_beside_what_was_published() {
        let check = |file: DatabaseFile, has_published, expected| {
            assert_eq!(decide_database(&entry("", "", has_published), &file), expected);
        };
        check(DatabaseFile::Missing, false, Ok(StartKind::First));
        check(DatabaseFile::Empty, false, Ok(StartKind::First));
        check(DatabaseFile::Sound, true, Ok(StartKind::Again));
        check(DatabaseFile::Missing, true, Err(Rejection::DatabaseMissing));
        check(DatabaseFile::Empty, true, Err(Rejection::DatabaseEmpty));
        let why = Unusable::Newer { found: 9 };
        check(DatabaseFile::Unusable(why.clone()), false, Err(Rejection::Database(why)));
    }

    #[test]
    fn so_many_foreign_names_are_listed_and_no_more() {
        let names = |count: usize| (0..count).map(|number| format!("n{number}")).collect::<Vec<_>>();
        assert!(!listed(&names(FOREIGN_NAMES_MAX)).contains("more"));
        assert!(listed(&names(FOREIGN_NAMES_MAX + 2)).ends_with("and 2 more"));
    }
}
