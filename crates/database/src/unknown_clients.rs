//! Who asks the fleet listener and is not known: bounded, the one that asked last longest ago gives way.

use headwater_api::v1::UnknownClientView;
use jiff::Timestamp;
use sqlx::Row;

use crate::error::Result;
use crate::limits::{UNKNOWN_CLIENTS_MAX, UNKNOWN_CLIENTS_PROVEN_MAX};
use crate::{Connection, SqlRow, count, number, time};

/// One who asked.
#[derive(Debug, Clone, Copy)]
pub struct UnknownClient<'a> {
    /// The id that it says it has.
    pub client: &'a str,
    /// Fingerprint of the key that it showed, or nothing.
    pub key: &'a str,
    /// Why it is none of us.
    pub reason: &'a str,
    /// What it has proven.
    pub proof: Option<&'a Proof>,
}

/// What an unknown client has proven: a CA of this fleet has certified the key under the id, and it has the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// Its public key (base64).
    pub public_key: String,
    /// What secrets for it are sealed to (base64).
    pub encryption_key: String,
    /// When its certificate ends.
    pub certificate_end: Timestamp,
    /// Number of the renewal that proved it.
    pub renewal: u64,
}

/// One who has proven a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proven {
    /// Its id.
    pub client: String,
    /// Fingerprint of its key.
    pub key: String,
    /// What it has proven.
    pub proof: Proof,
}

/// Notes that an unknown client asked, from where, and how often since it was last noted; keeps at most so many with and without a
/// proof.
pub async fn note(
    db: &mut Connection,
    unknown_client: &UnknownClient<'_>,
    address: &str,
    times: u64,
    now: Timestamp,
) -> Result<()> {
    sqlx::query(
        "INSERT INTO unknown_clients (client, key, reason, address, count, first_seen, last_seen) VALUES (?1, ?2, ?3, ?4, ?6, \
         ?5, ?5) ON CONFLICT (client, key) DO UPDATE SET reason = excluded.reason, address = excluded.address, \
         count = count + excluded.count, last_seen = excluded.last_seen",
    )
    .bind(unknown_client.client)
    .bind(unknown_client.key)
    .bind(unknown_client.reason)
    .bind(address)
    .bind(now.as_second())
    .bind(number(times))
    .execute(db.sql())
    .await?;
    if let Some(proof) = unknown_client.proof {
        sqlx::query(
            "UPDATE unknown_clients SET public_key = ?, encryption_key = ?, certificate_end = ?, renewal = max(renewal, ?) \
             WHERE client = ? AND key = ?",
        )
        .bind(&proof.public_key)
        .bind(&proof.encryption_key)
        .bind(proof.certificate_end.as_second())
        .bind(number(proof.renewal))
        .bind(unknown_client.client)
        .bind(unknown_client.key)
        .execute(db.sql())
        .await?;
    }
    // Who has proven something is not pushed out by those who only ask.
    let is_proven = unknown_client.proof.is_some();
    sqlx::query(
        "DELETE FROM unknown_clients WHERE (client, key) IN (SELECT client, key FROM unknown_clients WHERE (public_key <> '') = ? \
         ORDER BY last_seen DESC, first_seen DESC LIMIT -1 OFFSET ?)",
    )
    .bind(is_proven)
    .bind(if is_proven { UNKNOWN_CLIENTS_PROVEN_MAX } else { UNKNOWN_CLIENTS_MAX })
    .execute(db.sql())
    .await?;
    Ok(())
}

/// Those who have proven a certificate, by id.
pub async fn proven(db: &mut Connection) -> Result<Vec<Proven>> {
    let rows = sqlx::query("SELECT * FROM unknown_clients WHERE public_key <> '' ORDER BY client, key");
    let each = |row: SqlRow| Proven {
        client: row.get("client"),
        key: row.get("key"),
        proof: Proof {
            public_key: row.get("public_key"),
            encryption_key: row.get("encryption_key"),
            certificate_end: time(row.get("certificate_end")),
            renewal: count(row.get("renewal")),
        },
    };
    Ok(rows.fetch_all(db.sql()).await?.into_iter().map(each).collect())
}

