//! Deltas in inventory, and the version of each class that is announced.

use std::collections::BTreeMap;

use headwater_policy::Class;
use headwater_repo::{ComponentName, Delta, DeltaFormat, Digest, Inventory, InventoryItem};
use jiff::Timestamp;
use sqlx::Row;

use crate::error::{Error, Result};
use crate::{Db, SqlRow, Tx, count, number};

impl Db {
    /// Every delta of a class in inventory.
    pub async fn inventory(&self, class: Class) -> Result<Inventory> {
        let rows = sqlx::query(
            "SELECT base, result, taken, sha256, size, memory, format FROM deltas WHERE class = ?",
        )
        .bind(class.to_string())
        .fetch_all(self.read())
        .await?;
        let digest = |text: &str| {
            let corrupt = |error: headwater_repo::DigestError| Error::Corrupt {
                what: "digest of a delta",
                reason: error.to_string(),
            };
            text.parse::<Digest>().map_err(corrupt)
        };
        let mut inventory = Inventory::new();
        for row in rows {
            let (base, result) = (digest(row.get("base"))?, digest(row.get("result"))?);
            let item = match row.get::<Option<&str>, _>("sha256") {
                None => InventoryItem::Useless,
                Some(sha256) => {
                    let format: &str = row.get("format");
                    let delta = Delta {
                        base,
                        sha256: digest(sha256)?,
                        size: count(row.get("size")),
                        format: match format {
                            word if word == DeltaFormat::Headwater1.as_str() => DeltaFormat::Headwater1,
                            word => DeltaFormat::Other(word.to_owned()),
                        },
                        memory: count(row.get("memory")),
                    };
                    match row.get::<i64, _>("taken") {
                        0 => InventoryItem::Made(delta),
                        _ => InventoryItem::Taken(delta),
                    }
                }
            };
            inventory.insert((base, result), item);
        }
        Ok(inventory)
    }

    /// How many clients said last that they have each release of a component, by sequence.
    pub async fn clients_at(&self, class: Class, name: &ComponentName) -> Result<BTreeMap<u64, u64>> {
        // Names are lower-case letters, digits, dots, dashes and underscores: nothing to be quoted within the quotes.
        let path = format!("$.installed.{class}.\"{name}\".sequence");
        let rows = sqlx::query(
            "SELECT json_extract(body, ?) AS sequence, count(*) AS clients FROM reports \
             WHERE number IN (SELECT max(number) FROM reports GROUP BY client) GROUP BY 1",
        )
        .bind(path)
        .fetch_all(self.read())
        .await?;
        let at = |row: SqlRow| {
            Some((
                count(row.get::<Option<i64>, _>("sequence").filter(|n| *n >= 0)?),
                count(row.get("clients")),
            ))
        };
        Ok(rows.into_iter().filter_map(at).collect())
    }

    /// The announced version of each class; none where nothing was published since versions are noted.
    pub async fn announced(&self) -> Result<BTreeMap<String, u64>> {
        let rows = sqlx::query("SELECT class, targets_version FROM announced").fetch_all(self.read()).await?;
        Ok(rows.into_iter().map(|row| (row.get("class"), count(row.get("targets_version")))).collect())
    }
}

/// Puts a delta in inventory; `None`: it was tried, and is useless.
pub async fn put(
    tx: &mut Tx,
    class: Class,
    (base, result): (Digest, Digest),
    taken: bool,
    delta: Option<&Delta>,
) -> Result<()> {
    sqlx::query(
        "INSERT OR REPLACE INTO deltas (class, base, result, taken, sha256, size, memory, format, dropped) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL)",
    )
    .bind(class.to_string())
    .bind(base.to_string())
    .bind(result.to_string())
    .bind(i64::from(taken))
    .bind(delta.map(|delta| delta.sha256.to_string()))
    .bind(number(delta.map_or(0, |delta| delta.size)))
    .bind(number(delta.map_or(0, |delta| delta.memory)))
    .bind(delta.map_or_else(String::new, |delta| delta.format.to_string()))
    .execute(tx.sql())
    .await?;
    Ok(())
}

/// Notes whether a delta is named by a signed manifest.
pub async fn mark(
    tx: &mut Tx,
    class: Class,
    (base, result): (Digest, Digest),
    named: bool,
    now: Timestamp,
) -> Result<()> {
    let sql = if named {
        "UPDATE deltas SET dropped = NULL WHERE class = ?1 AND base = ?2 AND result = ?3 AND ?4 IS NOT NULL"
    } else {
        "UPDATE deltas SET dropped = ifnull(dropped, ?4) WHERE class = ?1 AND base = ?2 AND result = ?3"
    };
    sqlx::query(sql)
        .bind(class.to_string())
        .bind(base.to_string())
        .bind(result.to_string())
        .bind(now.as_second())
        .execute(tx.sql())
        .await?;
    Ok(())
}

