//! Clients' keys, the newest statements taken from each, and revoked keys (I3).
//!
//! A decision by these rows reads them in the transaction that it writes in, so that two requests at once follow one
//! another.

use jiff::Timestamp;

use sqlx::Row;

use crate::error::Result;
use crate::{Connection, SqlRow, count, number, time};

/// One client's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityRow {
    /// The client.
    pub client: String,
    /// Fingerprint of its public key, hexadecimal.
    pub key: String,
    /// Its public key (base64).
    pub public_key: String,
    /// What secrets for it are sealed to (base64).
    pub encryption_key: String,
    /// When it was enrolled.
    pub enrolled: Timestamp,
    /// When its newest certificate ends.
    pub certificate_end: Timestamp,
    /// The newest statements taken from it.
    pub taken: NewestStatements,
    /// Number of the newest report that its check-ins name.
    pub reports_made: u64,
}

/// Sequence of the newest statement taken, by kind; 0 if there is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NewestStatements {
    /// Check-ins.
    pub check_in: u64,
    /// Reports.
    pub report: u64,
    /// Renewals.
    pub renewal: u64,
}

/// A revoked key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevokedRow {
    /// Its fingerprint.
    pub key: String,
    /// The client that had it.
    pub client: String,
    /// When it was revoked.
    pub revoked: Timestamp,
    /// When its last certificate ends.
    pub until: Timestamp,
}

/// Reports that never arrived: the first and the last.
pub type Gap = (u64, u64);

/// The key of a client.
pub async fn of_client(db: &mut Connection, client: &str) -> Result<Option<IdentityRow>> {
    let row = sqlx::query("SELECT * FROM identities WHERE client = $1")
        .bind(client)
        .fetch_optional(db.sql())
        .await?;
    Ok(row.map(|row| identity(&row)))
}

/// The client that has a key.
pub async fn of_key(db: &mut Connection, key: &str) -> Result<Option<IdentityRow>> {
    let row =
        sqlx::query("SELECT * FROM identities WHERE key = $1").bind(key).fetch_optional(db.sql()).await?;
    Ok(row.map(|row| identity(&row)))
}

/// Stores the key of a client, in place of a former one.
pub async fn put(db: &mut Connection, identity: &IdentityRow) -> Result<()> {
    sqlx::query(
        "INSERT INTO identities (client, key, public_key, encryption_key, enrolled, certificate_end, check_in_taken, \
         report_taken, renewal_taken, reports_made) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (client) DO \
         UPDATE SET key = excluded.key, public_key = excluded.public_key, encryption_key = excluded.encryption_key, \
         enrolled = excluded.enrolled, certificate_end = excluded.certificate_end, \
         check_in_taken = excluded.check_in_taken, report_taken = excluded.report_taken, \
         renewal_taken = excluded.renewal_taken, reports_made = excluded.reports_made",
    )
    .bind(&identity.client)
    .bind(&identity.key)
    .bind(&identity.public_key)
    .bind(&identity.encryption_key)
    .bind(identity.enrolled.as_second())
    .bind(identity.certificate_end.as_second())
    .bind(number(identity.taken.check_in))
    .bind(number(identity.taken.report))
    .bind(number(identity.taken.renewal))
    .bind(number(identity.reports_made))
    .execute(db.sql())
    .await?;
    Ok(())
}

/// Deletes a client's key, and the gaps in its reports.
pub async fn delete(db: &mut Connection, client: &str) -> Result<()> {
    sqlx::query("DELETE FROM identities WHERE client = $1").bind(client).execute(db.sql()).await?;
    Ok(())
}

/// The reports of a client that never arrived, in order.
pub async fn gaps(db: &mut Connection, client: &str) -> Result<Vec<Gap>> {
    let rows = sqlx::query("SELECT first, last FROM report_gaps WHERE client = $1 ORDER BY first")
        .bind(client)
        .fetch_all(db.sql())
        .await?;
    Ok(rows.into_iter().map(|row| (count(row.get("first")), count(row.get("last")))).collect())
}

