//! Clients that ask the fleet listener and are not known: a bounded number; a new one replaces the one that has not asked
//! for the longest time.

use headwater_api::v1::UnknownClientView;
use jiff::Timestamp;
use sqlx::Row;

use crate::error::Result;
use crate::limits::{UNKNOWN_CLIENTS_MAX, UNKNOWN_CLIENTS_PROVEN_MAX};
use crate::{Connection, SqlRow, count, number, time};

/// An unknown client that asked.
#[derive(Debug, Clone, Copy)]
pub struct UnknownClient<'a> {
    /// The id that it claims.
    pub client: &'a str,
    /// Fingerprint of the key that it showed, or nothing.
    pub key: &'a str,
    /// Why it is not admitted.
    pub reason: &'a str,
    /// What it has proven.
    pub proof: Option<&'a Proof>,
}

/// What an unknown client has proven: a CA of this fleet has certified the key under the id, and it has the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// Its public key (base64).
    pub public_key: String,
    /// What secrets for it are sealed to (base64).
    pub encryption_key: String,
    /// When its certificate ends.
    pub certificate_end: Timestamp,
    /// Number of the renewal that proved it.
    pub renewal: u64,
}

/// An unknown client that has proven a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proven {
    /// Its id.
    pub client: String,
    /// Fingerprint of its key.
    pub key: String,
    /// What it has proven.
    pub proof: Proof,
}

/// Notes that an unknown client asked, from where, and how often since it was last noted; keeps at most so many with
/// and without a proof.
pub async fn note(
    db: &mut Connection,
    unknown_client: &UnknownClient<'_>,
    address: &str,
    times: u64,
    now: Timestamp,
) -> Result<()> {
    sqlx::query(
        "INSERT INTO unknown_clients (client, key, reason, address, count, first_seen, last_seen) VALUES ($1, $2, $3, $4, $6, \
         $5, $5) ON CONFLICT (client, key) DO UPDATE SET reason = excluded.reason, address = excluded.address, \
         count = unknown_clients.count + excluded.count, last_seen = excluded.last_seen",
    )
    .bind(unknown_client.client)
    .bind(unknown_client.key)
    .bind(unknown_client.reason)
    .bind(address)
    .bind(now.as_second())
    .bind(number(times))
    .execute(db.sql())
    .await?;
    if let Some(proof) = unknown_client.proof {
        sqlx::query(
            "UPDATE unknown_clients SET public_key = $1, encryption_key = $2, certificate_end = $3, \
             renewal = CASE WHEN renewal < $4 THEN $4 ELSE renewal END \
             WHERE client = $5 AND key = $6",
        )
        .bind(&proof.public_key)
        .bind(&proof.encryption_key)
        .bind(proof.certificate_end.as_second())
        .bind(number(proof.renewal))
        .bind(unknown_client.client)
        .bind(unknown_client.key)
        .execute(db.sql())
        .await?;
    }
    // Clients that only ask do not push out those that have proven something.
    let is_proven = unknown_client.proof.is_some();
    sqlx::query(
        "DELETE FROM unknown_clients WHERE (client, key) IN (SELECT client, key FROM unknown_clients WHERE (public_key <> '') = $1 \
         ORDER BY last_seen DESC, first_seen DESC LIMIT $2 OFFSET $3)",
    )
    .bind(is_proven)
    .bind(number(u64::MAX))
    .bind(i64::from(if is_proven { UNKNOWN_CLIENTS_PROVEN_MAX } else { UNKNOWN_CLIENTS_MAX }))
    .execute(db.sql())
    .await?;
    Ok(())
}

/// Unknown clients that have proven a certificate, by id.
pub async fn proven(db: &mut Connection) -> Result<Vec<Proven>> {
    let rows = sqlx::query("SELECT * FROM unknown_clients WHERE public_key <> '' ORDER BY client, key");
    let each = |row: SqlRow| Proven {
        client: row.get("client"),
        key: row.get("key"),
        proof: Proof {
            public_key: row.get("public_key"),
            encryption_key: row.get("encryption_key"),
            certificate_end: time(row.get("certificate_end")),
            renewal: count(row.get("renewal")),
        },
    };
    Ok(rows.fetch_all(db.sql()).await?.into_iter().map(each).collect())
}

/// All unknown clients, once for each key that they showed, the newest request first.
pub async fn all(db: &mut Connection) -> Result<Vec<UnknownClientView>> {
    let rows = sqlx::query("SELECT * FROM unknown_clients ORDER BY last_seen DESC, client")
        .fetch_all(db.sql())
        .await?;
    Ok(rows
        .into_iter()
        .map(|row| UnknownClientView {
            client: row.get("client"),
            key: row.get("key"),
            reason: row.get("reason"),
            proven: !row.get::<String, _>("public_key").is_empty(),
            address: row.get("address"),
            count: count(row.get("count")),
            other_keys: Vec::new(),
            first_seen: time(row.get("first_seen")),
            last_seen: time(row.get("last_seen")),
        })
        .collect())
}

/// Deletes a key or an id that is known from now on.
pub async fn forget(db: &mut Connection, client: &str, key: &str) -> Result<()> {
    sqlx::query("DELETE FROM unknown_clients WHERE client = $1 OR (key <> '' AND key = $2)")
        .bind(client)
        .bind(key)
        .execute(db.sql())
        .await?;
    Ok(())
}

/// Deletes those that have not asked since a time; returns how many.
pub async fn delete_before(db: &mut Connection, before: Timestamp) -> Result<u64> {
    let done = sqlx::query("DELETE FROM unknown_clients WHERE last_seen < $1")
        .bind(before.as_second())
        .execute(db.sql())
        .await?;
    Ok(done.rows_affected())
}
