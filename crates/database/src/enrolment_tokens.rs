//! Enrolment tokens: what each admits.

use jiff::Timestamp;

use sqlx::Row;

use crate::error::Result;
use crate::{Connection, SqlRow, count, number, small, time};

/// One token, by its digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrolmentTokenRow {
    /// Its number; 0 before it is stored.
    pub number: u64,
    /// SHA-256 of it, hexadecimal.
    pub digest: String,
    /// The domain that its clients join.
    pub domain: String,
    /// The one client that it admits.
    pub client: Option<String>,
    /// How many clients it admitted when it was made.
    pub uses: u32,
    /// How many it still admits.
    pub uses_left: u32,
    /// When it was made.
    pub made: Timestamp,
    /// When it ends.
    pub expires: Timestamp,
}

/// The token of a digest.
pub async fn of_digest(db: &mut Connection, digest: &str) -> Result<Option<EnrolmentTokenRow>> {
    let row = sqlx::query("SELECT * FROM enrol_tokens WHERE digest = $1")
        .bind(digest)
        .fetch_optional(db.sql())
        .await?;
    Ok(row.map(|row| token(&row)))
}

/// Every token, the newest first.
pub async fn all(db: &mut Connection) -> Result<Vec<EnrolmentTokenRow>> {
    let rows = sqlx::query("SELECT * FROM enrol_tokens ORDER BY number DESC").fetch_all(db.sql()).await?;
    Ok(rows.iter().map(token).collect())
}

/// How many there are.
pub async fn how_many(db: &mut Connection) -> Result<u64> {
    Ok(count(sqlx::query_scalar("SELECT count(*) FROM enrol_tokens").fetch_one(db.sql()).await?))
}

/// Adds a token; returns its number.
pub async fn insert(db: &mut Connection, token: &EnrolmentTokenRow) -> Result<u64> {
    let inserted = sqlx::query_scalar(
        "INSERT INTO enrol_tokens (digest, domain, client, uses, uses_left, made, expires) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING number",
    )
    .bind(&token.digest)
    .bind(&token.domain)
    .bind(&token.client)
    .bind(i64::from(token.uses))
    .bind(i64::from(token.uses_left))
    .bind(token.made.as_second())
    .bind(token.expires.as_second())
    .fetch_one(db.sql())
    .await?;
    Ok(count(inserted))
}

/// One use less.
pub async fn use_once(db: &mut Connection, token: u64) -> Result<()> {
    sqlx::query("UPDATE enrol_tokens SET uses_left = uses_left - 1 WHERE number = $1")
        .bind(number(token))
        .execute(db.sql())
        .await?;
    Ok(())
}

/// Removes a token; returns whether there was one.
pub async fn delete(db: &mut Connection, token: u64) -> Result<bool> {
    let done = sqlx::query("DELETE FROM enrol_tokens WHERE number = $1")
        .bind(number(token))
        .execute(db.sql())
        .await?;
    Ok(done.rows_affected() > 0)
}

/// When the last of the tokens ends that have not ended at `now`.
pub async fn last_end(db: &mut Connection, now: Timestamp) -> Result<Option<Timestamp>> {
    let last: Option<i64> = sqlx::query_scalar("SELECT max(expires) FROM enrol_tokens WHERE expires >= $1")
        .bind(now.as_second())
        .fetch_one(db.sql())
        .await?;
    Ok(last.map(time))
}

/// Removes the tokens that ended before a time; returns how many.
pub async fn delete_ended(db: &mut Connection, before: Timestamp) -> Result<u64> {
    let done = sqlx::query("DELETE FROM enrol_tokens WHERE expires < $1")
        .bind(before.as_second())
        .execute(db.sql())
        .await?;
    Ok(done.rows_affected())
}

fn token(row: &SqlRow) -> EnrolmentTokenRow {
    EnrolmentTokenRow {
        number: count(row.get("number")),
        digest: row.get("digest"),
        domain: row.get("domain"),
        client: row.get("client"),
        uses: small(row.get("uses")),
        uses_left: small(row.get("uses_left")),
        made: time(row.get("made")),
        expires: time(row.get("expires")),
    }
}
