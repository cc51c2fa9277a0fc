//! What each client has of each name, what it should have, and how many have what.
//!
//! A report changes only the rows that differ. What is wanted is one row for each name, for all clients.

use std::collections::BTreeMap;

use headwater_api::report::{ClassResult, Report};
use headwater_policy::Class;
use headwater_repo::ComponentName;
use jiff::Timestamp;
use serde::Serialize;
use sqlx::Row;

use crate::client_states::Wanted;
use crate::error::Result;
use crate::report_rows::{parse, word};
use crate::values::text;
use crate::{Connection, Db, SqlRow, Tx, count, number, time, to_json};

/// The name under which a client has the settings of its domain.
const SETTINGS: &str = "settings";

/// What a client has of a name, and what it should have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseFact {
    /// The client.
    pub client: String,
    /// The class.
    pub class: String,
    /// The component or program; `settings` for the settings of the domain.
    pub name: String,
    /// Sequence and version that it has; `None` if it has none.
    pub has: Option<(u64, String)>,
    /// Sequence and version that it should have; `None` if it is not published.
    pub wanted: Option<(u64, String)>,
    /// How its newest run ended for this name: current, failed or reverted.
    pub result: ClassResult,
    /// Since when it has this release with this result.
    pub since: Timestamp,
    /// Why it failed or was reverted; empty otherwise.
    pub reason: String,
}

/// How many clients have a release of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseCount {
    /// Its sequence; 0: they have none.
    pub sequence: u64,
    /// Its version.
    pub version: String,
    /// How the newest run of these clients ended for the name: current, failed or reverted.
    pub result: ClassResult,
    /// Clients.
    pub clients: u64,
}

/// A row, as the batch statement takes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct FactRow {
    class: String,
    name: String,
    sequence: i64,
    version: String,
    result: String,
    reason: String,
}

/// How many clients have what of a name: `$1` class, `$2` name.
pub(crate) const COUNTS: &str = "SELECT version, sequence, result, count(*) AS clients FROM client_releases \
    WHERE class = $1 AND name = $2 GROUP BY version, sequence, result";

impl Db {
    /// How many clients have which release of a name, the newest first.
    pub async fn release_counts(&self, class: Class, name: &ComponentName) -> Result<Vec<ReleaseCount>> {
        let query = sqlx::query(COUNTS).bind(class.to_string()).bind(name.as_str());
        let rows = query.fetch_all(self.read()).await?;
        let release = |row: &SqlRow| {
            Ok(ReleaseCount {
                sequence: count(row.get("sequence")),
                version: row.get("version"),
                result: parse("result of a name", row.get("result"))?,
                clients: count(row.get("clients")),
            })
        };
        let mut counts: Vec<ReleaseCount> = rows.iter().map(release).collect::<Result<_>>()?;
        counts.sort_by_key(|one| std::cmp::Reverse(one.sequence));
        Ok(counts)
    }
}

/// What clients have, and what they should have: `$1` their ids. Of the settings of a domain the number is the version.
pub(crate) fn statement_of_facts(db: &Connection, all: bool) -> String {
    let differs = "has.sequence <> coalesce(wanted.sequence, domains.version)";
    let only = if all { String::new() } else { format!("AND ({differs} OR has.result <> 'current')") };
    format!(
        "SELECT has.client, has.class, has.name, has.sequence, has.version, has.result, has.since, has.reason, \
         coalesce(wanted.sequence, domains.version) AS wanted_sequence, \
         coalesce(wanted.version, CAST(domains.version AS TEXT)) AS wanted_version \
         FROM client_releases AS has JOIN clients ON clients.id = has.client \
         LEFT JOIN wanted_releases AS wanted ON wanted.class = has.class AND wanted.name = has.name \
         LEFT JOIN domains ON has.class = 'settings' AND domains.path = clients.domain \
         WHERE has.client IN ({}) {only} ORDER BY has.client, has.class, has.name",
        db.dialect().texts(1)
    )
}

/// What these clients have; of what is current only if `all`.
pub(crate) async fn facts(db: &mut Connection, clients: &[&str], all: bool) -> Result<Vec<ReleaseFact>> {
    let statement = statement_of_facts(db, all);
    let query = sqlx::query(sqlx::AssertSqlSafe(statement)).bind(to_json(&clients));
    let fact = |row: &SqlRow| {
        let wanted: Option<i64> = row.get("wanted_sequence");
        let has: i64 = row.get("sequence");
        Ok(ReleaseFact {
            client: row.get("client"),
            class: row.get("class"),
            name: row.get("name"),
            has: (has > 0).then(|| (count(has), row.get("version"))),
            wanted: wanted.map(|wanted| (count(wanted), row.get("wanted_version"))),
            result: parse("result of a name", row.get("result"))?,
            since: time(row.get("since")),
            reason: row.get("reason"),
        })
    };
    query.fetch_all(db.sql()).await?.iter().map(fact).collect()
}

