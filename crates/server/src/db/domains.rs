//! Domains and what is set at each (D1, D2).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sqlx::Row;

use super::{Db, Tx, count, json, number, to_json};
use crate::error::Result;

/// One domain.
#[derive(Debug, Clone, PartialEq)]
pub struct DomainRow {
    /// `root` or `root/…`.
    pub path: String,
    /// Version of its signed document.
    pub version: u64,
    /// Typed settings that are set here, by key.
    pub settings: BTreeMap<String, serde_json::Value>,
    /// The free part that is set here.
    pub extras: Extras,
}

/// The free part of a domain's settings.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Extras {
    /// Values by name.
    pub values: BTreeMap<String, serde_json::Value>,
    /// Text by relative path.
    pub files: BTreeMap<String, String>,
}

impl Db {
    /// Every domain, in order of path.
    pub async fn domains(&self) -> Result<Vec<DomainRow>> {
        let rows = sqlx::query("SELECT path, version, settings, extras FROM domains ORDER BY path")
            .fetch_all(self.read())
            .await?;
        rows.into_iter()
            .map(|row| {
                Ok(DomainRow {
                    path: row.get("path"),
                    version: count(row.get("version")),
                    settings: json("domain settings", row.get("settings"))?,
                    extras: json("domain extras", row.get("extras"))?,
                })
            })
            .collect()
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
    sqlx::query(
        "INSERT INTO domains (path, version, settings, extras) VALUES (?, ?, ?, ?) \
         ON CONFLICT (path) DO UPDATE SET version = excluded.version, settings = excluded.settings, \
         extras = excluded.extras",
    )
    .bind(&domain.path)
    .bind(number(domain.version))
    .bind(to_json(&domain.settings))
    .bind(to_json(&domain.extras))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Removes a domain.
pub async fn delete(tx: &mut Tx, path: &str) -> Result<()> {
    sqlx::query("DELETE FROM domains WHERE path = ?").bind(path).execute(&mut **tx).await?;
    Ok(())
}
