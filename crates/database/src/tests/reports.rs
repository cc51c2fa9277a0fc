//! Reports: stored as rows and given back as they came, the state of their clients, and how much is kept.

use std::collections::BTreeMap;

use headwater_api::report::{ClassResult, Report};
use headwater_policy::Class;
use headwater_repo::ComponentName;
use jiff::Timestamp;
use serde_json::json;

use super::fleet::client;
use super::{TEST, at, check, put_domain};
use crate::report_room::Deleted;
use crate::reports::Storing;
use crate::{Db, Tx, clients, report_room, reports, to_json};

/// A day.
pub const DAY: i64 = 86_400;

/// Of a report that stays.
pub const KEPT: Storing = Storing { kept: true, newest: true };

pub fn report(client: &str, run: u64, result: &str, sequence: Option<u64>) -> Report {
    let installed = match sequence {
        Some(sequence) => json!({"rules-1.x": {"sequence": sequence, "version": format!("v{sequence}")}}),
        None => json!({}),
    };
    serde_json::from_value(json!({
        "format": 1, "client": client, "domain": "root", "run": run, "started": "2026-11-22T10:00:00.123456Z",
        "duration_ms": 5, "addresses": ["10.0.0.1"], "program": "0.1.0", "policy_version": 1,
        "classes": [
            {"class": "settings", "result": "current", "source": "update_agent:ua", "message": "up to date"},
            {"class": "components", "result": result, "source": null, "message": "why", "spared_bytes": 7}
        ],
        "attempts": [
            {
                "source": "update_agent:ua", "url": "http://ua", "entry": 2, "class": "components", "result": "failed",
                "reason": "wrong_digest", "detail": "é", "bytes": 10, "delta_bytes": 3,
                "started": "2026-11-22T10:00:01.000001Z", "duration_ms": 1, "from_version": 3, "to_version": 0
            },
            {
                "source": "server", "url": "http://x", "entry": null, "class": "components", "result": "used",
                "reason": null, "detail": "", "bytes": 9_000_000_000_u64, "started": "2026-11-22T10:00:02Z",
                "duration_ms": 1, "from_version": 3, "to_version": 4
            }
        ],
        "installed": {"components": installed, "programs": {}},
        "update_agent": {"serves": {"components": 4}, "bytes_held": 1, "bytes_quota": 2, "bytes_free": null},
        "warnings": ["the clock is far off"]
    }))
    .unwrap()
}

/// Stores a report of a client that is made if it is missing.
async fn store(db: &Db, report: &Report, received: Timestamp) {
    let mut tx = db.begin().await.unwrap();
    add_client(&mut tx, &report.client).await;
    reports::insert(&mut tx, report, KEPT, received).await.unwrap();
    tx.commit(TEST).await.unwrap();
}

pub async fn add_client(tx: &mut Tx, id: &str) {
    put_domain(tx, "root").await;
    clients::put(tx, &client(id, "root")).await.unwrap();
}

pub async fn runs_of(db: &Db, client: Option<&str>) -> Vec<(String, u64)> {
    let stored = db.reports(client, u64::MAX, 100).await.unwrap();
    stored.into_iter().map(|one| (one.report.client, one.report.run)).collect()
}