/// Notes what a client has since its newest run.
pub(crate) async fn note(tx: &mut Tx, report: &Report, received: Timestamp) -> Result<()> {
    let known = rows_of(tx, &report.client).await?;
    let mut now = rows(report);
    let wanted = sqlx::query("SELECT class, name FROM wanted_releases").fetch_all(tx.sql()).await?;
    for row in wanted {
        let (class, name): (String, String) = (row.get("class"), row.get("name"));
        now.entry((class.clone(), name.clone())).or_insert_with(|| missing(class, name));
    }
    let changed: Vec<&FactRow> = now.values().filter(|row| known.get(&key(row)) != Some(row)).collect();
    if !changed.is_empty() {
        sqlx::query(tx.dialect().batches().client_releases)
            .bind(&report.client)
            .bind(received.as_second())
            .bind(to_json(&changed))
            .execute(tx.sql())
            .await?;
    }
    for gone in known.keys().filter(|key| !now.contains_key(*key)) {
        sqlx::query("DELETE FROM client_releases WHERE client = $1 AND class = $2 AND name = $3")
            .bind(&report.client)
            .bind(&gone.0)
            .bind(&gone.1)
            .execute(tx.sql())
            .await?;
    }
    Ok(())
}

/// Rows by class and name.
type FactRows = BTreeMap<(String, String), FactRow>;

fn key(row: &FactRow) -> (String, String) {
    (row.class.clone(), row.name.clone())
}

fn missing(class: String, name: String) -> FactRow {
    let result = word(&ClassResult::Current);
    FactRow { class, name, sequence: 0, version: String::new(), result, reason: String::new() }
}

async fn rows_of(tx: &mut Tx, client: &str) -> Result<FactRows> {
    let statement =
        "SELECT class, name, sequence, version, result, reason FROM client_releases WHERE client = $1";
    let rows = sqlx::query(statement).bind(client).fetch_all(tx.sql()).await?;
    let fact = |row: &SqlRow| {
        let row = FactRow {
            class: row.get("class"),
            name: row.get("name"),
            sequence: row.get("sequence"),
            version: row.get("version"),
            result: row.get("result"),
            reason: row.get("reason"),
        };
        (key(&row), row)
    };
    Ok(rows.iter().map(fact).collect())
}

/// What a report says of each name.
fn rows(report: &Report) -> FactRows {
    let mut rows = FactRows::new();
    for (class, releases) in &report.installed {
        for (name, release) in releases {
            let (class, name) = (text(class).into_owned(), text(name).into_owned());
            let row = FactRow {
                sequence: number(release.sequence),
                version: text(&release.version).into_owned(),
                ..missing(class.clone(), name.clone())
            };
            rows.insert((class, name), row);
        }
    }
    for outcome in &report.classes {
        for named in &outcome.names {
            let class = outcome.class.clone();
            let name = match class == Class::Settings.as_str() {
                true => SETTINGS.to_owned(),
                false => text(&named.name).into_owned(),
            };
            let key = (class.clone(), name.clone());
            let row = rows.entry(key).or_insert_with(|| missing(class, name));
            row.result = word(&named.result);
            row.reason = text(&named.message).into_owned();
        }
    }
    rows
}

/// From now on clients should have this release of a name.
pub async fn want(
    tx: &mut Tx,
    class: Class,
    name: &ComponentName,
    sequence: u64,
    version: &str,
    now: Timestamp,
) -> Result<()> {
    let known: i64 =
        sqlx::query_scalar("SELECT count(*) FROM wanted_releases WHERE class = $1 AND name = $2")
            .bind(class.to_string())
            .bind(name.as_str())
            .fetch_one(tx.sql())
            .await?;
    sqlx::query(
        "INSERT INTO wanted_releases (class, name, sequence, version) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (class, name) DO UPDATE SET sequence = excluded.sequence, version = excluded.version",
    )
    .bind(class.to_string())
    .bind(name.as_str())
    .bind(number(sequence))
    .bind(version)
    .execute(tx.sql())
    .await?;
    if known == 0 {
        note_missing(tx, class, name, now).await?;
    }
    tx.stale().note_wanted(wanted(class, name), Some(now));
    Ok(())
}

/// Who has reported and does not have a new name is missing it. Later reports name it in any case.
async fn note_missing(tx: &mut Tx, class: Class, name: &ComponentName, now: Timestamp) -> Result<()> {
    sqlx::query(
        "INSERT INTO client_releases (client, class, name, sequence, version, result, since, reason) \
         SELECT client, $1, $2, 0, '', 'current', $3, '' FROM client_runs WHERE NOT EXISTS (SELECT 1 \
         FROM client_releases WHERE client = client_runs.client AND class = $1 AND name = $2)",
    )
    .bind(class.to_string())
    .bind(name.as_str())
    .bind(now.as_second())
    .execute(tx.sql())
    .await?;
    Ok(())
}

/// A name is no longer published: clients keep what they have of it, and nobody misses it.
pub async fn unwant(tx: &mut Tx, class: Class, name: &ComponentName, now: Timestamp) -> Result<()> {
    sqlx::query("DELETE FROM wanted_releases WHERE class = $1 AND name = $2")
        .bind(class.to_string())
        .bind(name.as_str())
        .execute(tx.sql())
        .await?;
    sqlx::query(
        "DELETE FROM client_releases WHERE class = $1 AND name = $2 AND version = '' AND sequence = 0",
    )
    .bind(class.to_string())
    .bind(name.as_str())
    .execute(tx.sql())
    .await?;
    tx.stale().note_wanted(wanted(class, name), Some(now));
    Ok(())
}

fn wanted(class: Class, name: &ComponentName) -> Wanted {
    Wanted::Release { class: class.to_string(), name: name.to_string() }
}
