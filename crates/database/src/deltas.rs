//! Deltas in inventory, and the version of each repository that is announced.

use std::collections::BTreeMap;

use headwater_policy::{Class, Repository};
use headwater_repo::{Delta, DeltaFormat, Digest, Inventory, InventoryItem};
use jiff::Timestamp;
use sqlx::Row;

use crate::error::{Error, Result};
use crate::{Connection, Db, Tx, count, number};

impl Connection {
    /// Every delta of a class in inventory.
    pub async fn inventory(&mut self, class: Class) -> Result<Inventory> {
        let rows = sqlx::query(
            "SELECT base, result, taken, sha256, size, memory, format FROM deltas WHERE class = $1",
        )
        .bind(class.to_string())
        .fetch_all(self.sql())
        .await?;
        let digest = |text: &str| {
            let corrupt = |error: headwater_repo::DigestError| Error::Corrupt {
                what: "digest of a delta",
                reason: error.to_string(),
            };
            text.parse::<Digest>().map_err(corrupt)
        };
        let mut inventory = Inventory::new();
        for row in rows {
            let (base, result) = (digest(row.get("base"))?, digest(row.get("result"))?);
            let item = match row.get::<Option<&str>, _>("sha256") {
                None => InventoryItem::Useless,
                Some(sha256) => {
                    let format: &str = row.get("format");
                    let delta = Delta {
                        base,
                        sha256: digest(sha256)?,
                        size: count(row.get("size")),
                        format: match format {
                            word if word == DeltaFormat::Headwater1.as_str() => DeltaFormat::Headwater1,
                            word => DeltaFormat::Other(word.to_owned()),
                        },
                        memory: count(row.get("memory")),
                    };
                    match row.get::<i64, _>("taken") {
                        0 => InventoryItem::Made(delta),
                        _ => InventoryItem::Taken(delta),
                    }
                }
            };
            inventory.insert((base, result), item);
        }
        Ok(inventory)
    }
}

impl Db {
    /// Every delta of a class in inventory.
    pub async fn inventory(&self, class: Class) -> Result<Inventory> {
        self.connection().await?.inventory(class).await
    }

    /// The announced version of each repository that was published.
    pub async fn announced(&self) -> Result<BTreeMap<String, u64>> {
        let rows =
            sqlx::query("SELECT repository, targets_version FROM announced").fetch_all(self.read()).await?;
        Ok(rows.into_iter().map(|row| (row.get("repository"), count(row.get("targets_version")))).collect())
    }
}

/// Puts a delta in inventory; `None` if it was tried and is useless.
pub async fn put(
    tx: &mut Tx,
    class: Class,
    (base, result): (Digest, Digest),
    taken: bool,
    delta: Option<&Delta>,
) -> Result<()> {
    sqlx::query(
        "INSERT INTO deltas (class, base, result, taken, sha256, size, memory, format, dropped) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, NULL) ON CONFLICT (class, base, result) DO UPDATE SET \
         taken = excluded.taken, sha256 = excluded.sha256, size = excluded.size, memory = excluded.memory, \
         format = excluded.format, dropped = excluded.dropped",
    )
    .bind(class.to_string())
    .bind(base.to_string())
    .bind(result.to_string())
    .bind(i64::from(taken))
    .bind(delta.map(|delta| delta.sha256.to_string()))
    .bind(number(delta.map_or(0, |delta| delta.size)))
    .bind(number(delta.map_or(0, |delta| delta.memory)))
    .bind(delta.map_or_else(String::new, |delta| delta.format.to_string()))
    .execute(tx.sql())
    .await?;
    Ok(())
}

/// Notes whether a delta is named by a signed manifest.
pub async fn mark(
    tx: &mut Tx,
    class: Class,
    (base, result): (Digest, Digest),
    named: bool,
    now: Timestamp,
) -> Result<()> {
    let sql = if named {
        "UPDATE deltas SET dropped = NULL WHERE class = $1 AND base = $2 AND result = $3 AND $4 IS NOT NULL"
    } else {
        "UPDATE deltas SET dropped = coalesce(dropped, $4) WHERE class = $1 AND base = $2 AND result = $3"
    };
    sqlx::query(sql)
        .bind(class.to_string())
        .bind(base.to_string())
        .bind(result.to_string())
        .bind(now.as_second())
        .execute(tx.sql())
        .await?;
    Ok(())
}

/// Deletes deltas that were dropped before a time.
pub async fn forget(tx: &mut Tx, before: Timestamp) -> Result<()> {
    sqlx::query("DELETE FROM deltas WHERE dropped < $1").bind(before.as_second()).execute(tx.sql()).await?;
    Ok(())
}

/// Notes the version at which a repository's content changed.
pub async fn announce(tx: &mut Tx, repository: Repository, targets_version: u64) -> Result<()> {
    sqlx::query(
        "INSERT INTO announced (repository, targets_version) VALUES ($1, $2) \
         ON CONFLICT (repository) DO UPDATE SET targets_version = excluded.targets_version",
    )
    .bind(repository.to_string())
    .bind(number(targets_version))
    .execute(tx.sql())
    .await?;
    Ok(())
}
