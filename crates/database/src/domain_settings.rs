//! Saved versions and drafts of what is set at each domain (S7, D1).

use headwater_api::v1::DomainSettings;
use jiff::Timestamp;
use sqlx::Row;

use crate::error::Result;
use crate::policies::DraftOwner;
use crate::{Connection, Db, SqlRow, Tx, count, json, number, time, to_json};

/// One saved version without its content.
#[derive(Debug, Clone, PartialEq)]
pub struct VersionLine {
    /// From 1.
    pub version: u64,
    /// When.
    pub saved: Timestamp,
    /// Who saved it, as the audit log names them.
    pub saved_by: String,
    /// Why.
    pub comment: String,
    /// Settings, values and files in it.
    pub items: u64,
}

/// One saved version.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredVersion {
    /// From 1.
    pub version: u64,
    /// When.
    pub saved: Timestamp,
    /// Who saved it, as the audit log names them.
    pub saved_by: String,
    /// Why.
    pub comment: String,
    /// What was set.
    pub set: DomainSettings,
}

/// One stored draft.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredSettingsDraft {
    /// The domain.
    pub path: String,
    /// Whose it is.
    pub owner: DraftOwner,
    /// Its name; its owner has no other of this name for the domain.
    pub name: String,
    /// The saved version it began from.
    pub base_version: u64,
    /// Counts its edits, from 1.
    pub revision: u64,
    /// When it was last edited.
    pub edited: Timestamp,
    /// What would be set.
    pub set: DomainSettings,
}

impl Connection {
    /// One version of a domain.
    pub async fn domain_version(&mut self, path: &str, version: u64) -> Result<Option<StoredVersion>> {
        let row = sqlx::query(
            "SELECT version, saved, saved_by, comment, content FROM domain_versions WHERE path = $1 AND version = $2",
        )
        .bind(path)
        .bind(number(version))
        .fetch_optional(self.sql())
        .await?;
        row.map(|row| {
            Ok(StoredVersion {
                version: count(row.get("version")),
                saved: time(row.get("saved")),
                saved_by: row.get("saved_by"),
                comment: row.get("comment"),
                set: json("domain version", row.get("content"))?,
            })
        })
        .transpose()
    }

    /// The newest version ever saved at a path, of a present or former domain; 0 if there is none.
    pub async fn domain_version_last(&mut self, path: &str) -> Result<u64> {
        let row =
            sqlx::query("SELECT coalesce(max(version), 0) AS version FROM domain_versions WHERE path = $1")
                .bind(path)
                .fetch_one(self.sql())
                .await?;
        Ok(count(row.get("version")))
    }

    /// One draft.
    pub async fn settings_draft(
        &mut self,
        path: &str,
        owner: &str,
        name: &str,
    ) -> Result<Option<StoredSettingsDraft>> {
        let row = sqlx::query(
            "SELECT path, owner, owner_name, name, base_version, revision, edited, content FROM domain_drafts \
             WHERE path = $1 AND owner = $2 AND name = $3",
        )
        .bind(path)
        .bind(owner)
        .bind(name)
        .fetch_optional(self.sql())
        .await?;
        row.map(|row| draft(&row)).transpose()
    }

    /// How many drafts are stored: of one domain, or of all.
    pub async fn settings_drafts_count(&mut self, path: Option<&str>) -> Result<u64> {
        let of_one = "SELECT count(*) FROM domain_drafts WHERE path = $1";
        let query = match path {
            Some(path) => sqlx::query_scalar(of_one).bind(path),
            None => sqlx::query_scalar("SELECT count(*) FROM domain_drafts"),
        };
        Ok(count(query.fetch_one(self.sql()).await?))
    }
}

impl Db {
    /// One version of a domain.
    pub async fn domain_version(&self, path: &str, version: u64) -> Result<Option<StoredVersion>> {
        self.connection().await?.domain_version(path, version).await
    }

