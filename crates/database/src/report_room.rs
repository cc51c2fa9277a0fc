//! How long reports are kept, and in how much room.
//!
//! The bytes of each day that is over are added up once (`report_days`); those since then are counted by an index. A
//! process counts once, and adds what it stores: no row is changed by every report.

use std::collections::BTreeMap;

use jiff::Timestamp;
use sqlx::Row;

use crate::connection::lock;
use crate::error::Result;
use crate::report_days::{self, DAY};
use crate::{Tx, count, installed, to_json};

/// Runs, or rows of counts, that are deleted in one change.
pub(crate) const DELETED_AT_ONCE: i64 = 1000;

/// Bytes of the runs received since a time: `$1`.
pub(crate) const BYTES_SINCE: &str =
    "SELECT CAST(coalesce(sum(bytes), 0) AS BIGINT) FROM runs WHERE received >= $1";

/// Bytes of all reports.
pub(crate) async fn bytes(tx: &mut Tx) -> Result<u64> {
    let row = sqlx::query(
        "SELECT CAST(coalesce(sum(bytes), 0) AS BIGINT) AS bytes, coalesce(max(day) + 1, 0) AS open FROM report_days",
    )
    .fetch_one(tx.sql())
    .await?;
    let since = row.get::<i64, _>("open") * DAY;
    let open: i64 = sqlx::query_scalar(BYTES_SINCE).bind(since).fetch_one(tx.sql()).await?;
    Ok(count(row.get("bytes")) + count(open))
}

/// Notes that a report of so many bytes was stored. If the change is dropped the count is too high until it is made
/// again, which does not delete anything.
pub(crate) async fn note_stored(tx: &mut Tx, stored: u64) -> Result<()> {
    let known = *lock(&tx.shared().report_bytes);
    let now = match known {
        Some(known) => known.saturating_add(stored),
        None => bytes(tx).await?,
    };
    *lock(&tx.shared().report_bytes) = Some(now);
    Ok(())
}

/// Notes that a report was deleted: when it was received, and its bytes.
pub(crate) async fn note_deleted(tx: &mut Tx, received: i64, bytes: i64) -> Result<()> {
    subtract(tx, received.div_euclid(DAY), bytes).await?;
    if let Some(known) = lock(&tx.shared().report_bytes).as_mut() {
        *known = known.saturating_sub(count(bytes));
    }
    Ok(())
}

/// Deletes the oldest reports until all of them take at most so many bytes; returns how many were deleted.
pub async fn delete_over(tx: &mut Tx, bytes_max: u64) -> Result<u64> {
    if lock(&tx.shared().report_bytes).is_some_and(|known| known <= bytes_max) {
        return Ok(0);
    }
    let mut left = bytes(tx).await?;
    let mut deleted = 0;
    while left > bytes_max {
        let rows = sqlx::query("SELECT number, received, bytes FROM runs ORDER BY number LIMIT $1")
            .bind(DELETED_AT_ONCE)
            .fetch_all(tx.sql())
            .await?;
        let mut by_day: BTreeMap<i64, i64> = BTreeMap::new();
        let mut last = None;
        for row in &rows {
            let run_bytes: i64 = row.get("bytes");
            *by_day.entry(row.get::<i64, _>("received").div_euclid(DAY)).or_default() += run_bytes;
            last = Some(row.get::<i64, _>("number"));
            left = left.saturating_sub(count(run_bytes));
            if left <= bytes_max {
                break;
            }
        }
        let Some(last) = last else { break };
        let done = sqlx::query("DELETE FROM runs WHERE number <= $1").bind(last).execute(tx.sql()).await?;
        deleted += done.rows_affected();
        for (day, gone) in by_day {
            subtract(tx, day, gone).await?;
        }
    }
    *lock(&tx.shared().report_bytes) = Some(left);
    Ok(deleted)
}