#[tokio::test]
async fn a_report_is_given_back_as_it_came_and_stored_once() {
    check(async |db| {
        let first = report("a", 1, "updated", Some(3));
        let mut bare = report("a", 2, "current", None);
        bare.installed = BTreeMap::new();
        (bare.classes, bare.attempts, bare.warnings, bare.update_agent) = (vec![], vec![], vec![], None);
        for sent in [&first, &first, &bare, &report("b", 1, "current", Some(3)), &first] {
            store(&db, sent, at(100)).await;
        }
        let stored = db.reports(Some("a"), u64::MAX, 10).await.unwrap();
        let given: Vec<&Report> = stored.iter().map(|one| &one.report).collect();
        assert_eq!(given, [&bare, &first]);
        assert_eq!(stored[0].received, at(100));
        assert_eq!(runs_of(&db, None).await.len(), 3);
        let before = db.reports(None, stored[0].number, 1).await.unwrap();
        assert_eq!(before[0].number, stored[1].number);
        assert!(db.reports(Some("nobody"), u64::MAX, 10).await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn whatever_characters_a_client_sends_are_stored() {
    check(async |db| {
        let mut odd = report("a", 1, "failed", Some(3));
        odd.warnings = vec!["nul \0 here".to_owned()];
        odd.program = "nul \0".to_owned();
        odd.attempts[0].detail = "a \0 b \u{1f600} '\"\\".to_owned();
        odd.classes[0].message = "\0".to_owned();
        odd.domain = "\0root".to_owned();
        let release = odd.installed["components"]["rules-1.x"].clone();
        odd.installed.get_mut("components").unwrap().insert("\0'".to_owned(), release);
        odd.run = u64::MAX;
        store(&db, &odd, at(100)).await;
        let stored = db.reports(None, u64::MAX, 1).await.unwrap().remove(0).report;
        assert_eq!(stored.attempts[0].detail, "a \u{fffd} b \u{1f600} '\"\\");
        assert_eq!(stored.warnings, odd.warnings);
        assert!(stored.installed["components"].contains_key("\u{fffd}'"));
    })
    .await;
}

#[tokio::test]
async fn clients_count_where_their_newest_report_has_them() {
    check(async |db| {
        let reported =
            [("a", 1, Some(3)), ("a", 2, Some(4)), ("b", 1, Some(4)), ("c", 1, Some(2)), ("d", 1, None)];
        for (client, run, sequence) in reported {
            store(&db, &report(client, run, "current", sequence), at(100)).await;
        }
        let name = ComponentName::new("rules-1.x").unwrap();
        let counted = async |class| db.clients_at(class, &name).await.unwrap();
        assert_eq!(counted(Class::Components).await, BTreeMap::from([(2, 1), (4, 2)]));
        assert_eq!(counted(Class::Programs).await, BTreeMap::new());
        let mut tx = db.begin().await.unwrap();
        clients::delete(&mut tx, "b").await.unwrap();
        tx.commit(TEST).await.unwrap();
        assert_eq!(counted(Class::Components).await, BTreeMap::from([(2, 1), (4, 1)]));
        assert_eq!(runs_of(&db, Some("b")).await, [], "its reports went with it");
    })
    .await;
}

#[tokio::test]
async fn the_state_of_a_class_has_its_last_reason_and_since_when() {
    check(async |db| {
        for (run, result, received) in [(1, "current", 10), (2, "failed", 20), (3, "failed", 30)] {
            store(&db, &report("a", run, result, Some(1)), at(received)).await;
            store(&db, &report("b", run, "current", Some(1)), at(received)).await;
        }
        let failed = db.clients_in_state("components", ClassResult::Failed, "", 10).await.unwrap();
        let [state] = failed.as_slice() else { panic!("{failed:?}") };
        assert_eq!((state.client.as_str(), state.message.as_str(), state.since), ("a", "why", at(20)));
        let current = db.clients_in_state("settings", ClassResult::Current, "a", 10).await.unwrap();
        assert_eq!(current.len(), 1, "after an id");
        assert_eq!(current[0].source.as_deref(), Some("update_agent:ua"));
    })
    .await;
}

#[tokio::test]
async fn reports_are_deleted_by_age_and_with_them_sets_that_no_run_names() {
    check(async |db| {
        for day in 0..5_u32 {
            let sequence = u64::from(day) + 1;
            store(&db, &report("a", sequence, "current", Some(sequence)), at(i64::from(day) * DAY + 10))
                .await;
        }
        let sets = async || -> i64 {
            sqlx::query_scalar("SELECT count(*) FROM installed_sets").fetch_one(db.read()).await.unwrap()
        };
        assert_eq!(sets().await, 5);
        let mut tx = db.begin().await.unwrap();
        let deleted = report_room::delete_before(&mut tx, at(3 * DAY + 5), at(4 * DAY + 20)).await.unwrap();
        tx.commit(TEST).await.unwrap();
        assert_eq!(deleted, Deleted { reports: 3, is_part: false });
        assert_eq!(runs_of(&db, None).await, [("a".to_owned(), 5), ("a".to_owned(), 4)]);
        assert_eq!(sets().await, 2);
        for table in ["run_classes", "run_attempts"] {
            let count = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
            let left: i64 = sqlx::query_scalar(count).fetch_one(db.read()).await.unwrap();
            assert_eq!(left, 4, "{table}");
        }
    })
    .await;
}

/// Bytes that reports take, counted as the server does and row by row.
pub async fn bytes(db: &Db) -> (u64, u64) {
    let all: i64 = sqlx::query_scalar("SELECT CAST(coalesce(sum(bytes), 0) AS BIGINT) FROM runs")
        .fetch_one(db.read())
        .await
        .unwrap();
    let mut tx = db.begin().await.unwrap();
    (report_room::bytes(&mut tx).await.unwrap(), u64::try_from(all).unwrap())
}

#[tokio::test]
async fn the_room_of_reports_is_counted_by_days_and_kept() {
    check(async |db| {
        let one = to_json(&report("a", 1, "current", Some(1))).len() as u64;
        for day in 0..4 {
            for run in 1..=2 {
                let client = if run == 1 { "a" } else { "b" };
                let sent = report(client, u64::try_from(day).unwrap(), "current", Some(1));
                store(&db, &sent, at(i64::from(day) * DAY + 10)).await;
            }
        }
        assert_eq!(bytes(&db).await, (8 * one, 8 * one));
        let keep = async |before, now| {
            let mut tx = db.begin().await.unwrap();
            report_room::delete_before(&mut tx, at(before), at(now)).await.unwrap();
            tx.commit(TEST).await.unwrap();
            bytes(&db).await
        };
        // Three days are over; then the first is beyond its time, and then half of the second.
        assert_eq!(keep(0, 3 * DAY + 20).await, (8 * one, 8 * one));
        assert_eq!(keep(DAY, 3 * DAY + 20).await, (6 * one, 6 * one));
        store(&db, &report("a", 9, "current", Some(1)), at(3 * DAY + 30)).await;
        let now = bytes(&db).await;
        assert_eq!(now.0, now.1);
        let mut tx = db.begin().await.unwrap();
        clients::delete(&mut tx, "b").await.unwrap();
        tx.commit(TEST).await.unwrap();
        let now = bytes(&db).await;
        assert_eq!((now.0, now.0), (now.1, 4 * one), "of those days and of today");

        let mut tx = db.begin().await.unwrap();
        assert_eq!(report_room::delete_over(&mut tx, 4 * one).await.unwrap(), 0);
        assert_eq!(report_room::delete_over(&mut tx, 4 * one - 1).await.unwrap(), 1);
        assert_eq!(report_room::delete_over(&mut tx, 2 * one).await.unwrap(), 1);
        tx.commit(TEST).await.unwrap();
        let left: Vec<u64> = runs_of(&db, None).await.into_iter().map(|(_, run)| run).collect();
        assert_eq!(left, [9, 3], "the newest stay");
        assert_eq!(bytes(&db).await, (2 * one, 2 * one));
    })
    .await;
}

#[tokio::test]
async fn a_report_of_a_change_that_was_dropped_takes_no_room() {
    check(async |db| {
        store(&db, &report("a", 1, "current", Some(1)), at(10)).await;
        let (one, _) = bytes(&db).await;
        let mut tx = db.begin().await.unwrap();
        reports::insert(&mut tx, &report("a", 2, "current", Some(1)), KEPT, at(10)).await.unwrap();
        drop(tx);
        let mut tx = db.begin().await.unwrap();
        assert_eq!(report_room::delete_over(&mut tx, one).await.unwrap(), 0);
        tx.commit(TEST).await.unwrap();
        assert_eq!(runs_of(&db, None).await, [("a".to_owned(), 1)]);
    })
    .await;
}

/// After a clock was set back, reports come into a day that was added up before.
#[tokio::test]
async fn reports_of_a_day_that_is_over_are_not_subtracted_from_it_below_zero() {
    check(async |db| {
        store(&db, &report("a", 1, "current", Some(1)), at(10)).await;
        let mut tx = db.begin().await.unwrap();
        report_room::delete_before(&mut tx, at(0), at(DAY + 20)).await.unwrap();
        tx.commit(TEST).await.unwrap();
        store(&db, &report("a", 2, "current", Some(1)), at(20)).await;
        let mut tx = db.begin().await.unwrap();
        clients::delete(&mut tx, "a").await.unwrap();
        tx.commit(TEST).await.unwrap();
        assert_eq!(bytes(&db).await, (0, 0));
    })
    .await;
}
