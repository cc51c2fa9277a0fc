//! Certificates of the fleet CA, and keys of confidential domains.

use jiff::Timestamp;
use sqlx::Row;

use crate::error::Result;
use crate::{Connection, count, number, time};

/// One certificate of the fleet CA.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaRow {
    /// Counts rotations, from 1.
    pub number: u64,
    /// Its self-signed certificate (PEM).
    pub certificate: String,
    /// The same key, signed by the CA before it (PEM).
    pub cross_signed: Option<String>,
    /// It was stolen. A client that shows a certificate of it is asked to renew, and admitted to nothing else.
    pub distrusted: bool,
}

/// Every CA, the newest first.
pub async fn cas(db: &mut Connection) -> Result<Vec<CaRow>> {
    let rows = sqlx::query(
        "SELECT number, certificate, cross_signed, distrusted FROM fleet_cas ORDER BY number DESC",
    )
    .fetch_all(db.sql())
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| CaRow {
            number: count(row.get("number")),
            certificate: row.get("certificate"),
            cross_signed: row.get("cross_signed"),
            distrusted: row.get::<i64, _>("distrusted") != 0,
        })
        .collect())
}

/// Adds a CA.
pub async fn insert_ca(db: &mut Connection, ca: &CaRow, now: Timestamp) -> Result<()> {
    sqlx::query(
        "INSERT INTO fleet_cas (number, certificate, cross_signed, distrusted, made) VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(number(ca.number))
    .bind(&ca.certificate)
    .bind(&ca.cross_signed)
    .bind(i64::from(ca.distrusted))
    .bind(now.as_second())
    .execute(db.sql())
    .await?;
    Ok(())
}

/// When a CA was made.
pub async fn ca_made(db: &mut Connection, ca: u64) -> Result<Timestamp> {
    let made = sqlx::query_scalar("SELECT made FROM fleet_cas WHERE number = $1").bind(number(ca));
    Ok(time(made.fetch_one(db.sql()).await?))
}

/// Marks the CAs before a number as distrusted.
pub async fn distrust_cas_before(db: &mut Connection, before: u64) -> Result<()> {
    sqlx::query("UPDATE fleet_cas SET distrusted = 1 WHERE number < $1")
        .bind(number(before))
        .execute(db.sql())
        .await?;
    Ok(())
}

/// Deletes the CAs before a number.
pub async fn delete_cas_before(db: &mut Connection, before: u64) -> Result<()> {
    sqlx::query("DELETE FROM fleet_cas WHERE number < $1").bind(number(before)).execute(db.sql()).await?;
    Ok(())
}

/// The key of a domain, as text.
pub async fn domain_key(db: &mut Connection, domain: &str) -> Result<Option<String>> {
    let found = sqlx::query_scalar("SELECT secret FROM domain_keys WHERE domain = $1")
        .bind(domain)
        .fetch_optional(db.sql())
        .await?;
    Ok(found)
}

/// Stores a domain's key in place of those it had.
pub async fn put_domain_key(db: &mut Connection, domain: &str, key: &str, now: Timestamp) -> Result<()> {
    delete_domain_keys(db, domain).await?;
    sqlx::query("INSERT INTO domain_keys (domain, secret, made) VALUES ($1, $2, $3)")
        .bind(domain)
        .bind(key)
        .bind(now.as_second())
        .execute(db.sql())
        .await?;
    Ok(())
}

/// Deletes a domain's keys.
pub async fn delete_domain_keys(db: &mut Connection, domain: &str) -> Result<()> {
    sqlx::query("DELETE FROM domain_keys WHERE domain = $1").bind(domain).execute(db.sql()).await?;
    Ok(())
}
