//! Everything that the server keeps in a database, and all SQL.
//!
//! Every change is one transaction of the one writer, and is committed together with its entry in the audit log
//! ([`Tx::commit`]). Each module holds the statements of one concept; what the rows mean is decided by the server.

pub mod administrators;
pub mod audit;
mod audit_key;
mod audit_log;
pub mod clients;
mod connection;
pub mod deltas;
pub mod domain_settings;
pub mod domains;
pub mod error;
pub mod fleet;
pub mod identities;
pub mod limits;
pub mod policies;
pub mod releases;
pub mod repositories;
pub mod tokens;
pub mod unknown_clients;
pub mod vendor;

pub use audit_key::AuditKey;
pub use audit_log::SealedHead;
pub use connection::{Connection, Tx};
pub use error::{Error, Result};

use std::fs::{OpenOptions, Permissions};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow, SqliteSynchronous,
};
use sqlx::{Connection as _, SqlSafeStr, SqliteConnection, SqlitePool};

use crate::audit::Head;

/// One row of a result.
type SqlRow = SqliteRow;

/// The database.
#[derive(Debug, Clone)]
pub struct Db {
    writer: SqlitePool,
    readers: SqlitePool,
    audit_key: Arc<AuditKey>,
    last_recorded: Arc<Mutex<Head>>,
}

/// One writer at a time, from the first statement on.
const BEGIN: &str = "BEGIN IMMEDIATE";

impl Db {
    /// Opens the database, making or migrating it as needed.
    ///
    /// # Errors
    /// When the file cannot be opened or a migration fails.
    pub async fn open(path: &Path, audit_key: AuditKey) -> Result<Self> {
        make_private(path).map_err(|source| Error::File { path: path.to_owned(), source })?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(10));
        let writer = SqlitePoolOptions::new().max_connections(1).connect_with(options.clone()).await?;
        migrations().run(&writer).await.map_err(sqlx::Error::from)?;
        let readers = SqlitePoolOptions::new().max_connections(4).connect_with(options).await?;
        let last_recorded = Arc::default();
        let db = Self { writer, readers, audit_key: Arc::new(audit_key), last_recorded };
        if let Some(sealed) = db.audit_head().await? {
            *db.last_recorded.lock().expect("nobody panics while holding this lock") = sealed.head;
        }
        Ok(db)
    }

    /// Begins a change.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn begin(&self) -> Result<Tx> {
        let transaction = match self.writer.begin_with(BEGIN).await {
            // SQLite ends a transaction by itself when the disk is full; the library goes on counting it, and the
            // connection would begin no other one until the server is restarted.
            Err(sqlx::Error::InvalidSavePointStatement) => {
                if let Err(error) = self.writer.acquire().await?.close().await {
                    tracing::warn!(%error, "the database connection that a full disk broke did not close well");
                }
                self.writer.begin_with(BEGIN).await?
            }
            begun => begun?,
        };
        Ok(Tx::new(transaction, self.audit_key.clone(), self.last_recorded.clone()))
    }

    /// A copy of the database as it is at this moment, in a new file. The keys of confidential domains are not in it: a
    /// restored server makes new ones.
    ///
    /// # Errors
    /// When the database or the disk fails.
    pub async fn copy_to(&self, path: &Path) -> Result<()> {
        let name = path.to_string_lossy().into_owned();
        sqlx::query("VACUUM INTO ?").bind(name).execute(&self.readers).await?;
        // What is deleted is overwritten, too.
        let options = SqliteConnectOptions::new().filename(path).pragma("secure_delete", "ON");
        let mut copy = SqliteConnection::connect_with(&options).await?;
        sqlx::query("DELETE FROM domain_keys").execute(&mut copy).await?;
        copy.close().await?;
        Ok(())
    }

    /// Where the audit log ended when the last change was made.
    pub fn last_recorded(&self) -> Head {
        self.last_recorded.lock().expect("nobody panics while holding this lock").clone()
    }

    /// For reading.
    pub(crate) fn read(&self) -> &SqlitePool {
        &self.readers
    }

    /// One connection for reading, for what is also read within a change.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn connection(&self) -> Result<Connection> {
        Ok(Connection::reading(self.readers.acquire().await?))
    }

    /// Ends every connection.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

/// Makes a file that only its owner may read, or takes it from the others where it exists. SQLite gives the files beside
/// it the same mode.
fn make_private(path: &Path) -> std::io::Result<()> {
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
    file.set_permissions(Permissions::from_mode(0o600))
}

