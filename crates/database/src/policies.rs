//! Saved versions of the policy, and drafts (S7).

use headwater_api::policy::PolicyDocument;
use jiff::Timestamp;
use sqlx::Row;

use crate::client_states::Wanted;
use crate::error::{Error, Result};
use crate::{Connection, Db, SqlRow, Tx, count, json, number, time, to_json};

/// One saved version.
#[derive(Debug, Clone, PartialEq)]
pub struct PolicyRow {
    /// From 1.
    pub version: u64,
    /// When.
    pub saved: Timestamp,
    /// Who saved it, as the audit log names them.
    pub saved_by: String,
    /// Why.
    pub comment: String,
    /// The policy.
    pub document: PolicyDocument,
    /// The vendor's root metadata, if there is a vendor source.
    pub vendor_root: Option<serde_json::Value>,
}

/// Whose draft it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DraftOwner {
    /// What tells owners apart: the name of an administrator of this server, or whatever else never becomes another's.
    pub key: String,
    /// What people call them.
    pub name: String,
}

impl DraftOwner {
    pub(crate) fn of(row: &SqlRow) -> Self {
        Self { key: row.get("owner"), name: row.get("owner_name") }
    }
}

/// One stored draft.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredDraft {
    /// Whose it is.
    pub owner: DraftOwner,
    /// Its name; its owner has no other of this name.
    pub name: String,
    /// The saved version it began from.
    pub base_version: u64,
    /// Counts its edits, from 1.
    pub revision: u64,
    /// When it was last edited.
    pub edited: Timestamp,
    /// Mode, options and entries count; the rest is as it was.
    pub document: PolicyDocument,
}

impl Connection {
    /// The current version; `None` before the first start is over.
    pub async fn policy_latest(&mut self) -> Result<Option<PolicyRow>> {
        let row = sqlx::query("SELECT version, saved, saved_by, comment, document, vendor_root FROM policies ORDER BY version DESC LIMIT 1")
            .fetch_optional(self.sql())
            .await?;
        row.map(|row| saved(&row)).transpose()
    }

    /// The current version, which must be there.
    pub async fn policy_now(&mut self) -> Result<PolicyRow> {
        self.policy_latest()
            .await?
            .ok_or_else(|| Error::Corrupt { what: "policy", reason: "there is no version at all".to_owned() })
    }

    /// One version.
    pub async fn policy(&mut self, version: u64) -> Result<Option<PolicyRow>> {
        let row = sqlx::query(
            "SELECT version, saved, saved_by, comment, document, vendor_root FROM policies WHERE version = $1",
        )
        .bind(number(version))
        .fetch_optional(self.sql())
        .await?;
        row.map(|row| saved(&row)).transpose()
    }

    /// One draft.
    pub async fn draft(&mut self, owner: &str, name: &str) -> Result<Option<StoredDraft>> {
        let row = sqlx::query(
            "SELECT owner, owner_name, name, base_version, revision, edited, document FROM drafts \
             WHERE owner = $1 AND name = $2",
        )
        .bind(owner)
        .bind(name)
        .fetch_optional(self.sql())
        .await?;
        row.map(|row| draft(&row)).transpose()
    }

    /// How many drafts are stored.
    pub async fn drafts_count(&mut self) -> Result<u64> {
        Ok(count(sqlx::query_scalar("SELECT count(*) FROM drafts").fetch_one(self.sql()).await?))
    }
}

impl Db {
    /// The current version; `None` before the first start is over.
    pub async fn policy_latest(&self) -> Result<Option<PolicyRow>> {
        self.connection().await?.policy_latest().await
    }

    /// The current version, which must be there.
    pub async fn policy_now(&self) -> Result<PolicyRow> {
        self.connection().await?.policy_now().await
    }

    /// One version.
    pub async fn policy(&self, version: u64) -> Result<Option<PolicyRow>> {
        self.connection().await?.policy(version).await
    }

