//! Who asks the fleet listener and is not known: bounded, the one that asked last longest ago gives way.

use headwater_api::v1::StrangerView;
use jiff::Timestamp;
use sqlx::{Row, SqliteConnection};

use super::{count, number, time};
use crate::error::Result;

/// One who asked.
#[derive(Debug, Clone, Copy)]
pub struct Stranger<'a> {
    /// The id that it says it has.
    pub client: &'a str,
    /// Fingerprint of the key that it showed, or nothing.
    pub key: &'a str,
    /// Why it is none of us.
    pub reason: &'a str,
    /// Where it connected from.
    pub address: &'a str,
    /// How often it asked since it was last noted.
    pub times: u64,
}

/// Notes that a stranger asked; keeps at most `max`.
pub async fn note(
    db: &mut SqliteConnection,
    stranger: &Stranger<'_>,
    now: Timestamp,
    max: u32,
) -> Result<()> {
    sqlx::query(
        "INSERT INTO strangers (client, key, reason, address, count, first_seen, last_seen) VALUES (?1, ?2, ?3, ?4, ?6, \
         ?5, ?5) ON CONFLICT (client, key) DO UPDATE SET reason = excluded.reason, address = excluded.address, \
         count = count + excluded.count, last_seen = excluded.last_seen",
    )
    .bind(stranger.client)
    .bind(stranger.key)
    .bind(stranger.reason)
    .bind(stranger.address)
    .bind(now.as_second())
    .bind(number(stranger.times))
    .execute(&mut *db)
    .await?;
    sqlx::query(
        "DELETE FROM strangers WHERE (client, key) IN (SELECT client, key FROM strangers ORDER BY last_seen DESC, \
         first_seen DESC LIMIT -1 OFFSET ?)",
    )
    .bind(max)
    .execute(db)
    .await?;
    Ok(())
}

/// Everybody, who asked last first.
pub async fn all(db: &mut SqliteConnection) -> Result<Vec<StrangerView>> {
    let rows = sqlx::query("SELECT * FROM strangers ORDER BY last_seen DESC, client").fetch_all(db).await?;
    Ok(rows
        .into_iter()
        .map(|row| StrangerView {
            client: row.get("client"),
            key: row.get("key"),
            reason: row.get("reason"),
            address: row.get("address"),
            count: count(row.get("count")),
            first_seen: time(row.get("first_seen")),
            last_seen: time(row.get("last_seen")),
        })
        .collect())
}

/// Forgets a key or an id that is known from now on.
pub async fn forget(db: &mut SqliteConnection, client: &str, key: &str) -> Result<()> {
    sqlx::query("DELETE FROM strangers WHERE client = ? OR (key <> '' AND key = ?)")
        .bind(client)
        .bind(key)
        .execute(db)
        .await?;
    Ok(())
}

/// Forgets who has not asked since a time; says how many.
pub async fn delete_before(db: &mut SqliteConnection, before: Timestamp) -> Result<u64> {
    let done =
        sqlx::query("DELETE FROM strangers WHERE last_seen < ?").bind(before.as_second()).execute(db).await?;
    Ok(done.rows_affected())
}
