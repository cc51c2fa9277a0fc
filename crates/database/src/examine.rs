//! What a database's file is, before anything is done with it: sound, empty, or damaged in a way that has a name.
//!
//! 1. The file itself: missing, no bytes, no SQLite, shorter than its header states.
//! 2. Its schema: the version, and every table and index against the schema of this program.
//! 3. Its pages: all of a small database, the tables that publishing needs of a large one.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::Path;

use sqlx::any::AnyConnectOptions;
use sqlx::{AnyConnection, Connection as _, Row as _};

use crate::dialect::{Dialect, sqlite};
use crate::error::{Error, Result};
use crate::limits::{CHECKED_WHOLE_BYTES_MAX, FINDING_CHARS_MAX};
use crate::schema::SCHEMA;
use crate::{SqlRow, count};

/// What the file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DatabaseFile {
    /// There is none.
    Missing,
    /// It has no bytes, or no tables: nothing was ever stored in it.
    Empty,
    /// As this program wrote it, as far as was looked.
    Sound,
    /// It cannot be used: why.
    Unusable(Unusable),
}

/// Why a database cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// It does not begin as a database does.
    #[error("it is no SQLite database: its first bytes are others")]
    NoDatabase,
    /// Its end is missing.
    #[error("it is cut off: {found} bytes of {expected}")]
    Truncated {
        /// Bytes that are there.
        found: u64,
        /// Bytes that its header states.
        expected: u64,
    },
    /// Its pages are not as SQLite wrote them.
    #[error("it is damaged: {0}")]
    Damaged(String),
    /// A newer version of the program made it.
    #[error("it has schema {found}, of a newer version of this program, which reads schema {SCHEMA}")]
    Newer {
        /// Its schema.
        found: u64,
    },
    /// An older version of the program made it.
    #[error("it has schema {found}, of an older version of this program, which reads schema {SCHEMA}")]
    Older {
        /// Its schema.
        found: u64,
    },
    /// Its tables are another program's, or half of them are there.
    #[error("its tables are not those of schema {SCHEMA}: {0}")]
    OtherTables(String),
}

/// The bytes that every SQLite database begins with.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// Bytes of the header that every SQLite database begins with.
const HEADER_BYTES: u8 = 100;

/// Tables that are looked at whatever the size: what is published follows from them.
const ESSENTIAL: [&str; 12] = [
    "schema_version",
    "repositories",
    "components",
    "releases",
    "sequence_floors",
    "release_blobs",
    "announced",
    "policies",
    "domains",
    "identities",
    "revoked_keys",
    "audit_head",
];

/// Looks at the file. Nothing is made or changed, but that SQLite takes up what a crash left in its log.
///
/// # Errors
/// When the file cannot be read.
pub async fn examine(path: &Path) -> Result<DatabaseFile> {
    examine_within(path, CHECKED_WHOLE_BYTES_MAX).await
}

/// The same, with every page of a database of at most so many bytes.
pub(crate) async fn examine_within(path: &Path, whole_bytes_max: u64) -> Result<DatabaseFile> {
    let header = match read_header(path) {
        Ok(None) => return Ok(DatabaseFile::Missing),
        Ok(Some(header)) => header,
        Err(source) => return Err(Error::Unreadable { path: path.to_owned(), source }),
    };
    if let Some(found) = by_header(&header, has_log(path)) {
        return Ok(found);
    }
    sqlx::any::install_default_drivers();
    let options = sqlite::options(path)?;
    match by_content(&options, header.length <= whole_bytes_max).await {
        Err(Error::Failed(error))
            if Error::from_damage(&error) || matches!(error, sqlx::Error::ColumnDecode { .. }) =>
        {
            Ok(DatabaseFile::Unusable(Unusable::Damaged(bounded(&error.to_string()))))
        }
        found => found,
    }
}

struct Header {
    length: u64,
    bytes: Vec<u8>,
}

fn read_header(path: &Path) -> std::io::Result<Option<Header>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let length = file.metadata()?.len();
    let mut bytes = Vec::new();
    file.take(u64::from(HEADER_BYTES)).read_to_end(&mut bytes)?;
    Ok(Some(Header { length, bytes }))
}

/// Whether there is a log that may hold what is missing in the file.
fn has_log(path: &Path) -> bool {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    std::fs::metadata(log).is_ok_and(|log| log.len() > 0)
}

