//! What clients report of their runs: stored as rows, given back as reports.
//!
//! Storing a report takes these steps, all in the change of its statement: the run with its set of installed releases,
//! its classes and attempts (one statement each), the counts of its day (`report_days`), then the state of the client
//! that follows from its newest run. The run that was the newest before goes, unless it is to be kept. How long and in
//! how much room reports are kept: `report_room`.

use std::collections::BTreeMap;

use headwater_api::report::Report;
use headwater_api::v1::StoredReport;
use jiff::Timestamp;
use sqlx::Row;

use crate::error::Result;
use crate::report_rows::{self as rows, AttemptRow, ClassRow};
use crate::values::text;
use crate::{
    Db, SqlRow, Tx, client_releases, count, installed, json, number, report_days, report_room, time, to_json,
};

macro_rules! page_of_runs {
    ($condition:literal) => {
        concat!(
            "SELECT number, client, run, started, received, duration_ms, domain, addresses, program, policy_version, \
             installed, update_agent, warnings FROM runs WHERE ",
            $condition,
            " ORDER BY number DESC LIMIT $2"
        )
    };
}

/// Reports of all clients: `$1` before which number, `$2` how many.
pub(crate) const OF_ALL: &str = page_of_runs!("number < $1");

/// Reports of one client: `$3` its id.
pub(crate) const OF_CLIENT: &str = page_of_runs!("number < $1 AND client = $3");

/// What is done with a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Storing {
    /// It stays when the next one comes: it has news.
    pub kept: bool,
    /// It is the newest of its client. Otherwise a later one came before it.
    pub newest: bool,
}

/// How the newest run of a client ended for a class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassState {
    /// The client.
    pub client: String,
    /// `api::report::ClassResult`, as it stands on the wire.
    pub result: String,
    /// The source whose metadata was taken.
    pub source: Option<String>,
    /// A sentence for people.
    pub message: String,
    /// Since when its runs have ended so.
    pub since: Timestamp,
}

/// Clients whose newest run ended in one way for a class: `$1` class, `$2` result, `$3` after which id, `$4` how many.
pub(crate) const IN_STATE: &str = "SELECT client, result, source, message, since FROM client_classes \
    WHERE class = $1 AND result = $2 AND client > $3 ORDER BY client LIMIT $4";

impl Db {
    /// Reports before a number, newest first, of one client or of all.
    pub async fn reports(&self, client: Option<&str>, before: u64, limit: u32) -> Result<Vec<StoredReport>> {
        let mut db = self.connection().await?;
        let statement = if client.is_some() { OF_CLIENT } else { OF_ALL };
        let query = sqlx::query(statement).bind(number(before)).bind(i64::from(limit));
        let query = if let Some(client) = client { query.bind(client) } else { query };
        let runs = query.fetch_all(db.sql()).await?;
        let numbers: Vec<i64> = runs.iter().map(|run| run.get("number")).collect();
        let mut sets: Vec<i64> = runs.iter().map(|run| run.get("installed")).collect();
        sets.sort_unstable();
        sets.dedup();
        let parts = Parts {
            classes: rows::classes(&mut db, &numbers).await?,
            attempts: rows::attempts(&mut db, &numbers).await?,
            installed: installed::sets(&mut db, &sets).await?,
        };
        runs.iter().map(|run| parts.report(run)).collect()
    }

    /// Clients after an id whose newest run ended in one way for a class, in order of id.
    pub async fn clients_in_state(
        &self,
        class: &str,
        result: headwater_api::report::ClassResult,
        after: &str,
        limit: u32,
    ) -> Result<Vec<ClassState>> {
        let query = sqlx::query(IN_STATE).bind(class).bind(rows::word(&result)).bind(after);
        let found = query.bind(i64::from(limit)).fetch_all(self.read()).await?;
        let state = |row: &SqlRow| ClassState {
            client: row.get("client"),
            result: row.get("result"),
            source: row.get("source"),
            message: row.get("message"),
            since: time(row.get("since")),
        };
        Ok(found.iter().map(state).collect())
    }
}

/// The rows that runs of a page consist of, by number of the run or of the set.
struct Parts {
    classes: BTreeMap<i64, Vec<headwater_api::report::ClassOutcome>>,
    attempts: BTreeMap<i64, Vec<headwater_api::report::Attempt>>,
    installed: BTreeMap<i64, installed::InstalledMap>,
}

impl Parts {
    fn report(&self, run: &SqlRow) -> Result<StoredReport> {
        let row_number: i64 = run.get("number");
        let update_agent: Option<String> = run.get("update_agent");
        let report = Report {
            format: headwater_api::report::FORMAT,
            client: run.get("client"),
            domain: run.get("domain"),
            run: count(run.get("run")),
            started: rows::precise_time(run.get("started")),
            duration_ms: count(run.get("duration_ms")),
            addresses: json("addresses of a report", run.get("addresses"))?,
            host: String::new(),
            program: run.get("program"),
            policy_version: count(run.get("policy_version")),
            classes: self.classes.get(&row_number).cloned().unwrap_or_default(),
            attempts: self.attempts.get(&row_number).cloned().unwrap_or_default(),
            installed: self.installed.get(&run.get("installed")).cloned().unwrap_or_default(),
            update_agent: update_agent
                .as_deref()
                .map(|text| json("update agent of a report", text))
                .transpose()?,
            warnings: json("warnings of a report", run.get("warnings"))?,
        };
        Ok(StoredReport { number: count(row_number), received: time(run.get("received")), report })
    }
}

