//! Clients and their reports (P12).

use std::collections::{BTreeMap, BTreeSet};

use headwater_api::report::Report;
use headwater_api::v1::StoredReport;
use jiff::Timestamp;
use sqlx::Row;

use crate::error::Result;
use crate::{Db, SqlRow, Tx, count, json, number, time, to_json};

/// One client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientRow {
    /// Its id.
    pub id: String,
    /// Its domain.
    pub domain: String,
    /// Its addresses, canonical.
    pub addresses: Vec<String>,
    /// Version of its program.
    pub program: String,
    /// The policy version it has.
    pub policy_version: u64,
    /// Content version by class.
    pub versions: BTreeMap<String, u64>,
    /// When it was first heard of.
    pub first_seen: Timestamp,
    /// When it last was.
    pub last_seen: Timestamp,
}

impl Db {
    /// One client.
    pub async fn client(&self, id: &str) -> Result<Option<ClientRow>> {
        let row =
            sqlx::query("SELECT * FROM clients WHERE id = ?").bind(id).fetch_optional(self.read()).await?;
        row.map(|row| client(&row)).transpose()
    }

    /// Clients after an id, in order of id, of one domain or of all.
    pub async fn clients(&self, domain: Option<&str>, after: &str, limit: u32) -> Result<Vec<ClientRow>> {
        let rows = sqlx::query(
            "SELECT * FROM clients WHERE (?1 IS NULL OR domain = ?1) AND id > ?2 ORDER BY id LIMIT ?3",
        )
        .bind(domain)
        .bind(after)
        .bind(limit)
        .fetch_all(self.read())
        .await?;
        rows.iter().map(client).collect()
    }

    /// Those whose key was revoked, or who never had one.
    pub async fn clients_without_key(&self) -> Result<BTreeSet<String>> {
        let query = "SELECT id FROM clients WHERE id NOT IN (SELECT client FROM identities)";
        let ids: Vec<String> = sqlx::query_scalar(query).fetch_all(self.read()).await?;
        Ok(ids.into_iter().collect())
    }

    /// How many clients there are.
    pub async fn clients_count(&self) -> Result<u64> {
        Ok(count(sqlx::query_scalar("SELECT count(*) FROM clients").fetch_one(self.read()).await?))
    }

    /// Reports older than `before`, newest first, of one client or of all.
    pub async fn reports(&self, client: Option<&str>, before: u64, limit: u32) -> Result<Vec<StoredReport>> {
        let rows = sqlx::query(
            "SELECT number, received, body FROM reports WHERE (?1 IS NULL OR client = ?1) AND number < ?2 \
             ORDER BY number DESC LIMIT ?3",
        )
        .bind(client)
        .bind(number(before))
        .bind(limit)
        .fetch_all(self.read())
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(StoredReport {
                    number: count(row.get("number")),
                    received: time(row.get("received")),
                    report: json("report", row.get("body"))?,
                })
            })
            .collect()
    }
}

/// Adds a client or notes what it says of itself now. Its domain and when it was first seen stay.
pub async fn put(tx: &mut Tx, client: &ClientRow) -> Result<()> {
    sqlx::query(
        "INSERT INTO clients (id, domain, addresses, program, policy_version, versions, first_seen, last_seen) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET addresses = excluded.addresses, \
         program = excluded.program, policy_version = excluded.policy_version, versions = excluded.versions, \
         last_seen = excluded.last_seen",
    )
    .bind(&client.id)
    .bind(&client.domain)
    .bind(to_json(&client.addresses))
    .bind(&client.program)
    .bind(number(client.policy_version))
    .bind(to_json(&client.versions))
    .bind(client.first_seen.as_second())
    .bind(client.last_seen.as_second())
    .execute(tx.sql())
    .await?;
    Ok(())
}

/// Files a client under another domain.
pub async fn set_domain(tx: &mut Tx, id: &str, domain: &str) -> Result<()> {
    sqlx::query("UPDATE clients SET domain = ? WHERE id = ?").bind(domain).bind(id).execute(tx.sql()).await?;
    Ok(())
}

/// Removes a client and its reports.
pub async fn delete(tx: &mut Tx, id: &str) -> Result<()> {
    sqlx::query("DELETE FROM reports WHERE client = ?").bind(id).execute(tx.sql()).await?;
    sqlx::query("DELETE FROM clients WHERE id = ?").bind(id).execute(tx.sql()).await?;
    Ok(())
}

/// Stores a report, once however often it is sent.
pub async fn insert_report(tx: &mut Tx, report: &Report, received: Timestamp) -> Result<()> {
    sqlx::query(
        "INSERT OR IGNORE INTO reports (client, run, started, received, body) VALUES (?, ?, ?, ?, ?)",
    )
    .bind(&report.client)
    .bind(number(report.run))
    .bind(report.started.to_string())
    .bind(received.as_second())
    .bind(to_json(report))
    .execute(tx.sql())
    .await?;
    Ok(())
}

/// Deletes the oldest reports until all of them take at most so many bytes; says how many went.
pub async fn delete_reports_over(tx: &mut Tx, bytes_max: u64) -> Result<u64> {
    let mut removed = 0;
    loop {
        let bytes = sqlx::query_scalar("SELECT bytes FROM report_bytes").fetch_one(tx.sql()).await?;
        if count(bytes) <= bytes_max {
            return Ok(removed);
        }
        sqlx::query("DELETE FROM reports WHERE number = (SELECT min(number) FROM reports)")
            .execute(tx.sql())
            .await?;
        removed += 1;
    }
}

/// Deletes reports that came before a time; says how many.
pub async fn delete_reports_before(tx: &mut Tx, before: Timestamp) -> Result<u64> {
    let done = sqlx::query("DELETE FROM reports WHERE received < ?")
        .bind(before.as_second())
        .execute(tx.sql())
        .await?;
    Ok(done.rows_affected())
}

fn client(row: &SqlRow) -> Result<ClientRow> {
    Ok(ClientRow {
        id: row.get("id"),
        domain: row.get("domain"),
        addresses: json("client addresses", row.get("addresses"))?,
        program: row.get("program"),
        policy_version: count(row.get("policy_version")),
        versions: json("client versions", row.get("versions"))?,
        first_seen: time(row.get("first_seen")),
        last_seen: time(row.get("last_seen")),
    })
}
