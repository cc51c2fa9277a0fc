//! What came from each source on each day: counted of every run, so that runs without news need not be kept.
//!
//! Each client has rows of its own, which its reports change. Those of a day that is over are added up once for the
//! whole fleet (`source_days`): questions about sources read few rows of past days, and by an index those since then.

use std::borrow::Cow;
use std::collections::BTreeMap;

use headwater_api::report::Report;
use jiff::Timestamp;
use serde::Serialize;
use sqlx::Row;

use crate::error::Result;
use crate::limits::{CLIENT_DAY_BYTES_MAX, CLIENT_DAY_ROWS_MAX, CLIENT_DAY_SOURCE_CHARS_MAX};
use crate::values::text;
use crate::{Db, SqlRow, Tx, count, number, time, to_json};

/// Seconds of a day.
pub(crate) const DAY: i64 = 24 * 60 * 60;

/// The source of what is counted beyond the limit of a client and day.
pub const OTHER_SOURCES: &str = "other";

/// What came from a source for a class, in a span of days.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceUse {
    /// The source, as in a plan.
    pub source: String,
    /// The class.
    pub class: String,
    /// Runs that asked it.
    pub runs: u64,
    /// Bytes that it sent.
    pub bytes: u64,
}

/// What a client had from a source for a class on one day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientDay {
    /// When the day began (UTC).
    pub day: Timestamp,
    /// From where, and how much.
    pub use_of_source: SourceUse,
}

/// A row of a client and day, as the batch statement takes it.
#[derive(Serialize)]
struct DayRow<'a> {
    class: &'a str,
    source: &'a str,
    bytes: i64,
}

/// Sources of a client's day: `$1` its id, `$2` the day.
pub(crate) const OF_CLIENT_DAY: &str = "SELECT class, source FROM client_days WHERE client = $1 AND day = $2";

/// The first day that is not added up yet.
pub(crate) const OPEN_DAY: &str = "SELECT coalesce(max(day) + 1, 0) FROM source_days";

/// What came from each source: `$1` since which day, `$2` since which day that is not added up.
pub(crate) const BY_SOURCE: &str = "SELECT source, class, CAST(sum(runs) AS BIGINT) AS runs, \
    CAST(sum(bytes) AS BIGINT) AS bytes FROM (SELECT source, class, runs, bytes FROM source_days WHERE day >= $1 \
    UNION ALL SELECT source, class, sum(runs), sum(bytes) FROM client_days WHERE day >= $2 GROUP BY day, source, class) \
    AS used GROUP BY source, class ORDER BY source, class";

/// The days of one client, the newest first: `$1` its id, `$2` since which day.
pub(crate) const OF_CLIENT: &str = "SELECT day, class, source, runs, bytes FROM client_days \
    WHERE client = $1 AND day >= $2 ORDER BY day DESC, class, source";

impl Db {
    /// What came from each source for each class since the day of a time.
    pub async fn bytes_by_source(&self, since: Timestamp) -> Result<Vec<SourceUse>> {
        let mut db = self.connection().await?;
        let since = day_of(since);
        let open: i64 = sqlx::query_scalar(OPEN_DAY).fetch_one(db.sql()).await?;
        let rows = sqlx::query(BY_SOURCE).bind(since).bind(open.max(since)).fetch_all(db.sql()).await?;
        Ok(rows.iter().map(use_of_source).collect())
    }

    /// What one client had on each day since the day of a time, the newest first.
    pub async fn days_of_client(&self, client: &str, since: Timestamp) -> Result<Vec<ClientDay>> {
        let query = sqlx::query(OF_CLIENT).bind(client).bind(day_of(since));
        let day = |row: &SqlRow| ClientDay {
            day: time(row.get::<i64, _>("day") * DAY),
            use_of_source: use_of_source(row),
        };
        Ok(query.fetch_all(self.read()).await?.iter().map(day).collect())
    }
}

fn use_of_source(row: &SqlRow) -> SourceUse {
    SourceUse {
        source: row.get("source"),
        class: row.get("class"),
        runs: count(row.get("runs")),
        bytes: count(row.get("bytes")),
    }
}