/// Forgets deltas that were dropped before a time.
pub async fn forget(tx: &mut Tx, before: Timestamp) -> Result<()> {
    sqlx::query("DELETE FROM deltas WHERE dropped < ?").bind(before.as_second()).execute(tx.sql()).await?;
    Ok(())
}

/// Notes the version at which a class's content changed.
pub async fn announce(tx: &mut Tx, class: Class, targets_version: u64) -> Result<()> {
    sqlx::query("INSERT OR REPLACE INTO announced (class, targets_version) VALUES (?, ?)")
        .bind(class.to_string())
        .bind(number(targets_version))
        .execute(tx.sql())
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AuditKey;
    use crate::audit::Audit;

    async fn open(folder: &tempfile::TempDir) -> Db {
        let key = AuditKey::new(&[1; 32]);
        Db::open(&folder.path().join("server.db"), key).await.unwrap()
    }

    #[tokio::test]
    async fn clients_count_where_their_last_report_has_them() {
        let folder = tempfile::tempdir().unwrap();
        let db = open(&folder).await;
        let mut tx = db.begin().await.unwrap();
        let reports =
            [("a", 1, Some(3)), ("a", 2, Some(4)), ("b", 1, Some(4)), ("c", 1, Some(2)), ("d", 1, None)];
        for (client, run, sequence) in reports {
            let installed = sequence.map_or_else(String::new, |sequence| {
                format!(r#""rules-1.x": {{"sequence": {sequence}, "version": "v"}}"#)
            });
            let body = format!(r#"{{"installed": {{"components": {{{installed}}}, "programs": {{}}}}}}"#);
            sqlx::query(
                "INSERT INTO reports (client, run, started, received, body) VALUES (?, ?, 't', 0, ?)",
            )
            .bind(client)
            .bind(run)
            .bind(body)
            .execute(tx.sql())
            .await
            .unwrap();
        }
        tx.commit(Audit::Exempt("a test")).await.unwrap();
        let name = ComponentName::new("rules-1.x").unwrap();
        let at = |pairs: &[(u64, u64)]| pairs.iter().copied().collect::<BTreeMap<_, _>>();
        assert_eq!(db.clients_at(Class::Components, &name).await.unwrap(), at(&[(2, 1), (4, 2)]));
        assert_eq!(db.clients_at(Class::Programs, &name).await.unwrap(), at(&[]));
    }

    #[tokio::test]
    async fn stock_is_kept_marked_and_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let db = open(&folder).await;
        let digest = |text: &str| Digest::of(text.as_bytes());
        let delta = |text: &str| Delta {
            base: digest("old"),
            sha256: digest(text),
            size: 7,
            format: DeltaFormat::Other("of_tomorrow".to_owned()),
            memory: 9,
        };
        let pair = |result: &str| (digest("old"), digest(result));
        let mut tx = db.begin().await.unwrap();
        put(&mut tx, Class::Components, pair("made"), false, Some(&delta("a"))).await.unwrap();
        put(&mut tx, Class::Components, pair("taken"), true, Some(&delta("b"))).await.unwrap();
        put(&mut tx, Class::Components, pair("useless"), false, None).await.unwrap();
        tx.commit(Audit::Exempt("a test")).await.unwrap();
        let inventory = db.inventory(Class::Components).await.unwrap();
        assert_eq!(inventory[&pair("made")], InventoryItem::Made(delta("a")));
        assert_eq!(inventory[&pair("taken")], InventoryItem::Taken(delta("b")));
        assert_eq!(inventory[&pair("useless")], InventoryItem::Useless);
        assert!(db.blobs(Class::Components).await.unwrap().contains(&digest("a")));

        let time = |second| Timestamp::from_second(second).unwrap();
        let mut tx = db.begin().await.unwrap();
        mark(&mut tx, Class::Components, pair("made"), false, time(100)).await.unwrap();
        mark(&mut tx, Class::Components, pair("taken"), false, time(100)).await.unwrap();
        // Still not named: since the first time. Named again: not at all.
        mark(&mut tx, Class::Components, pair("made"), false, time(200)).await.unwrap();
        mark(&mut tx, Class::Components, pair("taken"), true, time(200)).await.unwrap();
        forget(&mut tx, time(150)).await.unwrap();
        tx.commit(Audit::Exempt("a test")).await.unwrap();
        let left = db.inventory(Class::Components).await.unwrap();
        assert!(!left.contains_key(&pair("made")) && left.len() == 2, "{left:?}");
    }
}