/// The oldest runs that came before a time: `$1`, `$2` how many.
pub(crate) const BEFORE: &str =
    "SELECT number, received, bytes FROM runs WHERE received < $1 ORDER BY received LIMIT $2";

/// What one part of a deletion did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deleted {
    /// Reports that were deleted.
    pub reports: u64,
    /// Something is left to be deleted, by another change: one that deletes a day of a large fleet would keep every
    /// report waiting for seconds.
    pub is_part: bool,
}

/// Deletes reports that came before a time and the counts of the days before, as many as one change may; the last part
/// closes the days that are over.
pub async fn delete_before(tx: &mut Tx, before: Timestamp, now: Timestamp) -> Result<Deleted> {
    let before = before.as_second();
    let day = before.div_euclid(DAY);
    let rows = sqlx::query(BEFORE).bind(before).bind(DELETED_AT_ONCE).fetch_all(tx.sql()).await?;
    let mut by_day: BTreeMap<i64, i64> = BTreeMap::new();
    for row in &rows {
        *by_day.entry(row.get::<i64, _>("received").div_euclid(DAY)).or_default() +=
            row.get::<i64, _>("bytes");
    }
    let numbers: Vec<i64> = rows.iter().map(|row| row.get("number")).collect();
    if !numbers.is_empty() {
        let statement = format!("DELETE FROM runs WHERE number IN ({})", tx.dialect().numbers());
        let query = sqlx::query(sqlx::AssertSqlSafe(statement)).bind(to_json(&numbers));
        query.execute(tx.sql()).await?;
    }
    for (day, gone) in by_day {
        subtract(tx, day, gone).await?;
    }
    *lock(&tx.shared().report_bytes) = None;
    let reports = numbers.len() as u64;
    let days_left = report_days::delete_before(tx, day, DELETED_AT_ONCE).await?;
    if reports >= count(DELETED_AT_ONCE) || days_left {
        return Ok(Deleted { reports, is_part: true });
    }
    sqlx::query("DELETE FROM report_days WHERE day < $1").bind(day).execute(tx.sql()).await?;
    close_days(tx, now).await?;
    report_days::close(tx, now).await?;
    installed::delete_unused(tx).await?;
    Ok(Deleted { reports, is_part: false })
}

/// Before a client is removed: what its reports take is taken off the days that are over.
pub(crate) async fn forget_client(tx: &mut Tx, client: &str) -> Result<()> {
    let rows = sqlx::query(
        "SELECT received / 86400 AS day, CAST(sum(bytes) AS BIGINT) AS bytes FROM runs WHERE client = $1 GROUP BY 1",
    )
    .bind(client)
    .fetch_all(tx.sql())
    .await?;
    for row in rows {
        subtract(tx, row.get("day"), row.get("bytes")).await?;
    }
    *lock(&tx.shared().report_bytes) = None;
    Ok(())
}

/// Adds up each day that is over and was not added up yet.
async fn close_days(tx: &mut Tx, now: Timestamp) -> Result<()> {
    sqlx::query(
        "INSERT INTO report_days (day, bytes) SELECT received / 86400, CAST(sum(bytes) AS BIGINT) FROM runs \
         WHERE received >= (SELECT coalesce(max(day) + 1, 0) * 86400 FROM report_days) AND received < $1 GROUP BY 1",
    )
    .bind(now.as_second().div_euclid(DAY) * DAY)
    .execute(tx.sql())
    .await?;
    Ok(())
}

async fn subtract(tx: &mut Tx, day: i64, bytes: i64) -> Result<()> {
    // A clock that was set back may have let reports into a day that was added up before: they are not in its sum.
    sqlx::query(
        "UPDATE report_days SET bytes = CASE WHEN bytes > $1 THEN bytes - $1 ELSE 0 END WHERE day = $2",
    )
    .bind(bytes)
    .bind(day)
    .execute(tx.sql())
    .await?;
    Ok(())
}