/// Stores a report of a client that is known, once however often it is sent.
pub async fn insert(tx: &mut Tx, report: &Report, storing: Storing, received: Timestamp) -> Result<()> {
    let bytes = to_json(report).len() as u64;
    let installed = installed::number_of(tx, &report.installed).await?;
    let run = sqlx::query_scalar(
        "INSERT INTO runs (client, run, started, received, duration_ms, domain, addresses, program, policy_version, \
         installed, update_agent, warnings, bytes, kept) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) \
         ON CONFLICT (client, run, started) DO NOTHING RETURNING number",
    )
    .bind(&report.client)
    .bind(number(report.run))
    .bind(report.started.as_microsecond())
    .bind(received.as_second())
    .bind(number(report.duration_ms))
    .bind(text(&report.domain).into_owned())
    .bind(to_json(&report.addresses))
    .bind(text(&report.program).into_owned())
    .bind(number(report.policy_version))
    .bind(installed)
    .bind(report.update_agent.as_ref().map(to_json))
    .bind(to_json(&report.warnings))
    .bind(number(bytes))
    .bind(i64::from(storing.kept))
    .fetch_optional(tx.sql())
    .await?;
    let Some(run) = run else { return Ok(()) };
    let run: i64 = run;
    report_days::add(tx, report, received).await?;
    if !storing.kept && !storing.newest {
        // It was counted, and nobody looks at it.
        return delete(tx, run).await;
    }
    let classes: Vec<ClassRow<'_>> = (0..).zip(&report.classes).map(ClassRow::from).collect();
    let attempts: Vec<AttemptRow<'_>> = (0..).zip(&report.attempts).map(AttemptRow::from).collect();
    let batches = tx.dialect().batches();
    sqlx::query(batches.run_classes).bind(run).bind(to_json(&classes)).execute(tx.sql()).await?;
    sqlx::query(batches.run_attempts).bind(run).bind(to_json(&attempts)).execute(tx.sql()).await?;
    report_room::note_stored(tx, bytes).await?;
    if !storing.newest {
        return Ok(());
    }
    forget_newest_before(tx, &report.client).await?;
    note_newest(tx, report, run, installed, received).await
}

async fn delete(tx: &mut Tx, run: i64) -> Result<()> {
    sqlx::query("DELETE FROM runs WHERE number = $1").bind(run).execute(tx.sql()).await?;
    Ok(())
}

/// Deletes the run of a client that was the newest until now, unless it is kept.
async fn forget_newest_before(tx: &mut Tx, client: &str) -> Result<()> {
    let gone = sqlx::query(
        "DELETE FROM runs WHERE number = (SELECT run FROM client_runs WHERE client = $1) AND kept = 0 \
         RETURNING received, bytes",
    )
    .bind(client)
    .fetch_optional(tx.sql())
    .await?;
    match gone {
        Some(row) => report_room::note_deleted(tx, row.get("received"), row.get("bytes")).await,
        None => Ok(()),
    }
}

/// Notes that this is the newest run of its client, and how it ended.
async fn note_newest(
    tx: &mut Tx,
    report: &Report,
    run: i64,
    installed: i64,
    received: Timestamp,
) -> Result<()> {
    sqlx::query(
        "INSERT INTO client_runs (client, run, received, installed) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (client) DO UPDATE SET run = excluded.run, received = excluded.received, \
         installed = excluded.installed",
    )
    .bind(&report.client)
    .bind(run)
    .bind(received.as_second())
    .bind(installed)
    .execute(tx.sql())
    .await?;
    for outcome in &report.classes {
        sqlx::query(
            "INSERT INTO client_classes (client, class, result, source, message, since) VALUES ($1, $2, $3, $4, $5, $6) \
             ON CONFLICT (client, class) DO UPDATE SET source = excluded.source, message = excluded.message, \
             since = CASE WHEN client_classes.result = excluded.result THEN client_classes.since ELSE excluded.since END, \
             result = excluded.result",
        )
        .bind(&report.client)
        .bind(&outcome.class)
        .bind(rows::word(&outcome.result))
        .bind(outcome.source.as_deref().map(|source| text(source).into_owned()))
        .bind(text(&outcome.message).into_owned())
        .bind(received.as_second())
        .execute(tx.sql())
        .await?;
    }
    client_releases::note(tx, report, received).await?;
    tx.stale().note_client(&report.client, Some(received));
    Ok(())
}
