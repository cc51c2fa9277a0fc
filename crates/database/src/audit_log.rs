//! The audit log: appended to by every commit, never changed.

use std::sync::Arc;

use serde_json::Value;
use sqlx::Row;

use crate::audit::{Chained, Head, Record};
use crate::audit_key::AuditKey;
use crate::error::{Error, Result};
use crate::{Db, SqlRow, Tx, json, number};

/// The head as it is stored, with its seal.
#[derive(Debug)]
pub struct SealedHead {
    /// The head.
    pub head: Head,
    /// Whether the seal is ours.
    pub genuine: bool,
}

const COLUMNS: &str =
    "SELECT number, time, who, origin, action, subject, before, after, previous, hash FROM audit";

impl Db {
    /// Records after a number, the oldest first.
    pub async fn audit_after(&self, after: u64, limit: u32) -> Result<Vec<Chained>> {
        let statement = format!("{COLUMNS} WHERE number > ? ORDER BY number LIMIT ?");
        let rows = sqlx::query(sqlx::AssertSqlSafe(statement)).bind(number(after)).bind(limit);
        rows.fetch_all(self.read()).await?.iter().map(chained).collect()
    }

    /// Records before a number, the newest first.
    pub async fn audit_before(&self, before: u64, limit: u32) -> Result<Vec<Chained>> {
        let statement = format!("{COLUMNS} WHERE number < ? ORDER BY number DESC LIMIT ?");
        let rows = sqlx::query(sqlx::AssertSqlSafe(statement)).bind(number(before)).bind(limit);
        rows.fetch_all(self.read()).await?.iter().map(chained).collect()
    }

    /// Where the log says that it ends; none: nothing was ever recorded.
    pub async fn audit_head(&self) -> Result<Option<SealedHead>> {
        let row =
            sqlx::query("SELECT number, hash, seal FROM audit_head").fetch_optional(self.read()).await?;
        Ok(row.map(|row| {
            let head = head_of(&row);
            let genuine = self.audit_key.is_seal_of(&sealed_bytes(&head), row.get("seal"));
            SealedHead { head, genuine }
        }))
    }
}

/// Appends a record; the caller commits. Where the log does not end as the server left it (`last`), that is recorded
/// first: what comes after would hide it.
pub(super) async fn append(tx: &mut Tx, key: &Arc<AuditKey>, last: &Head, record: Record) -> Result<Head> {
    let row = sqlx::query("SELECT number, hash, seal FROM audit_head").fetch_optional(tx.sql()).await?;
    let mut head = row.as_ref().map_or_else(Head::beginning, head_of);
    let genuine = row.is_none_or(|row| key.is_seal_of(&sealed_bytes(&head), row.get("seal")));
    let last_number: Option<i64> =
        sqlx::query_scalar("SELECT max(number) FROM audit").fetch_one(tx.sql()).await?;
    let last_number = u64::try_from(last_number.unwrap_or_default()).unwrap_or_default();
    let gone_back = head.number < last.number || (head.number == last.number && head.hash != last.hash);
    if !genuine || gone_back || last_number != head.number {
        let finding = format!(
            "the log ended with record {last_number} and its head said {}{}, where the server had left it at {}",
            head.number,
            if genuine { "" } else { " without this server's seal" },
            last.number
        );
        // A number is never used twice.
        head.number = head.number.max(last_number);
        head = insert(tx, Record::broken(record.time, &finding), &head).await?;
    }
    let head = insert(tx, record, &head).await?;
    sqlx::query("INSERT OR REPLACE INTO audit_head (id, number, hash, seal) VALUES (1, ?, ?, ?)")
        .bind(number(head.number))
        .bind(&head.hash)
        .bind(key.seal(&sealed_bytes(&head)))
        .execute(tx.sql())
        .await?;
    Ok(head)
}

async fn insert(tx: &mut Tx, record: Record, after: &Head) -> Result<Head> {
    let next = record.after_head(after);
    sqlx::query(
        "INSERT INTO audit (number, time, who, origin, action, subject, before, after, previous, hash) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(number(next.number))
    .bind(next.record.time.to_string())
    .bind(&next.record.who)
    .bind(&next.record.from)
    .bind(&next.record.action)
    .bind(&next.record.subject)
    .bind(next.record.before.to_string())
    .bind(next.record.after.to_string())
    .bind(&next.previous)
    .bind(&next.hash)
    .execute(tx.sql())
    .await?;
    Ok(Head { number: next.number, hash: next.hash })
}

fn head_of(row: &SqlRow) -> Head {
    Head { number: u64::try_from(row.get::<i64, _>("number")).unwrap_or_default(), hash: row.get("hash") }
}

fn sealed_bytes(head: &Head) -> Vec<u8> {
    format!("headwater audit head 1\n{}\n{}", head.number, head.hash).into_bytes()
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