/// What the first bytes show; `None` if SQLite must look.
fn by_header(header: &Header, has_log: bool) -> Option<DatabaseFile> {
    let unusable = |why| Some(DatabaseFile::Unusable(why));
    if header.length == 0 {
        return if has_log {
            unusable(Unusable::Truncated { found: 0, expected: 1 })
        } else {
            Some(DatabaseFile::Empty)
        };
    }
    if header.bytes.len() < usize::from(HEADER_BYTES) || !header.bytes.starts_with(MAGIC) {
        return unusable(Unusable::NoDatabase);
    }
    let number = |at: usize, length: usize| {
        header.bytes[at..at + length].iter().fold(0_u64, |number, byte| (number << 8) | u64::from(*byte))
    };
    // 1 stands for 65536 (file format, 1.3.2); the size counts where both change counters agree (1.3.7).
    let page = match number(16, 2) {
        1 => 1 << 16,
        bytes => bytes,
    };
    let expected = page * number(28, 4);
    let is_stated = number(24, 4) == number(92, 4);
    (is_stated && !has_log && header.length < expected)
        .then_some(DatabaseFile::Unusable(Unusable::Truncated { found: header.length, expected }))
}

async fn by_content(options: &AnyConnectOptions, whole: bool) -> Result<DatabaseFile> {
    let mut file = AnyConnection::connect_with(options).await?;
    let found = by_tables(&mut file, whole).await;
    file.close().await?;
    found
}

async fn by_tables(file: &mut AnyConnection, whole: bool) -> Result<DatabaseFile> {
    let present = objects(file).await?;
    if present.is_empty() {
        return Ok(DatabaseFile::Empty);
    }
    let mut fresh = AnyConnection::connect_with(&sqlite::in_memory()?).await?;
    sqlx::raw_sql(Dialect::Sqlite.schema()).execute(&mut fresh).await?;
    let expected = objects(&mut fresh).await?;
    fresh.close().await?;
    if let Some(why) = by_schema(file, &present, &expected).await? {
        return Ok(DatabaseFile::Unusable(why));
    }
    Ok(match damage(file, whole).await? {
        Some(found) => DatabaseFile::Unusable(Unusable::Damaged(found)),
        None => DatabaseFile::Sound,
    })
}

/// Tables and indexes: the name and the statement that made each. Triggers guard the audit log alone, and verifying that
/// shows what they did not keep off.
type Objects = Vec<(String, String)>;

async fn objects(connection: &mut AnyConnection) -> Result<Objects> {
    let rows = sqlx::query(
        "SELECT name, sql FROM sqlite_schema WHERE type IN ('table', 'index') AND sql IS NOT NULL \
         AND name NOT LIKE 'sqlite!_%' ESCAPE '!' ORDER BY name",
    )
    .fetch_all(connection)
    .await?;
    // Of a damaged database these may be of another type.
    let object =
        |row: SqlRow| -> Result<(String, String)> { Ok((row.try_get("name")?, row.try_get("sql")?)) };
    rows.into_iter().map(object).collect()
}

async fn by_schema(
    file: &mut AnyConnection,
    present: &Objects,
    expected: &Objects,
) -> Result<Option<Unusable>> {
    let is_there = |name: &str| present.iter().any(|(there, _)| there == name);
    let version = if is_there("schema_version") {
        let version: Option<i64> =
            sqlx::query_scalar("SELECT version FROM schema_version").fetch_optional(file).await?;
        version.map_or(0, count)
    } else {
        0
    };
    if version > SCHEMA {
        return Ok(Some(Unusable::Newer { found: version }));
    }
    if version > 0 && version < SCHEMA {
        return Ok(Some(Unusable::Older { found: version }));
    }
    let missing =
        expected.iter().find(|(name, _)| !is_there(name)).map(|(name, _)| format!("{name} is missing"));
    let other = || {
        let differs = |it: &&(String, String)| !expected.contains(it);
        present.iter().find(differs).map(|(name, _)| format!("{name} is not one of them"))
    };
    let unversioned = (version == 0).then(|| "no schema version is stated".to_owned());
    Ok(missing.or_else(other).or(unversioned).map(Unusable::OtherTables))
}

/// What SQLite finds wrong with the pages. Of a large database only the tables that publishing needs are looked at, so that
/// a start takes seconds whatever the size.
async fn damage(file: &mut AnyConnection, whole: bool) -> Result<Option<String>> {
    if whole {
        return quick_check(file, "PRAGMA quick_check(1)").await;
    }
    for table in ESSENTIAL {
        if let Some(found) = quick_check(file, &format!("PRAGMA quick_check({table})")).await? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

async fn quick_check(file: &mut AnyConnection, statement: &str) -> Result<Option<String>> {
    let found: Vec<String> =
        sqlx::query_scalar(sqlx::AssertSqlSafe(statement.to_owned())).fetch_all(file).await?;
    Ok(found.into_iter().find(|line| line != "ok").map(|line| bounded(&line)))
}

pub(crate) fn bounded(text: &str) -> String {
    text.replace('\n', " ").chars().take(FINDING_CHARS_MAX).collect()
}
