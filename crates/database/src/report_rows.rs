//! The classes and attempts of runs, as rows.

use std::borrow::Cow;
use std::collections::BTreeMap;

use headwater_api::report::{Attempt, ClassOutcome};
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sqlx::Row;

use crate::error::{Error, Result};
use crate::values::text;
use crate::{Connection, SqlRow, count, json, number, small, to_json};

/// A class of a run, as the batch statement takes it.
#[derive(Serialize)]
pub(crate) struct ClassRow<'a> {
    nth: i64,
    class: &'a str,
    result: String,
    source: Option<Cow<'a, str>>,
    message: Cow<'a, str>,
    names: String,
    spared_bytes: i64,
}

impl<'a> From<(i64, &'a ClassOutcome)> for ClassRow<'a> {
    fn from((nth, outcome): (i64, &'a ClassOutcome)) -> Self {
        Self {
            nth,
            class: &outcome.class,
            result: word(&outcome.result),
            source: outcome.source.as_deref().map(text),
            message: text(&outcome.message),
            names: text(&to_json(&outcome.names)).into_owned(),
            spared_bytes: number(outcome.spared_bytes),
        }
    }
}

/// An attempt of a run, as the batch statement takes it.
#[derive(Serialize)]
pub(crate) struct AttemptRow<'a> {
    nth: i64,
    class: &'a str,
    source: Cow<'a, str>,
    url: Cow<'a, str>,
    entry: Option<u32>,
    result: String,
    reason: Option<String>,
    detail: Cow<'a, str>,
    bytes: i64,
    delta_bytes: i64,
    started: i64,
    duration_ms: i64,
    from_version: i64,
    to_version: i64,
}

impl<'a> From<(i64, &'a Attempt)> for AttemptRow<'a> {
    fn from((nth, attempt): (i64, &'a Attempt)) -> Self {
        Self {
            nth,
            class: &attempt.class,
            source: text(&attempt.source),
            url: text(&attempt.url),
            entry: attempt.entry,
            result: word(&attempt.result),
            reason: attempt.reason.as_ref().map(word),
            detail: text(&attempt.detail),
            bytes: number(attempt.bytes),
            delta_bytes: number(attempt.delta_bytes),
            started: attempt.started.as_microsecond(),
            duration_ms: number(attempt.duration_ms),
            from_version: number(attempt.from_version),
            to_version: number(attempt.to_version),
        }
    }
}

/// The classes of these runs, by run.
pub(crate) async fn classes(db: &mut Connection, runs: &[i64]) -> Result<BTreeMap<i64, Vec<ClassOutcome>>> {
    let rows =
        of_runs(db, "run, nth, class, result, source, message, names, spared_bytes FROM run_classes", runs);
    let mut classes: BTreeMap<i64, Vec<ClassOutcome>> = BTreeMap::new();
    for row in rows.await? {
        classes.entry(row.get("run")).or_default().push(ClassOutcome {
            class: row.get("class"),
            result: parse("result of a class", row.get("result"))?,
            source: row.get("source"),
            message: row.get("message"),
            names: json("names of a class", row.get("names"))?,
            spared_bytes: count(row.get("spared_bytes")),
        });
    }
    Ok(classes)
}

/// The attempts of these runs, by run.
pub(crate) async fn attempts(db: &mut Connection, runs: &[i64]) -> Result<BTreeMap<i64, Vec<Attempt>>> {
    let columns = "run, nth, class, source, url, entry, result, reason, detail, bytes, delta_bytes, started, \
                   duration_ms, from_version, to_version FROM run_attempts";
    let mut attempts: BTreeMap<i64, Vec<Attempt>> = BTreeMap::new();
    for row in of_runs(db, columns, runs).await? {
        let reason: Option<String> = row.get("reason");
        attempts.entry(row.get("run")).or_default().push(Attempt {
            source: row.get("source"),
            url: row.get("url"),
            entry: row.get::<Option<i64>, _>("entry").map(small),
            class: row.get("class"),
            result: parse("result of an attempt", row.get("result"))?,
            reason: reason.as_deref().map(|reason| parse("reason of an attempt", reason)).transpose()?,
            detail: row.get("detail"),
            bytes: count(row.get("bytes")),
            delta_bytes: count(row.get("delta_bytes")),
            started: precise_time(row.get("started")),
            duration_ms: count(row.get("duration_ms")),
            from_version: count(row.get("from_version")),
            to_version: count(row.get("to_version")),
        });
    }
    Ok(attempts)
}

async fn of_runs(db: &mut Connection, columns: &str, runs: &[i64]) -> Result<Vec<SqlRow>> {
    let statement = format!("SELECT {columns} WHERE run IN ({}) ORDER BY run, nth", db.dialect().numbers());
    Ok(sqlx::query(sqlx::AssertSqlSafe(statement)).bind(to_json(&runs)).fetch_all(db.sql()).await?)
}

/// The word that stands for a variant on the wire.
pub(crate) fn word<T: Serialize>(variant: &T) -> String {
    match serde_json::to_value(variant) {
        Ok(Value::String(word)) => word,
        _ => String::new(),
    }
}

pub(crate) fn parse<T: DeserializeOwned>(what: &'static str, word: &str) -> Result<T> {
    let parsed = serde_json::from_value(Value::from(word));
    parsed.map_err(|error| Error::Corrupt { what, reason: error.to_string() })
}

/// Microseconds of the database as a time.
pub(crate) fn precise_time(microseconds: i64) -> Timestamp {
    Timestamp::from_microsecond(microseconds).unwrap_or(Timestamp::MIN)
}
