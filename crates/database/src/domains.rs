//! Domains and what is set at each (D1, D2). Its versions and drafts: `domain_settings`.

use std::collections::BTreeMap;

use headwater_api::v1::DomainSettings;
use serde::{Deserialize, Serialize};
use sqlx::Row;

use crate::client_states::Wanted;
use crate::error::Result;
use crate::{Connection, Db, Tx, count, json, number, to_json};

/// One domain.
#[derive(Debug, Clone, PartialEq)]
pub struct DomainRow {
    /// `root` or `root/…`.
    pub path: String,
    /// Version of its signed document in class settings.
    pub version: u64,
    /// Version of its signed document in the policy's repository.
    pub typed_version: u64,
    /// Version of what is set here (S7).
    pub saved_version: u64,
    /// What is set here, explicitly.
    pub set: DomainSettings,
}

/// Values and files, as they are stored.
#[derive(Serialize, Deserialize)]
struct Extras {
    values: BTreeMap<String, serde_json::Value>,
    files: BTreeMap<String, String>,
}

impl Connection {
    /// Every domain, in order of path.
    pub async fn domains(&mut self) -> Result<Vec<DomainRow>> {
        let rows = sqlx::query(
            "SELECT path, version, typed_version, saved_version, settings, extras FROM domains ORDER BY path",
        )
        .fetch_all(self.sql())
        .await?;
        rows.into_iter()
            .map(|row| {
                let Extras { values, files } = json("domain extras", row.get("extras"))?;
                let settings = json("domain settings", row.get("settings"))?;
                Ok(DomainRow {
                    path: row.get("path"),
                    version: count(row.get("version")),
                    typed_version: count(row.get("typed_version")),
                    saved_version: count(row.get("saved_version")),
                    set: DomainSettings { settings, values, files },
                })
            })
            .collect()
    }

    /// Clients of one domain, those of its sub-domains not counted.
    pub async fn clients_in_domain(&mut self, path: &str) -> Result<u64> {
        let query = sqlx::query_scalar("SELECT count(*) FROM clients WHERE domain = $1").bind(path);
        Ok(count(query.fetch_one(self.sql()).await?))
    }
}

impl Db {
    /// Every domain, in order of path.
    pub async fn domains(&self) -> Result<Vec<DomainRow>> {
        self.connection().await?.domains().await
    }

    /// Clients by domain; domains without any are left out.
    pub async fn clients_by_domain(&self) -> Result<BTreeMap<String, u64>> {
        let rows = sqlx::query("SELECT domain, count(*) AS clients FROM clients GROUP BY domain")
            .fetch_all(self.read())
            .await?;
        Ok(rows.into_iter().map(|row| (row.get("domain"), count(row.get("clients")))).collect())
    }
}

/// Stores a domain.
pub async fn put(tx: &mut Tx, domain: &DomainRow) -> Result<()> {
    let DomainSettings { settings, values, files } = domain.set.clone();
    sqlx::query(
        "INSERT INTO domains (path, version, typed_version, saved_version, settings, extras) \
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (path) DO UPDATE SET version = excluded.version, \
         typed_version = excluded.typed_version, saved_version = excluded.saved_version, \
         settings = excluded.settings, extras = excluded.extras",
    )
    .bind(&domain.path)
    .bind(number(domain.version))
    .bind(number(domain.typed_version))
    .bind(number(domain.saved_version))
    .bind(to_json(&settings))
    .bind(to_json(&Extras { values, files }))
    .execute(tx.sql())
    .await?;
    tx.stale().note_wanted(Wanted::Settings { domain: domain.path.clone() }, None);
    Ok(())
}

/// Removes a domain.
pub async fn delete(tx: &mut Tx, path: &str) -> Result<()> {
    sqlx::query("DELETE FROM domains WHERE path = $1").bind(path).execute(tx.sql()).await?;
    Ok(())
}
