//! The end of the audit log: every commit appends to it.

use sqlx::{AnyConnection, Row};

use crate::audit::{Head, Record};
use crate::audit_key::AuditKey;
use crate::error::Result;
use crate::values::{SqlRow, number};

/// The head as it is stored, with its seal.
#[derive(Debug)]
pub(crate) struct StoredHead {
    /// The head.
    pub head: Head,
    seal: String,
}

impl StoredHead {
    /// Whether the seal is that of a key.
    pub fn is_genuine(&self, key: &AuditKey) -> bool {
        key.is_seal_of(&sealed_bytes(&self.head), &self.seal)
    }
}

/// The end of the log as it is stored; `None` if nothing was ever recorded.
pub(crate) async fn head(db: &mut AnyConnection) -> Result<Option<StoredHead>> {
    let row = sqlx::query("SELECT number, hash, seal FROM audit_head").fetch_optional(db).await?;
    Ok(row.map(|row| StoredHead { head: head_of(&row), seal: row.get("seal") }))
}

/// Appends a record; the caller commits. If the log does not end as the server left it (`last`), a record of that comes
/// first: later records would hide it.
pub(crate) async fn append(
    db: &mut AnyConnection,
    key: &AuditKey,
    last: &Head,
    record: Record,
) -> Result<Head> {
    let stored = self::head(db).await?;
    let genuine = stored.as_ref().is_none_or(|stored| stored.is_genuine(key));
    let mut head = stored.map(|stored| stored.head).unwrap_or_default();
    let last_number: Option<i64> =
        sqlx::query_scalar("SELECT max(number) FROM audit").fetch_one(&mut *db).await?;
    let last_number = u64::try_from(last_number.unwrap_or_default()).unwrap_or_default();
    let gone_back = head.number < last.number || (head.number == last.number && head.hash != last.hash);
    if !genuine || gone_back || last_number != head.number {
        let finding = format!(
            "the log ended with record {last_number} and its head named {}{}, where the server had left it at {}",
            head.number,
            if genuine { "" } else { " without this server's seal" },
            last.number
        );
        // A number is never used twice.
        head.number = head.number.max(last_number);
        head = insert(db, Record::broken(record.time, &finding), &head).await?;
    }
    let head = insert(db, record, &head).await?;
    sqlx::query(
        "INSERT INTO audit_head (id, number, hash, seal) VALUES (1, $1, $2, $3) \
         ON CONFLICT (id) DO UPDATE SET number = excluded.number, hash = excluded.hash, seal = excluded.seal",
    )
    .bind(number(head.number))
    .bind(&head.hash)
    .bind(key.seal(&sealed_bytes(&head)))
    .execute(&mut *db)
    .await?;
    Ok(head)
}

async fn insert(db: &mut AnyConnection, record: Record, after: &Head) -> Result<Head> {
    let next = record.after_head(after);
    sqlx::query(
        "INSERT INTO audit (number, time, who, origin, action, subject, before, after, previous, hash) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
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
    .execute(&mut *db)
    .await?;
    Ok(Head { number: next.number, hash: next.hash })
}

fn head_of(row: &SqlRow) -> Head {
    Head { number: u64::try_from(row.get::<i64, _>("number")).unwrap_or_default(), hash: row.get("hash") }
}

fn sealed_bytes(head: &Head) -> Vec<u8> {
    format!("headwater audit head 1\n{}\n{}", head.number, head.hash).into_bytes()
}
