//! Components and programs: where they come from, the releases there ever were, and the blobs that they need.

use std::collections::BTreeSet;

use headwater_policy::Class;
use headwater_repo::{ComponentName, Digest, Sequence};
use jiff::Timestamp;
use sqlx::Row;

use crate::error::{Error, Result};
use crate::{Connection, Db, SqlRow, Tx, count, number, to_json};

/// One component or program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComponentRow {
    /// The name.
    pub name: String,
    /// Taken from the vendor source.
    pub from_vendor: bool,
}

/// One release that there ever was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseRow {
    /// Its place, from 1.
    pub sequence: u64,
    /// Its version.
    pub version: String,
}

impl Connection {
    /// What there is in a class, by name.
    pub async fn components(&mut self, class: Class) -> Result<Vec<ComponentRow>> {
        let rows = sqlx::query("SELECT name, from_vendor FROM components WHERE class = $1 ORDER BY name")
            .bind(class.to_string())
            .fetch_all(self.sql())
            .await?;
        let component = |row: SqlRow| ComponentRow {
            name: row.get("name"),
            from_vendor: row.get::<i64, _>("from_vendor") != 0,
        };
        Ok(rows.into_iter().map(component).collect())
    }

    /// Every release ever of a component, oldest first.
    pub async fn releases(&mut self, class: Class, name: &ComponentName) -> Result<Vec<ReleaseRow>> {
        let rows = sqlx::query(
            "SELECT sequence, version FROM releases WHERE class = $1 AND name = $2 ORDER BY sequence",
        )
        .bind(class.to_string())
        .bind(name.as_str())
        .fetch_all(self.sql())
        .await?;
        let release =
            |row: SqlRow| ReleaseRow { sequence: count(row.get("sequence")), version: row.get("version") };
        Ok(rows.into_iter().map(release).collect())
    }
}

impl Db {
    /// One component.
    pub async fn component(&self, class: Class, name: &ComponentName) -> Result<Option<ComponentRow>> {
        Ok(self.components(class).await?.into_iter().find(|row| row.name == name.as_str()))
    }

    /// What there is in a class, by name.
    pub async fn components(&self, class: Class) -> Result<Vec<ComponentRow>> {
        self.connection().await?.components(class).await
    }

    /// Every release ever of a component, oldest first.
    pub async fn releases(&self, class: Class, name: &ComponentName) -> Result<Vec<ReleaseRow>> {
        self.connection().await?.releases(class, name).await
    }

    /// No new release gets a sequence up to this one; 0 unless the server was restored.
    pub async fn sequence_floor(&self, class: Class) -> Result<u64> {
        let floor: Option<i64> = sqlx::query_scalar("SELECT sequence FROM sequence_floors WHERE class = $1")
            .bind(class.to_string())
            .fetch_optional(self.read())
            .await?;
        Ok(floor.map_or(0, count))
    }

    /// The releases that need a blob: `name (release 3)`.
    pub async fn releases_with(&self, class: Class, blob: &Digest) -> Result<Vec<String>> {
        let rows = sqlx::query(
            "SELECT name, sequence FROM release_blobs WHERE class = $1 AND sha256 = $2 ORDER BY name, sequence",
        )
        .bind(class.to_string())
        .bind(blob.to_string())
        .fetch_all(self.read())
        .await?;
        let named = |row: SqlRow| {
            format!("{} (release {})", row.get::<String, _>("name"), row.get::<i64, _>("sequence"))
        };
        Ok(rows.into_iter().map(named).collect())
    }

    /// Every blob that a release of a class needs, or needed a short while ago, deltas included.
    pub async fn blobs(&self, class: Class) -> Result<BTreeSet<Digest>> {
        let blobs: Vec<String> = sqlx::query_scalar(
            "SELECT sha256 FROM release_blobs WHERE class = $1 \
             UNION SELECT sha256 FROM deltas WHERE class = $1 AND sha256 IS NOT NULL",
        )
        .bind(class.to_string())
        .fetch_all(self.read())
        .await?;
        let digest = |text: String| {
            text.parse().map_err(|error: headwater_repo::DigestError| Error::Corrupt {
                what: "blob digest",
                reason: error.to_string(),
            })
        };
        blobs.into_iter().map(digest).collect()
    }
}

/// Lifts the floor of a class's sequences to so much above every known one.
pub async fn lift_sequence_floor(tx: &mut Tx, class: Class, by: u64) -> Result<()> {
    let highest: i64 = sqlx::query_scalar(
        "SELECT coalesce(max(sequence), 0) FROM (SELECT sequence FROM releases WHERE class = $1 \
         UNION ALL SELECT sequence FROM sequence_floors WHERE class = $1) AS known",
    )
    .bind(class.to_string())
    .fetch_one(tx.sql())
    .await?;
    sqlx::query(
        "INSERT INTO sequence_floors (class, sequence) VALUES ($1, $2) \
         ON CONFLICT (class) DO UPDATE SET sequence = excluded.sequence",
    )
    .bind(class.to_string())
    .bind(highest.saturating_add(number(by)))
    .execute(tx.sql())
    .await?;
    Ok(())
}

