//! What a client's newest reports were, and the identities that two machines use (I3a). Both go with the client's key.

use std::collections::BTreeMap;

use headwater_api::v1::{CopiedIdentity, SeenMachine};
use sqlx::Row;

use crate::error::Result;
use crate::limits::REPORT_DIGESTS_MAX;
use crate::{Connection, SqlRow, count, json, number, to_json};

/// A report that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportDigest {
    /// Its number.
    pub sequence: u64,
    /// SHA-256 of what was stated, hexadecimal.
    pub digest: String,
    /// Who made it.
    pub machine: SeenMachine,
}

/// The newest reports of a client that are remembered, by number.
///
/// # Errors
/// The database fails.
pub async fn newest_reports(db: &mut Connection, client: &str) -> Result<Vec<ReportDigest>> {
    let rows = sqlx::query(
        "SELECT sequence, digest, machine FROM report_digests WHERE client = $1 ORDER BY sequence",
    )
    .bind(client)
    .fetch_all(db.sql())
    .await?;
    let each = |row: &SqlRow| -> Result<ReportDigest> {
        Ok(ReportDigest {
            sequence: count(row.get("sequence")),
            digest: row.get("digest"),
            machine: json("machine of a report", row.get("machine"))?,
        })
    };
    rows.iter().map(each).collect()
}

/// Remembers a report; of each client the newest [`REPORT_DIGESTS_MAX`] stay.
///
/// # Errors
/// The database fails.
pub async fn remember_report(db: &mut Connection, client: &str, report: &ReportDigest) -> Result<()> {
    sqlx::query(
        "INSERT INTO report_digests (client, sequence, digest, machine) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (client, sequence) DO UPDATE SET digest = excluded.digest, machine = excluded.machine",
    )
    .bind(client)
    .bind(number(report.sequence))
    .bind(&report.digest)
    .bind(to_json(&report.machine))
    .execute(db.sql())
    .await?;
    sqlx::query(
        "DELETE FROM report_digests WHERE client = $1 AND sequence <= (SELECT sequence FROM report_digests \
         WHERE client = $1 ORDER BY sequence DESC LIMIT 1 OFFSET $2)",
    )
    .bind(client)
    .bind(i64::from(REPORT_DIGESTS_MAX))
    .execute(db.sql())
    .await?;
    Ok(())
}

/// Stores what was found of a client, in place of an earlier finding.
///
/// # Errors
/// The database fails.
pub async fn put(db: &mut Connection, client: &str, copied: &CopiedIdentity) -> Result<()> {
    sqlx::query(
        "INSERT INTO copied_identities (client, copied) VALUES ($1, $2) \
         ON CONFLICT (client) DO UPDATE SET copied = excluded.copied",
    )
    .bind(client)
    .bind(to_json(copied))
    .execute(db.sql())
    .await?;
    Ok(())
}

/// What was found of the clients from one id to another.
///
/// # Errors
/// The database fails.
pub async fn between(
    db: &mut Connection,
    first: &str,
    last: &str,
) -> Result<BTreeMap<String, CopiedIdentity>> {
    let rows =
        sqlx::query("SELECT client, copied FROM copied_identities WHERE client >= $1 AND client <= $2")
            .bind(first)
            .bind(last)
            .fetch_all(db.sql())
            .await?;
    let each = |row: &SqlRow| Ok((row.get("client"), json("a copied identity", row.get("copied"))?));
    rows.iter().map(each).collect()
}

/// How many identities two machines use.
///
/// # Errors
/// The database fails.
pub async fn count_all(db: &mut Connection) -> Result<u64> {
    let found: i64 = sqlx::query_scalar("SELECT count(*) FROM copied_identities").fetch_one(db.sql()).await?;
    Ok(count(found))
}