/// Stores which reports never arrived, in place of what was stored.
pub async fn put_gaps(db: &mut Connection, client: &str, gaps: &[Gap]) -> Result<()> {
    sqlx::query("DELETE FROM report_gaps WHERE client = $1").bind(client).execute(db.sql()).await?;
    for (first, last) in gaps {
        sqlx::query("INSERT INTO report_gaps (client, first, last) VALUES ($1, $2, $3)")
            .bind(client)
            .bind(number(*first))
            .bind(number(*last))
            .execute(db.sql())
            .await?;
    }
    Ok(())
}

/// Whether a key is revoked.
pub async fn is_revoked(db: &mut Connection, key: &str) -> Result<bool> {
    any(db, "SELECT count(*) FROM revoked_keys WHERE key = $1", key).await
}

/// Notes that only a token for this client alone admits one of its id again.
pub async fn mark_client_revoked(db: &mut Connection, client: &str, now: Timestamp) -> Result<()> {
    sqlx::query(
        "INSERT INTO revoked_clients (client, since) VALUES ($1, $2) \
         ON CONFLICT (client) DO UPDATE SET since = excluded.since",
    )
    .bind(client)
    .bind(now.as_second())
    .execute(db.sql())
    .await?;
    Ok(())
}

/// Whether only a token for this client alone admits one of its id.
pub async fn is_client_revoked(db: &mut Connection, client: &str) -> Result<bool> {
    any(db, "SELECT count(*) FROM revoked_clients WHERE client = $1", client).await
}

/// Notes that a client was admitted again by a token for it alone.
pub async fn unmark_client_revoked(db: &mut Connection, client: &str) -> Result<()> {
    sqlx::query("DELETE FROM revoked_clients WHERE client = $1").bind(client).execute(db.sql()).await?;
    Ok(())
}

/// Whether any key of a client is revoked.
pub async fn any_revoked(db: &mut Connection, client: &str) -> Result<bool> {
    any(db, "SELECT count(*) FROM revoked_keys WHERE client = $1", client).await
}

/// Revokes a key.
pub async fn revoke(db: &mut Connection, revoked: &RevokedRow) -> Result<()> {
    sqlx::query("INSERT INTO revoked_keys (key, client, revoked, until) VALUES ($1, $2, $3, $4) ON CONFLICT (key) DO UPDATE SET \
         client = excluded.client, revoked = excluded.revoked, until = excluded.until")
        .bind(&revoked.key)
        .bind(&revoked.client)
        .bind(revoked.revoked.as_second())
        .bind(revoked.until.as_second())
        .execute(db.sql())
        .await?;
    Ok(())
}

/// How many keys are revoked whose certificates have not run out.
pub async fn count_revoked_still(db: &mut Connection, now: Timestamp) -> Result<u64> {
    let query =
        sqlx::query_scalar("SELECT count(*) FROM revoked_keys WHERE until > $1").bind(now.as_second());
    Ok(count(query.fetch_one(db.sql()).await?))
}

/// The keys that were revoked and whose certificates have not run out at `now`: at most `limit`, those that end last
/// first.
pub async fn revoked_still(db: &mut Connection, now: Timestamp, limit: u32) -> Result<Vec<RevokedRow>> {
    let rows = sqlx::query("SELECT * FROM revoked_keys WHERE until > $1 ORDER BY until DESC, key LIMIT $2")
        .bind(now.as_second())
        .bind(i64::from(limit))
        .fetch_all(db.sql())
        .await?;
    let each = |row: SqlRow| RevokedRow {
        key: row.get("key"),
        client: row.get("client"),
        revoked: time(row.get("revoked")),
        until: time(row.get("until")),
    };
    Ok(rows.into_iter().map(each).collect())
}

/// Whether a statement that counts finds anything for a text.
async fn any(db: &mut Connection, counting: &'static str, of: &str) -> Result<bool> {
    let found: i64 = sqlx::query_scalar(counting).bind(of).fetch_one(db.sql()).await?;
    Ok(found > 0)
}

fn identity(row: &SqlRow) -> IdentityRow {
    IdentityRow {
        client: row.get("client"),
        key: row.get("key"),
        public_key: row.get("public_key"),
        encryption_key: row.get("encryption_key"),
        enrolled: time(row.get("enrolled")),
        certificate_end: time(row.get("certificate_end")),
        taken: NewestStatements {
            check_in: count(row.get("check_in_taken")),
            report: count(row.get("report_taken")),
            renewal: count(row.get("renewal_taken")),
        },
        reports_made: count(row.get("reports_made")),
    }
}