    /// Versions older than `before`, newest first.
    pub async fn policies(&self, before: u64, limit: u32) -> Result<Vec<PolicyRow>> {
        let rows = sqlx::query("SELECT version, saved, saved_by, comment, document, vendor_root FROM policies WHERE version < $1 ORDER BY version DESC LIMIT $2")
            .bind(number(before))
            .bind(i64::from(limit))
            .fetch_all(self.read())
            .await?;
        rows.iter().map(saved).collect()
    }

    /// Every draft, by owner and name.
    pub async fn drafts(&self) -> Result<Vec<StoredDraft>> {
        let rows = sqlx::query(
            "SELECT owner, owner_name, name, base_version, revision, edited, document FROM drafts \
             ORDER BY owner, name",
        )
        .fetch_all(self.read())
        .await?;
        rows.iter().map(draft).collect()
    }
}

/// Adds a version.
pub async fn insert(tx: &mut Tx, policy: &PolicyRow) -> Result<()> {
    sqlx::query(
        "INSERT INTO policies (version, saved, saved_by, comment, document, vendor_root) VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(number(policy.version))
    .bind(policy.saved.as_second())
    .bind(&policy.saved_by)
    .bind(&policy.comment)
    .bind(to_json(&policy.document))
    .bind(policy.vendor_root.as_ref().map(to_json))
    .execute(tx.sql())
    .await?;
    tx.stale().note_wanted(Wanted::Policy, Some(policy.saved));
    Ok(())
}

/// Stores a draft.
pub async fn put_draft(tx: &mut Tx, draft: &StoredDraft) -> Result<()> {
    sqlx::query("INSERT INTO drafts (owner, owner_name, name, base_version, revision, edited, document) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (owner, name) DO UPDATE SET base_version = excluded.base_version, \
         revision = excluded.revision, edited = excluded.edited, document = excluded.document")
        .bind(&draft.owner.key)
        .bind(&draft.owner.name)
        .bind(&draft.name)
        .bind(number(draft.base_version))
        .bind(number(draft.revision))
        .bind(draft.edited.as_second())
        .bind(to_json(&draft.document))
        .execute(tx.sql())
        .await?;
    Ok(())
}

/// Removes a draft; returns whether there was one.
pub async fn delete_draft(tx: &mut Tx, owner: &str, name: &str) -> Result<bool> {
    let done = sqlx::query("DELETE FROM drafts WHERE owner = $1 AND name = $2")
        .bind(owner)
        .bind(name)
        .execute(tx.sql())
        .await?;
    Ok(done.rows_affected() > 0)
}

/// Keeps the drafts of an administrator who was removed, and those of the tokens that go too (`NAME/…`), of the source list and
/// of domains, under an owner that nobody becomes: the next administrator of that name does not own them.
pub async fn keep_drafts_of_removed(tx: &mut Tx, administrator: &str, removed: Timestamp) -> Result<()> {
    for statement in [
        "UPDATE drafts SET owner = $2 || owner, owner_name = owner_name || ' (removed)' \
         WHERE owner = $1 OR substr(owner, 1, length($1) + 1) = $1 || '/'",
        "UPDATE domain_drafts SET owner = $2 || owner, owner_name = owner_name || ' (removed)' \
         WHERE owner = $1 OR substr(owner, 1, length($1) + 1) = $1 || '/'",
    ] {
        sqlx::query(statement)
            .bind(administrator)
            .bind(format!("removed:{}:", removed.as_second()))
            .execute(tx.sql())
            .await?;
    }
    Ok(())
}

fn saved(row: &SqlRow) -> Result<PolicyRow> {
    let root: Option<String> = row.get("vendor_root");
    Ok(PolicyRow {
        version: count(row.get("version")),
        saved: time(row.get("saved")),
        saved_by: row.get("saved_by"),
        comment: row.get("comment"),
        document: json("policy", row.get("document"))?,
        vendor_root: root.as_deref().map(|text| json("vendor root", text)).transpose()?,
    })
}

fn draft(row: &SqlRow) -> Result<StoredDraft> {
    Ok(StoredDraft {
        owner: DraftOwner::of(row),
        name: row.get("name"),
        base_version: count(row.get("base_version")),
        revision: count(row.get("revision")),
        edited: time(row.get("edited")),
        document: json("draft", row.get("document"))?,
    })
}
