//! The audit log as it is read: pages of it, and its end.

use serde_json::Value;
use sqlx::Row;

use crate::audit::{Chained, Head, Record};
use crate::audit_log;
use crate::connection::Connection;
use crate::db::Db;
use crate::error::{Error, Result};
use crate::values::{SqlRow, json, number};

/// The end of the log as it is stored.
#[derive(Debug)]
pub struct SealedHead {
    /// The head.
    pub head: Head,
    /// Whether the seal is ours.
    pub genuine: bool,
}

const COLUMNS: &str =
    "SELECT number, time, who, origin, action, subject, before, after, previous, hash FROM audit";

impl Connection {
    /// Records after a number, the oldest first.
    pub async fn audit_after(&mut self, after: u64, limit: u32) -> Result<Vec<Chained>> {
        let statement = format!("{COLUMNS} WHERE number > $1 ORDER BY number LIMIT $2");
        let rows = sqlx::query(sqlx::AssertSqlSafe(statement)).bind(number(after)).bind(i64::from(limit));
        rows.fetch_all(self.sql()).await?.iter().map(chained).collect()
    }
}

impl Db {
    /// Records after a number, the oldest first.
    pub async fn audit_after(&self, after: u64, limit: u32) -> Result<Vec<Chained>> {
        self.connection().await?.audit_after(after, limit).await
    }

    /// Records before a number, the newest first.
    pub async fn audit_before(&self, before: u64, limit: u32) -> Result<Vec<Chained>> {
        let statement = format!("{COLUMNS} WHERE number < $1 ORDER BY number DESC LIMIT $2");
        let rows = sqlx::query(sqlx::AssertSqlSafe(statement)).bind(number(before)).bind(i64::from(limit));
        rows.fetch_all(self.read()).await?.iter().map(chained).collect()
    }

    /// The end of the log as it is stored; `None` if nothing was ever recorded.
    pub async fn audit_head(&self) -> Result<Option<SealedHead>> {
        let stored = audit_log::head(self.connection().await?.sql()).await?;
        Ok(stored.map(|stored| {
            let genuine = stored.is_genuine(&self.shared.audit_key);
            SealedHead { head: stored.head, genuine }
        }))
    }
}

fn chained(row: &SqlRow) -> Result<Chained> {
    let value = |column: &str| json::<Value>("audit record", row.get(column));
    let time: String = row.get("time");
    Ok(Chained {
        number: u64::try_from(row.get::<i64, _>("number")).unwrap_or_default(),
        record: Record {
            time: time
                .parse()
                .map_err(|_| Error::Corrupt { what: "audit record", reason: format!("time {time}") })?,
            who: row.get("who"),
            from: row.get("origin"),
            action: row.get("action"),
            subject: row.get("subject"),
            before: value("before")?,
            after: value("after")?,
        },
        previous: row.get("previous"),
        hash: row.get("hash"),
    })
}
