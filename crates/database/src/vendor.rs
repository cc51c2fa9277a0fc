//! The vendor source (C2): one row or none.

use headwater_api::v1::SyncResult;
use jiff::Timestamp;
use sqlx::Row;

use crate::error::Result;
use crate::{Connection, Db, Tx, count, json, number, small, time, to_json};

/// The vendor source, as set.
#[derive(Debug, Clone, PartialEq)]
pub struct VendorRow {
    /// Base URL, normalised.
    pub url: String,
    /// The root metadata that it was set with.
    pub root: String,
    /// The version of the newest root that a sync trusted.
    pub root_version: u64,
    /// Minutes between syncs; 0 if only on demand.
    pub schedule_minutes: u32,
    /// When the last sync began.
    pub last_started: Option<Timestamp>,
    /// Its result.
    pub last_sync: Option<SyncResult>,
}

impl Connection {
    /// The vendor source.
    pub async fn vendor(&mut self) -> Result<Option<VendorRow>> {
        let row = sqlx::query(
            "SELECT url, root, root_version, schedule_minutes, last_started, last_sync FROM vendor",
        )
        .fetch_optional(self.sql())
        .await?;
        row.map(|row| {
            let last_sync: Option<String> = row.get("last_sync");
            Ok(VendorRow {
                url: row.get("url"),
                root: row.get("root"),
                root_version: count(row.get("root_version")),
                schedule_minutes: small(row.get("schedule_minutes")),
                last_started: row.get::<Option<i64>, _>("last_started").map(time),
                last_sync: last_sync.as_deref().map(|text| json("sync result", text)).transpose()?,
            })
        })
        .transpose()
    }
}

impl Db {
    /// The vendor source.
    pub async fn vendor(&self) -> Result<Option<VendorRow>> {
        self.connection().await?.vendor().await
    }
}

/// Stores the vendor source.
pub async fn put(tx: &mut Tx, vendor: &VendorRow) -> Result<()> {
    sqlx::query(
        "INSERT INTO vendor (id, url, root, root_version, schedule_minutes, last_started, last_sync) \
         VALUES (1, $1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO UPDATE SET url = excluded.url, root = excluded.root, \
         root_version = excluded.root_version, schedule_minutes = excluded.schedule_minutes, \
         last_started = excluded.last_started, last_sync = excluded.last_sync",
    )
    .bind(&vendor.url)
    .bind(&vendor.root)
    .bind(number(vendor.root_version))
    .bind(i64::from(vendor.schedule_minutes))
    .bind(vendor.last_started.map(|time| time.as_second()))
    .bind(vendor.last_sync.as_ref().map(to_json))
    .execute(tx.sql())
    .await?;
    Ok(())
}

/// Deletes the vendor source.
pub async fn delete(tx: &mut Tx) -> Result<()> {
    sqlx::query("DELETE FROM vendor").execute(tx.sql()).await?;
    Ok(())
}