/// Notes where a component comes from.
pub async fn put_component(tx: &mut Tx, class: Class, name: &ComponentName, from_vendor: bool) -> Result<()> {
    sqlx::query(
        "INSERT INTO components (class, name, from_vendor) VALUES ($1, $2, $3) \
         ON CONFLICT (class, name) DO UPDATE SET from_vendor = excluded.from_vendor",
    )
    .bind(class.to_string())
    .bind(name.as_str())
    .bind(i64::from(from_vendor))
    .execute(tx.sql())
    .await?;
    Ok(())
}

/// Every component of the vendor source becomes one that is published by hand.
pub async fn release_vendor_names(tx: &mut Tx) -> Result<()> {
    sqlx::query("UPDATE components SET from_vendor = 0").execute(tx.sql()).await?;
    Ok(())
}

/// Notes a release with the blobs that it needs.
pub async fn insert_release(
    tx: &mut Tx,
    class: Class,
    name: &ComponentName,
    release: &ReleaseRow,
    blobs: &[Digest],
) -> Result<()> {
    sqlx::query("INSERT INTO releases (class, name, sequence, version) VALUES ($1, $2, $3, $4)")
        .bind(class.to_string())
        .bind(name.as_str())
        .bind(number(release.sequence))
        .bind(&release.version)
        .execute(tx.sql())
        .await?;
    let sequence = Sequence::new(release.sequence)
        .map_err(|error| Error::Corrupt { what: "sequence", reason: error.to_string() })?;
    add_blobs(tx, class, name, sequence, blobs).await
}

/// As [`insert_release`], of a release that may be known already, and under another version.
pub async fn put_release(
    tx: &mut Tx,
    class: Class,
    name: &ComponentName,
    (sequence, version): (Sequence, &str),
    blobs: &[Digest],
) -> Result<()> {
    sqlx::query(
        "INSERT INTO releases (class, name, sequence, version) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (class, name, sequence) DO UPDATE SET version = excluded.version",
    )
    .bind(class.to_string())
    .bind(name.as_str())
    .bind(number(sequence.get()))
    .bind(version)
    .execute(tx.sql())
    .await?;
    add_blobs(tx, class, name, sequence, blobs).await
}

/// Notes more blobs that a release needs.
pub async fn add_blobs(
    tx: &mut Tx,
    class: Class,
    name: &ComponentName,
    sequence: Sequence,
    blobs: &[Digest],
) -> Result<()> {
    let digests: Vec<String> = blobs.iter().map(Digest::to_string).collect();
    sqlx::query(tx.dialect().batches().release_blobs)
        .bind(class.to_string())
        .bind(name.as_str())
        .bind(number(sequence.get()))
        .bind(to_json(&digests))
        .execute(tx.sql())
        .await?;
    Ok(())
}

/// Notes that every release before `oldest` has left the release list.
pub async fn drop_before(
    tx: &mut Tx,
    class: Class,
    name: &ComponentName,
    oldest: Sequence,
    now: Timestamp,
) -> Result<()> {
    sqlx::query(
        "UPDATE release_blobs SET dropped = $1 WHERE class = $2 AND name = $3 AND sequence < $4 AND dropped IS NULL",
    )
    .bind(now.as_second())
    .bind(class.to_string())
    .bind(name.as_str())
    .bind(number(oldest.get()))
    .execute(tx.sql())
    .await?;
    Ok(())
}

/// Notes that the releases from `oldest` on are listed, whatever was noted before.
pub async fn list_again(tx: &mut Tx, class: Class, name: &ComponentName, oldest: Sequence) -> Result<()> {
    sqlx::query("UPDATE release_blobs SET dropped = NULL WHERE class = $1 AND name = $2 AND sequence >= $3")
        .bind(class.to_string())
        .bind(name.as_str())
        .bind(number(oldest.get()))
        .execute(tx.sql())
        .await?;
    Ok(())
}

/// Notes that no release is listed any more.
pub async fn drop_all(tx: &mut Tx, class: Class, name: &ComponentName, now: Timestamp) -> Result<()> {
    sqlx::query("UPDATE release_blobs SET dropped = $1 WHERE class = $2 AND name = $3 AND dropped IS NULL")
        .bind(now.as_second())
        .bind(class.to_string())
        .bind(name.as_str())
        .execute(tx.sql())
        .await?;
    Ok(())
}

/// Deletes the blobs of releases that left the list before a time.
pub async fn forget_blobs(tx: &mut Tx, before: Timestamp) -> Result<()> {
    sqlx::query("DELETE FROM release_blobs WHERE dropped < $1")
        .bind(before.as_second())
        .execute(tx.sql())
        .await?;
    Ok(())
}
