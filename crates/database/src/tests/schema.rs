//! The schema, the two texts of it, and what the file holds when the disk is full.

use std::collections::BTreeMap;

use sqlx::Row;

use super::{TEST, check, key, run_script};
use crate::{Db, Error};

/// Tables and their columns, by the text of a schema.
fn tables(schema: &str) -> BTreeMap<String, Vec<String>> {
    let mut tables = BTreeMap::new();
    for part in schema.split("CREATE TABLE ").skip(1) {
        let (name, rest) = part.split_once(" (").unwrap();
        let body = rest.split("\n)").next().unwrap();
        let columns = body.lines().filter_map(|line| line.split_whitespace().next());
        let is_column = |word: &&str| {
            word.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_' || letter.is_ascii_digit())
        };
        tables.insert(name.to_owned(), columns.filter(is_column).map(str::to_owned).collect());
    }
    tables
}

#[test]
fn both_schemas_have_the_same_tables_and_columns() {
    let sqlite = tables(include_str!("../../schema/sqlite.sql"));
    let mut postgres = tables(include_str!("../../schema/postgres.sql"));
    assert_eq!(
        postgres.remove("writer"),
        Some(vec!["id".to_owned()]),
        "the lock of changes is PostgreSQL's alone"
    );
    assert!(sqlite.len() > 25 && sqlite["runs"].len() > 10, "{sqlite:?}");
    assert_eq!(sqlite, postgres);
}

#[tokio::test]
async fn a_database_of_another_schema_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("server.db");
    let open = async || Db::open(&path, key()).await;
    let db = open().await.unwrap();
    let mut tx = db.begin().await.unwrap();
    run_script(&mut tx, "UPDATE schema_version SET version = 7").await.unwrap();
    tx.commit(TEST).await.unwrap();
    db.close().await;
    let refused = open().await.unwrap_err();
    assert!(matches!(refused, Error::Schema { found: 7, expected: 1 }), "{refused:?}");
    assert!(refused.to_string().contains("has schema 7, and this program reads schema 1"), "{refused}");
}

#[tokio::test]
async fn tables_without_a_schema_version_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("server.db");
    let db = Db::open(&path, key()).await.unwrap();
    let mut tx = db.begin().await.unwrap();
    run_script(&mut tx, "DROP TABLE schema_version").await.unwrap();
    tx.commit(TEST).await.unwrap();
    db.close().await;
    let refused = Db::open(&path, key()).await.unwrap_err();
    assert!(matches!(refused, Error::Schema { found: 0, .. }), "{refused:?}");
}

#[tokio::test]
async fn a_path_may_have_any_characters_of_an_address() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a b?c#d%20é.db");
    Db::open(&path, key()).await.unwrap().close().await;
    assert!(path.exists());
    assert!(std::fs::metadata(&path).unwrap().len() > 0, "the tables are in this file and no other");
}

#[tokio::test]
async fn a_full_disk_does_not_outlast_itself() {
    let folder = tempfile::tempdir().unwrap();
    let db = Db::open(&folder.path().join("server.db"), key()).await.unwrap();
    let insert = |bytes: i64| {
        sqlx::query("INSERT INTO drafts VALUES (hex(randomblob(8)), 1, 1, 1, 1, 1, hex(zeroblob($1)))")
            .bind(bytes)
    };
    for round in 0..3 {
        // SQLite reports a full disk when its file may not grow.
        sqlx::query("PRAGMA max_page_count = 1").execute(&db.writer).await.unwrap();
        let mut tx = db.begin().await.unwrap();
        let error = insert(10_000_000).execute(tx.sql()).await.unwrap_err();
        assert!(Error::from(error).is_disk_full(), "round {round}");
        drop(tx);
        let mut tx = match db.begin().await {
            Ok(tx) => tx,
            Err(error) => panic!("round {round}: {error:?}"),
        };
        sqlx::query("PRAGMA max_page_count = 1000000").execute(tx.sql()).await.unwrap();
        insert(10_000).execute(tx.sql()).await.unwrap();
        tx.commit(TEST).await.unwrap();
    }
}

#[tokio::test]
async fn a_copy_has_everything_but_the_keys_of_confidential_domains() {
    let folder = tempfile::tempdir().unwrap();
    let db = Db::open(&folder.path().join("server.db"), key()).await.unwrap();
    let mut tx = db.begin().await.unwrap();
    super::put_domain(&mut tx, "root").await;
    crate::fleet::put_domain_key(&mut tx, "root", "secret-of-root", super::at(1)).await.unwrap();
    tx.commit(TEST).await.unwrap();
    let copy = folder.path().join("a copy.db");
    db.copy_to(&copy).await.unwrap();
    assert!(!std::fs::read(&copy).unwrap().windows(14).any(|bytes| bytes == b"secret-of-root"));
    let copied = Db::open(&copy, key()).await.unwrap();
    assert_eq!(copied.domains().await.unwrap().len(), 1);
    let mut connection = copied.connection().await.unwrap();
    assert_eq!(crate::fleet::domain_key(&mut connection, "root").await.unwrap(), None);
}

#[tokio::test]
async fn changes_follow_one_another() {
    check(async |db| {
        let add = async |db: &Db| {
            let mut tx = db.begin().await.unwrap();
            let known: i64 =
                sqlx::query_scalar("SELECT count(*) FROM announced").fetch_one(tx.sql()).await.unwrap();
            let insert = sqlx::query("INSERT INTO announced (repository, targets_version) VALUES ($1, 1)");
            insert.bind(format!("class {known}")).execute(tx.sql()).await.unwrap();
            tx.commit(TEST).await.unwrap();
        };
        // As two processes would: each has a writer of its own.
        let other = db.again().await;
        for _ in 0..5 {
            tokio::join!(add(&db), add(&other), add(&db), add(&other));
        }
        let row = sqlx::query("SELECT count(*) AS count FROM announced").fetch_one(db.read()).await.unwrap();
        assert_eq!(row.get::<i64, _>("count"), 20);
        other.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_change_that_is_dropped_changes_nothing() {
    check(async |db| {
        let mut tx = db.begin().await.unwrap();
        super::put_domain(&mut tx, "root").await;
        assert_eq!(tx.domains().await.unwrap().len(), 1, "the change sees itself");
        assert!(db.domains().await.unwrap().is_empty());
        drop(tx);
        assert!(db.domains().await.unwrap().is_empty());
        db.begin().await.unwrap().commit(TEST).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn text_orders_by_byte() {
    check(async |db| {
        let mut tx = db.begin().await.unwrap();
        for path in ["root/b", "root", "root/a-b", "root/a/b", "root/B", "root/ä", "root/_"] {
            super::put_domain(&mut tx, path).await;
        }
        tx.commit(TEST).await.unwrap();
        let paths: Vec<String> = db.domains().await.unwrap().into_iter().map(|row| row.path).collect();
        let mut sorted = paths.clone();
        sorted.sort();
        assert_eq!(paths, sorted);
    })
    .await;
}