fn migrations() -> Migrator {
    let texts = [
        (1, "begin", include_str!("../migrations/0001_begin.sql")),
        (2, "report bytes", include_str!("../migrations/0002_report_bytes.sql")),
        (3, "fleet identity", include_str!("../migrations/0003_fleet_identity.sql")),
        (4, "administrators", include_str!("../migrations/0004_administrators.sql")),
        (5, "sequence floors", include_str!("../migrations/0005_sequence_floors.sql")),
        (6, "deltas", include_str!("../migrations/0006_deltas.sql")),
        (7, "domain drafts", include_str!("../migrations/0007_domain_drafts.sql")),
        (8, "vouched sessions", include_str!("../migrations/0008_vouched_sessions.sql")),
        (9, "re_enrolment", include_str!("../migrations/0009_re_enrolment.sql")),
        (10, "shut out", include_str!("../migrations/0010_shut_out.sql")),
    ];
    Migrator::with_migrations(
        texts
            .into_iter()
            .map(|(version, name, sql)| {
                Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
            })
            .collect(),
    )
}

/// A number of the database as a count.
pub(crate) fn count(number: i64) -> u64 {
    u64::try_from(number).expect("the database holds no negative counts")
}

/// A count as a number of the database.
pub(crate) fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Seconds of the database as a time.
pub(crate) fn time(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap_or(Timestamp::MIN)
}

/// JSON of the database.
pub(crate) fn json<T: DeserializeOwned>(what: &'static str, text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| Error::Corrupt { what, reason: error.to_string() })
}

/// JSON for the database.
pub fn to_json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("our own messages have string keys only")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::Audit;

    #[tokio::test]
    async fn what_was_set_before_versions_were_kept_is_version_1() {
        let folder = tempfile::tempdir().unwrap();
        let options =
            SqliteConnectOptions::new().filename(folder.path().join("server.db")).create_if_missing(true);
        let old = SqlitePoolOptions::new().max_connections(1).connect_with(options).await.unwrap();
        let mut before = migrations();
        before.migrations.to_mut().retain(|migration| migration.version < 7);
        before.run(&old).await.unwrap();
        let row = r#"INSERT INTO domains VALUES ('root', 3, '{"poll_interval_minutes":5}',
            '{"values":{"a":[1,null],"b":true},"files":{"c":"d"}}')"#;
        sqlx::query(row).execute(&old).await.unwrap();
        old.close().await;
        let key = AuditKey::new(&[1; 32]);
        let db = Db::open(&folder.path().join("server.db"), key).await.unwrap();
        let domain = db.domains().await.unwrap().remove(0);
        assert_eq!((domain.version, domain.saved_version), (3, 1));
        let version = db.domain_version("root", 1).await.unwrap().unwrap();
        assert_eq!(version.set, domain.set);
        assert_eq!(domain.set.values["a"], serde_json::json!([1, null]));
        assert_eq!(db.domain_versions("root", 9, 9).await.unwrap()[0].items, 4);
    }

    #[tokio::test]
    async fn ids_that_nobody_had_when_revocations_were_not_told_apart_are_taken_for_revoked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("server.db");
        let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true).foreign_keys(false);
        let old = SqlitePoolOptions::new().max_connections(1).connect_with(options).await.unwrap();
        let mut before = migrations();
        before.migrations.to_mut().retain(|migration| migration.version < 10);
        before.run(&old).await.unwrap();
        let rows =
            "INSERT INTO revoked VALUES ('k1', 'gone', 1, 9), ('k2', 'gone', 2, 9), ('k3', 'back', 1, 9);
            INSERT INTO identities VALUES ('back', 'k4', '', '', 0, 0, 0, 0, 0, 0)";
        sqlx::raw_sql(rows).execute(&old).await.unwrap();
        old.close().await;
        let key = AuditKey::new(&[1; 32]);
        let db = Db::open(&path, key).await.unwrap();
        let mut connection = db.connection().await.unwrap();
        assert!(identities::is_shut_out(&mut connection, "gone").await.unwrap());
        assert!(!identities::is_shut_out(&mut connection, "back").await.unwrap());
    }

    #[tokio::test]
    async fn a_full_disk_does_not_outlast_itself() {
        let folder = tempfile::tempdir().unwrap();
        let key = AuditKey::new(&[1; 32]);
        let db = Db::open(&folder.path().join("server.db"), key).await.unwrap();
        let insert = |bytes: i64| {
            sqlx::query("INSERT INTO drafts VALUES (hex(randomblob(8)), 1, 1, 1, hex(zeroblob(?)))")
                .bind(bytes)
        };
        for round in 0..3 {
            // SQLite says that the disk is full when its file may not grow.
            sqlx::query("PRAGMA max_page_count = 1").execute(&db.writer).await.unwrap();
            let mut tx = db.begin().await.unwrap();
            let error = insert(10_000_000).execute(tx.sql()).await.unwrap_err();
            assert!(Error::from(error).is_disk_full(), "round {round}");
            drop(tx);
            let mut tx = match db.begin().await {
                Ok(tx) => tx,
                Err(error) => panic!("round {round}: {error:?}"),
            };
            sqlx::query("PRAGMA max_page_count = 1000000").execute(tx.sql()).await.unwrap();
            insert(10_000).execute(tx.sql()).await.unwrap();
            tx.commit(Audit::Exempt("a test")).await.unwrap();
        }
    }
}
