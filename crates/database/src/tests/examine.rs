//! What a file of a database is found to be.

use std::fs;
use std::path::Path;

use super::{TEST, key, run_script};
use crate::Db;
use crate::examine::{DatabaseFile, Unusable, bounded, examine, examine_within};
use crate::limits::{CHECKED_WHOLE_BYTES_MAX, FINDING_CHARS_MAX};

/// A sound database, closed.
async fn made(path: &Path) {
    let db = Db::open(path, key()).await.unwrap();
    db.close().await;
}

async fn scripted(path: &Path, script: &'static str) {
    let db = Db::open(path, key()).await.unwrap();
    let mut tx = db.begin().await.unwrap();
    run_script(&mut tx, script).await.unwrap();
    tx.commit(TEST).await.unwrap();
    db.close().await;
}

async fn check(spoil: impl AsyncFn(&Path), expected: impl Fn(&DatabaseFile) -> bool) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("server.db");
    made(&path).await;
    assert_eq!(examine(&path).await.unwrap(), DatabaseFile::Sound);
    spoil(&path).await;
    let before = fs::read(&path).ok();
    let found = examine(&path).await.unwrap();
    assert!(expected(&found), "{found:?}");
    assert_eq!(fs::read(&path).ok(), before, "looking changed it");
}

fn unusable(found: &DatabaseFile) -> &Unusable {
    let DatabaseFile::Unusable(why) = found else { panic!("{found:?}") };
    why
}

#[tokio::test]
async fn an_empty_file_is_no_sound_database() {
    check(async |path| fs::remove_file(path).unwrap(), |found| *found == DatabaseFile::Missing).await;
    check(async |path| fs::write(path, b"").unwrap(), |found| *found == DatabaseFile::Empty).await;
}

#[tokio::test]
async fn what_is_no_database_or_only_a_part_of_one_has_a_name() {
    check(async |path| fs::write(path, "hello").unwrap(), |found| *unusable(found) == Unusable::NoDatabase)
        .await;
    check(
        async |path| {
            let bytes = fs::read(path).unwrap();
            fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
        },
        |found| matches!(unusable(found), Unusable::Truncated { .. }),
    )
    .await;
    check(
        async |path| {
            let mut bytes = fs::read(path).unwrap();
            // Every page but the first.
            bytes[4096..].fill(0xa5);
            fs::write(path, bytes).unwrap();
        },
        |found| matches!(unusable(found), Unusable::Damaged(_)),
    )
    .await;
}

#[tokio::test]
async fn other_schemas_and_half_a_schema_have_a_name() {
    check(
        async |path| scripted(path, "UPDATE schema_version SET version = 7").await,
        |found| *unusable(found) == Unusable::Newer { found: 7 },
    )
    .await;
    check(
        async |path| scripted(path, "DROP TABLE announced").await,
        |found| unusable(found).to_string().contains("announced is missing"),
    )
    .await;
    check(
        async |path| scripted(path, "ALTER TABLE announced ADD COLUMN more TEXT").await,
        |found| unusable(found).to_string().contains("announced is not one of them"),
    )
    .await;
    check(
        async |path| scripted(path, "DELETE FROM schema_version").await,
        |found| unusable(found).to_string().contains("no schema version"),
    )
    .await;
}

/// Fills the first page of a table with something else.
async fn garble(path: &Path, table: &str) {
    let db = Db::open(path, key()).await.unwrap();
    let statement = "SELECT rootpage FROM sqlite_schema WHERE name = $1";
    let root: i64 = sqlx::query_scalar(statement).bind(table).fetch_one(&db.readers).await.unwrap();
    db.close().await;
    let mut bytes = fs::read(path).unwrap();
    let at = (usize::try_from(root).unwrap() - 1) * 4096;
    bytes[at..at + 4096].fill(0xa5);
    fs::write(path, bytes).unwrap();
}

#[tokio::test]
async fn of_a_large_database_only_what_publishing_needs_is_looked_at() {
    let check = async |table: &str, is_found_in_part: bool| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("server.db");
        made(&path).await;
        garble(&path, table).await;
        let length = fs::metadata(&path).unwrap().len();
        assert!(length <= CHECKED_WHOLE_BYTES_MAX);
        for found in [examine(&path).await.unwrap(), examine_within(&path, length).await.unwrap()] {
            assert!(matches!(unusable(&found), Unusable::Damaged(_)), "{table}");
        }
        let found = examine_within(&path, length - 1).await.unwrap();
        assert_eq!(found != DatabaseFile::Sound, is_found_in_part, "{table}: {found:?}");
    };
    check("sessions", false).await;
    check("releases", true).await;
}

#[test]
fn so_much_of_a_finding_is_shown_and_no_more() {
    assert_eq!(bounded(&"x".repeat(FINDING_CHARS_MAX + 1)).len(), FINDING_CHARS_MAX);
    assert_eq!(bounded("two\nlines"), "two lines");
}
