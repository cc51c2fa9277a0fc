//! The client registry. What clients report: [`crate::reports`].

use std::collections::BTreeMap;

use jiff::Timestamp;
use sqlx::Row;

use crate::error::Result;
use crate::values::text;
use crate::{Connection, Db, SqlRow, Tx, count, json, number, report_room, time, to_json};

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
    /// Content version by repository.
    pub versions: BTreeMap<String, u64>,
    /// When it first appeared.
    pub first_seen: Timestamp,
    /// When it last appeared.
    pub last_seen: Timestamp,
}

/// The columns of a client.
pub(crate) const COLUMNS: &str =
    "id, domain, addresses, program, policy_version, versions, first_seen, last_seen";

impl Connection {
    /// One client.
    pub async fn client(&mut self, id: &str) -> Result<Option<ClientRow>> {
        let statement = format!("SELECT {COLUMNS} FROM clients WHERE id = $1");
        let query = sqlx::query(sqlx::AssertSqlSafe(statement)).bind(id);
        query.fetch_optional(self.sql()).await?.as_ref().map(client).transpose()
    }

    /// How many clients there are.
    pub async fn clients_count(&mut self) -> Result<u64> {
        Ok(count(sqlx::query_scalar("SELECT count(*) FROM clients").fetch_one(self.sql()).await?))
    }

    /// Clients after an id, in order of id, of one domain or of all.
    pub async fn clients(&mut self, domain: Option<&str>, after: &str, limit: u32) -> Result<Vec<ClientRow>> {
        let filter = if domain.is_some() { "AND domain = $3" } else { "" };
        let statement = format!("SELECT {COLUMNS} FROM clients WHERE id > $1 {filter} ORDER BY id LIMIT $2");
        let query = sqlx::query(sqlx::AssertSqlSafe(statement)).bind(after).bind(i64::from(limit));
        let query = if let Some(domain) = domain { query.bind(domain) } else { query };
        query.fetch_all(self.sql()).await?.iter().map(client).collect()
    }
}

impl Db {
    /// One client.
    pub async fn client(&self, id: &str) -> Result<Option<ClientRow>> {
        self.connection().await?.client(id).await
    }

    /// How many clients there are.
    pub async fn clients_count(&self) -> Result<u64> {
        self.connection().await?.clients_count().await
    }

    /// Clients after an id, in order of id, of one domain or of all.
    pub async fn clients(&self, domain: Option<&str>, after: &str, limit: u32) -> Result<Vec<ClientRow>> {
        self.connection().await?.clients(domain, after, limit).await
    }
}

/// Adds a client or notes its present state. Its domain and when it was first seen stay.
pub async fn put(tx: &mut Tx, client: &ClientRow) -> Result<()> {
    sqlx::query(
        "INSERT INTO clients (id, domain, addresses, program, policy_version, versions, first_seen, last_seen) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO UPDATE SET addresses = excluded.addresses, \
         program = excluded.program, policy_version = excluded.policy_version, versions = excluded.versions, \
         last_seen = excluded.last_seen",
    )
    .bind(&client.id)
    .bind(&client.domain)
    .bind(to_json(&client.addresses))
    .bind(text(&client.program).into_owned())
    .bind(number(client.policy_version))
    .bind(to_json(&client.versions))
    .bind(client.first_seen.as_second())
    .bind(client.last_seen.as_second())
    .execute(tx.sql())
    .await?;
    tx.stale().note_client(&client.id, Some(client.last_seen));
    Ok(())
}

/// Moves a client to another domain.
pub async fn set_domain(tx: &mut Tx, id: &str, domain: &str) -> Result<()> {
    sqlx::query("UPDATE clients SET domain = $1 WHERE id = $2")
        .bind(domain)
        .bind(id)
        .execute(tx.sql())
        .await?;
    tx.stale().note_client(id, None);
    Ok(())
}

/// Removes a client and its reports.
pub async fn delete(tx: &mut Tx, id: &str) -> Result<()> {
    report_room::forget_client(tx, id).await?;
    sqlx::query("DELETE FROM clients WHERE id = $1").bind(id).execute(tx.sql()).await?;
    Ok(())
}

/// A row with [`COLUMNS`].
pub(crate) fn client(row: &SqlRow) -> Result<ClientRow> {
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
