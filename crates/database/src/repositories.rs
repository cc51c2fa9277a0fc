//! What is signed: one row for each repository.

use headwater_policy::Repository;
use sqlx::Row;

use crate::error::Result;
use crate::{Connection, Db, Tx, count, number};

/// What is signed in one repository: enough to find its four files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryRow {
    /// The repository.
    pub repository: Repository,
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
    /// What is signed in a repository; `None` before the first start is over.
    pub async fn repository(&mut self, repository: Repository) -> Result<Option<RepositoryRow>> {
        let row = sqlx::query(
            "SELECT root_version, snapshot_version, targets_version, timestamp FROM repositories WHERE repository = $1",
        )
        .bind(repository.to_string())
        .fetch_optional(self.sql())
        .await?;
        Ok(row.map(|row| RepositoryRow {
            repository,
            root_version: count(row.get("root_version")),
            snapshot_version: count(row.get("snapshot_version")),
            targets_version: count(row.get("targets_version")),
            timestamp: row.get("timestamp"),
        }))
    }
}

impl Db {
    /// What is signed in a repository; `None` before the first start is over.
    pub async fn repository(&self, repository: Repository) -> Result<Option<RepositoryRow>> {
        self.connection().await?.repository(repository).await
    }
}

/// Notes what has been signed.
pub async fn put(tx: &mut Tx, repository: &RepositoryRow) -> Result<()> {
    sqlx::query(
        "INSERT INTO repositories (repository, root_version, snapshot_version, targets_version, timestamp) \
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT (repository) DO UPDATE SET root_version = excluded.root_version, \
         snapshot_version = excluded.snapshot_version, targets_version = excluded.targets_version, \
         timestamp = excluded.timestamp",
    )
    .bind(repository.repository.to_string())
    .bind(number(repository.root_version))
    .bind(number(repository.snapshot_version))
    .bind(number(repository.targets_version))
    .bind(&repository.timestamp)
    .execute(tx.sql())
    .await?;
    Ok(())
}