/// The day of a time, since 1970.
pub(crate) fn day_of(moment: Timestamp) -> i64 {
    moment.as_second().div_euclid(DAY)
}

/// Counts a run in the day that its report came.
pub(crate) async fn add(tx: &mut Tx, report: &Report, received: Timestamp) -> Result<()> {
    let mut used: BTreeMap<(&str, Cow<'_, str>), u64> = BTreeMap::new();
    for attempt in &report.attempts {
        let source = shortened(text(&attempt.source));
        let bytes = used.entry((&attempt.class, source)).or_default();
        *bytes = bytes.saturating_add(attempt.bytes);
    }
    let day = day_of(received);
    let known: Vec<(String, String)> = sqlx::query(OF_CLIENT_DAY)
        .bind(&report.client)
        .bind(day)
        .fetch_all(tx.sql())
        .await?
        .iter()
        .map(|row| (row.get("class"), row.get("source")))
        .collect();
    let mut room = CLIENT_DAY_ROWS_MAX.saturating_sub(known.len());
    let mut rows: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for ((class, source), bytes) in &used {
        let is_known = known.iter().any(|known| known.0 == *class && known.1 == *source);
        // A client that invents sources fills no table.
        let source = match is_known || room > 0 {
            true => source.as_ref(),
            false => OTHER_SOURCES,
        };
        if !is_known {
            room = room.saturating_sub(1);
        }
        let sum = rows.entry((class, source)).or_default();
        *sum = sum.saturating_add(*bytes);
    }
    let rows: Vec<DayRow<'_>> = rows
        .into_iter()
        .map(|((class, source), bytes)| DayRow {
            class,
            source,
            bytes: number(bytes.min(CLIENT_DAY_BYTES_MAX)),
        })
        .collect();
    sqlx::query(tx.dialect().batches().client_days)
        .bind(&report.client)
        .bind(day)
        .bind(to_json(&rows))
        .bind(number(CLIENT_DAY_BYTES_MAX))
        .execute(tx.sql())
        .await?;
    Ok(())
}

/// So much of a source's name as is counted under.
fn shortened(source: Cow<'_, str>) -> Cow<'_, str> {
    match source.char_indices().nth(CLIENT_DAY_SOURCE_CHARS_MAX) {
        Some((end, _)) => Cow::Owned(source[..end].to_owned()),
        None => source,
    }
}

/// Adds up each day that is over and was not added up yet. After a clock was set back, what comes into a day that was
/// added up before is counted for its client and not for the fleet.
pub(crate) async fn close(tx: &mut Tx, now: Timestamp) -> Result<()> {
    let open: i64 = sqlx::query_scalar(OPEN_DAY).fetch_one(tx.sql()).await?;
    sqlx::query(
        "INSERT INTO source_days (day, source, class, runs, bytes) \
         SELECT day, source, class, CAST(sum(runs) AS BIGINT), CAST(sum(bytes) AS BIGINT) FROM client_days \
         WHERE day >= $1 AND day < $2 GROUP BY day, source, class",
    )
    .bind(open)
    .bind(day_of(now))
    .execute(tx.sql())
    .await?;
    Ok(())
}

/// Deletes counts of the days before a day: `$1`, at most `$2` of them.
pub(crate) const DELETE_BEFORE: &str = "DELETE FROM client_days WHERE (client, day, class, source) IN \
    (SELECT client, day, class, source FROM client_days WHERE day < $1 LIMIT $2)";

/// Deletes the counts of the days before a day, at most so many of clients; returns whether more are left.
pub(crate) async fn delete_before(tx: &mut Tx, day: i64, limit: i64) -> Result<bool> {
    let done = sqlx::query(DELETE_BEFORE).bind(day).bind(limit).execute(tx.sql()).await?;
    sqlx::query("DELETE FROM source_days WHERE day < $1").bind(day).execute(tx.sql()).await?;
    Ok(done.rows_affected() >= count(limit))
}