/// Everybody, who asked last first.
pub async fn all(db: &mut Connection) -> Result<Vec<UnknownClientView>> {
    let rows = sqlx::query("SELECT * FROM unknown_clients ORDER BY last_seen DESC, client")
        .fetch_all(db.sql())
        .await?;
    Ok(rows
        .into_iter()
        .map(|row| UnknownClientView {
            client: row.get("client"),
            key: row.get("key"),
            reason: row.get("reason"),
            proven: !row.get::<String, _>("public_key").is_empty(),
            address: row.get("address"),
            count: count(row.get("count")),
            first_seen: time(row.get("first_seen")),
            last_seen: time(row.get("last_seen")),
        })
        .collect())
}

/// Forgets a key or an id that is known from now on.
pub async fn forget(db: &mut Connection, client: &str, key: &str) -> Result<()> {
    sqlx::query("DELETE FROM unknown_clients WHERE client = ? OR (key <> '' AND key = ?)")
        .bind(client)
        .bind(key)
        .execute(db.sql())
        .await?;
    Ok(())
}

/// Forgets who has not asked since a time; says how many.
pub async fn delete_before(db: &mut Connection, before: Timestamp) -> Result<u64> {
    let done = sqlx::query("DELETE FROM unknown_clients WHERE last_seen < ?")
        .bind(before.as_second())
        .execute(db.sql())
        .await?;
    Ok(done.rows_affected())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AuditKey;
    use crate::Db;

    /// So many at once, and then one more as it comes in. How many are held then, without and with a proof.
    async fn noted(db: &mut Connection, count: u32, proof: Option<&Proof>) -> (u32, u32) {
        let public_key = proof.map_or("", |proof| &proof.public_key);
        sqlx::query(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1) INSERT INTO unknown_clients (client, \
             key, reason, address, count, first_seen, last_seen, public_key) SELECT 'pc-' || i || ?2, 'k', '', '', 1, 0, 0, \
             ?2 FROM n",
        )
        .bind(count)
        .bind(public_key)
        .execute(db.sql())
        .await
        .unwrap();
        let unknown_client = UnknownClient { client: "pc", key: public_key, reason: "unknown", proof };
        note(db, &unknown_client, "10.0.0.1", 1, Timestamp::UNIX_EPOCH).await.unwrap();
        let held: Vec<UnknownClientView> = all(db).await.unwrap();
        let proven = held.iter().filter(|one| one.proven).count();
        (u32::try_from(held.len() - proven).unwrap(), u32::try_from(proven).unwrap())
    }

    #[tokio::test]
    async fn who_only_asks_does_not_push_out_who_has_proven_something() {
        let folder = tempfile::tempdir().unwrap();
        let key = AuditKey::new(&[1; 32]);
        let db = Db::open(&folder.path().join("server.db"), key).await.unwrap();
        let mut tx = db.begin().await.unwrap();
        let proof = Proof {
            public_key: "p".to_owned(),
            encryption_key: "s".to_owned(),
            certificate_end: Timestamp::UNIX_EPOCH,
            renewal: 1,
        };
        assert_eq!(
            noted(&mut tx, UNKNOWN_CLIENTS_PROVEN_MAX - 1, Some(&proof)).await,
            (0, UNKNOWN_CLIENTS_PROVEN_MAX)
        );
        let both = (UNKNOWN_CLIENTS_MAX, UNKNOWN_CLIENTS_PROVEN_MAX);
        assert_eq!(noted(&mut tx, UNKNOWN_CLIENTS_MAX, None).await, both);
        let another = UnknownClient { client: "pc-0", key: "p", reason: "unknown", proof: Some(&proof) };
        note(&mut tx, &another, "10.0.0.1", 1, Timestamp::UNIX_EPOCH).await.unwrap();
        assert_eq!(
            all(&mut tx).await.unwrap().len(),
            (UNKNOWN_CLIENTS_MAX + UNKNOWN_CLIENTS_PROVEN_MAX) as usize
        );
    }
}
