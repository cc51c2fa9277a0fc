//! Sets of installed releases: stored once, and named by the runs that left them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use headwater_api::report::Installed;
use headwater_policy::Class;
use headwater_repo::{ComponentName, Digest};
use serde::Serialize;
use sqlx::Row;

use crate::error::Result;
use crate::values::text;
use crate::{Connection, Db, Tx, count, json, number, to_json};

/// What is installed: name to release, by class.
pub(crate) type InstalledMap = BTreeMap<String, BTreeMap<String, Installed>>;

#[derive(Serialize)]
struct ReleaseOfSet<'a> {
    class: Cow<'a, str>,
    name: Cow<'a, str>,
    sequence: i64,
    version: Cow<'a, str>,
}

/// The number of a set, which is stored if it is new.
pub(crate) async fn number_of(tx: &mut Tx, installed: &InstalledMap) -> Result<i64> {
    let sha256 = Digest::of(to_json(installed).as_bytes()).to_string();
    let known: Option<i64> = sqlx::query_scalar("SELECT number FROM installed_sets WHERE sha256 = $1")
        .bind(&sha256)
        .fetch_optional(tx.sql())
        .await?;
    if let Some(known) = known {
        return Ok(known);
    }
    let empty: Vec<Cow<'_, str>> =
        installed.iter().filter(|(_, releases)| releases.is_empty()).map(|(class, _)| text(class)).collect();
    let set: i64 =
        sqlx::query_scalar("INSERT INTO installed_sets (sha256, empty) VALUES ($1, $2) RETURNING number")
            .bind(&sha256)
            .bind(to_json(&empty))
            .fetch_one(tx.sql())
            .await?;
    let releases: Vec<ReleaseOfSet<'_>> = installed
        .iter()
        .flat_map(|(class, releases)| releases.iter().map(move |(name, release)| (class, name, release)))
        .map(|(class, name, release)| ReleaseOfSet {
            class: text(class),
            name: text(name),
            sequence: number(release.sequence),
            version: text(&release.version),
        })
        .collect();
    sqlx::query(tx.dialect().batches().installed_releases)
        .bind(set)
        .bind(to_json(&releases))
        .execute(tx.sql())
        .await?;
    Ok(set)
}

/// The sets of these numbers.
pub(crate) async fn sets(db: &mut Connection, numbers: &[i64]) -> Result<BTreeMap<i64, InstalledMap>> {
    let list = db.dialect().numbers();
    let statement = format!("SELECT number, empty FROM installed_sets WHERE number IN ({list})");
    let rows = sqlx::query(sqlx::AssertSqlSafe(statement)).bind(to_json(&numbers));
    let mut sets = BTreeMap::new();
    for row in rows.fetch_all(db.sql()).await? {
        let empty: Vec<String> = json("installed releases", row.get("empty"))?;
        let set: InstalledMap = empty.into_iter().map(|class| (class, BTreeMap::new())).collect();
        sets.insert(row.get("number"), set);
    }
    let statement = format!(
        "SELECT installed, class, name, sequence, version FROM installed_releases WHERE installed IN ({list})"
    );
    let rows = sqlx::query(sqlx::AssertSqlSafe(statement)).bind(to_json(&numbers));
    for row in rows.fetch_all(db.sql()).await? {
        let set: &mut InstalledMap = sets.entry(row.get("installed")).or_default();
        let release = Installed { sequence: count(row.get("sequence")), version: row.get("version") };
        set.entry(row.get("class")).or_default().insert(row.get("name"), release);
    }
    Ok(sets)
}

/// Counts clients by the release of a component that their newest run left installed: `$1` class, `$2` name.
pub(crate) const CLIENTS_AT: &str = "SELECT releases.sequence, count(*) AS clients \
    FROM installed_releases AS releases JOIN client_runs AS runs ON runs.installed = releases.installed \
    WHERE releases.class = $1 AND releases.name = $2 GROUP BY releases.sequence";

impl Db {
    /// How many clients have each release of a component since their newest report, by sequence.
    pub async fn clients_at(&self, class: Class, name: &ComponentName) -> Result<BTreeMap<u64, u64>> {
        let query = sqlx::query(CLIENTS_AT).bind(class.to_string()).bind(name.as_str());
        let rows = query.fetch_all(self.read()).await?;
        Ok(rows.iter().map(|row| (count(row.get("sequence")), count(row.get("clients")))).collect())
    }
}

/// Forgets the sets that no run names any more.
pub(crate) async fn delete_unused(tx: &mut Tx) -> Result<()> {
    sqlx::query(
        "DELETE FROM installed_sets WHERE NOT EXISTS (SELECT 1 FROM runs WHERE installed = installed_sets.number) \
         AND NOT EXISTS (SELECT 1 FROM client_runs WHERE installed = installed_sets.number)",
    )
    .execute(tx.sql())
    .await?;
    Ok(())
}
