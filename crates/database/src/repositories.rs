//! What is signed: one row for each class.

use headwater_policy::Class;
use sqlx::Row;

use crate::error::Result;
use crate::{Connection, Db, Tx, count, number};

/// What is signed in one class: enough to find its four files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryRow {
    /// The class.
    pub class: Class,
    /// Version of `root`.
    pub root_version: u64,
    /// Version of `snapshot`.
    pub snapshot_version: u64,
    /// Version of `targets`.
    pub targets_version: u64,
    /// The bytes of `timestamp.json`.
    pub timestamp: Vec<u8>,
}

impl Connection {
    /// What is signed in a class; `None` before the first start is over.
    pub async fn repository(&mut self, class: Class) -> Result<Option<RepositoryRow>> {
        let row = sqlx::query(
            "SELECT root_version, snapshot_version, targets_version, timestamp FROM repositories WHERE class = $1",
        )
        .bind(class.to_string())
        .fetch_optional(self.sql())
        .await?;
        Ok(row.map(|row| RepositoryRow {
            class,
            root_version: count(row.get("root_version")),
            snapshot_version: count(row.get("snapshot_version")),
            targets_version: count(row.get("targets_version")),
            timestamp: row.get("timestamp"),
        }))
    }
}

impl Db {
    /// What is signed in a class; `None` before the first start is over.
    pub async fn repository(&self, class: Class) -> Result<Option<RepositoryRow>> {
        self.connection().await?.repository(class).await
    }
}

/// Notes what has been signed.
pub async fn put(tx: &mut Tx, repository: &RepositoryRow) -> Result<()> {
    sqlx::query(
        "INSERT INTO repositories (class, root_version, snapshot_version, targets_version, timestamp) \
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT (class) DO UPDATE SET root_version = excluded.root_version, \
         snapshot_version = excluded.snapshot_version, targets_version = excluded.targets_version, \
         timestamp = excluded.timestamp",
    )
    .bind(repository.class.to_string())
    .bind(number(repository.root_version))
    .bind(number(repository.snapshot_version))
    .bind(number(repository.targets_version))
    .bind(&repository.timestamp)
    .execute(tx.sql())
    .await?;
    Ok(())
}