    /// Versions of a domain older than `before`, newest first.
    pub async fn domain_versions(&self, path: &str, before: u64, limit: u32) -> Result<Vec<VersionLine>> {
        let rows = sqlx::query(
            "SELECT version, saved, saved_by, comment, items FROM domain_versions WHERE path = $1 AND version < $2 \
             ORDER BY version DESC LIMIT $3",
        )
        .bind(path)
        .bind(number(before))
        .bind(i64::from(limit))
        .fetch_all(self.read())
        .await?;
        let line = |row: &SqlRow| VersionLine {
            version: count(row.get("version")),
            saved: time(row.get("saved")),
            saved_by: row.get("saved_by"),
            comment: row.get("comment"),
            items: count(row.get("items")),
        };
        Ok(rows.iter().map(line).collect())
    }

    /// The drafts of a domain, by owner and name.
    pub async fn settings_drafts(&self, path: &str) -> Result<Vec<StoredSettingsDraft>> {
        let rows = sqlx::query(
            "SELECT path, owner, owner_name, name, base_version, revision, edited, content FROM domain_drafts \
             WHERE path = $1 ORDER BY owner, name",
        )
        .bind(path)
        .fetch_all(self.read())
        .await?;
        rows.iter().map(draft).collect()
    }

    /// Domain, owner and name of every draft.
    pub async fn settings_draft_names(&self) -> Result<Vec<(String, DraftOwner, String)>> {
        let statement = "SELECT path, owner, owner_name, name FROM domain_drafts ORDER BY path, owner, name";
        let rows = sqlx::query(statement).fetch_all(self.read()).await?;
        Ok(rows.iter().map(|row| (row.get("path"), DraftOwner::of(row), row.get("name"))).collect())
    }
}

/// Adds a version.
pub async fn insert_version(tx: &mut Tx, path: &str, version: &StoredVersion) -> Result<()> {
    let set = &version.set;
    let items = set.settings.len() + set.values.len() + set.files.len();
    sqlx::query(
        "INSERT INTO domain_versions (path, version, saved, saved_by, comment, content, items) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(path)
    .bind(number(version.version))
    .bind(version.saved.as_second())
    .bind(&version.saved_by)
    .bind(&version.comment)
    .bind(to_json(set))
    .bind(number(items as u64))
    .execute(tx.sql())
    .await?;
    Ok(())
}

/// Stores a draft.
pub async fn put_draft(tx: &mut Tx, draft: &StoredSettingsDraft) -> Result<()> {
    sqlx::query(
        "INSERT INTO domain_drafts (path, owner, owner_name, name, base_version, revision, edited, content) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (path, owner, name) DO UPDATE SET \
         base_version = excluded.base_version, revision = excluded.revision, edited = excluded.edited, \
         content = excluded.content",
    )
    .bind(&draft.path)
    .bind(&draft.owner.key)
    .bind(&draft.owner.name)
    .bind(&draft.name)
    .bind(number(draft.base_version))
    .bind(number(draft.revision))
    .bind(draft.edited.as_second())
    .bind(to_json(&draft.set))
    .execute(tx.sql())
    .await?;
    Ok(())
}

/// Removes a draft; returns whether there was one.
pub async fn delete_draft(tx: &mut Tx, path: &str, owner: &str, name: &str) -> Result<bool> {
    let done = sqlx::query("DELETE FROM domain_drafts WHERE path = $1 AND owner = $2 AND name = $3")
        .bind(path)
        .bind(owner)
        .bind(name)
        .execute(tx.sql())
        .await?;
    Ok(done.rows_affected() > 0)
}

fn draft(row: &SqlRow) -> Result<StoredSettingsDraft> {
    Ok(StoredSettingsDraft {
        path: row.get("path"),
        owner: DraftOwner::of(row),
        name: row.get("name"),
        base_version: count(row.get("base_version")),
        revision: count(row.get("revision")),
        edited: time(row.get("edited")),
        set: json("domain draft", row.get("content"))?,
    })
}
