//! Runs without news are counted by day, client and source; the newest of each client stays whole.

use headwater_api::report::Report;
use jiff::Timestamp;

use super::reports::{DAY, KEPT, add_client, bytes, report, runs_of};
use super::{TEST, at, check};
use crate::limits::{CLIENT_DAY_BYTES_MAX, CLIENT_DAY_ROWS_MAX, CLIENT_DAY_SOURCE_CHARS_MAX};
use crate::report_days::OTHER_SOURCES;
use crate::report_room::DELETED_AT_ONCE;
use crate::reports::{self, Storing};
use crate::testing::fleet::{FleetSize, fill};
use crate::{Db, clients, report_room};

const COUNTED: Storing = Storing { kept: false, newest: true };

async fn store(db: &Db, report: &Report, storing: Storing, received: Timestamp) {
    let mut tx = db.begin().await.unwrap();
    add_client(&mut tx, &report.client).await;
    reports::insert(&mut tx, report, storing, received).await.unwrap();
    tx.commit(TEST).await.unwrap();
}

async fn tidy_up(db: &Db, before: i64, now: i64) {
    let mut tx = db.begin().await.unwrap();
    report_room::delete_before(&mut tx, at(before), at(now)).await.unwrap();
    tx.commit(TEST).await.unwrap();
}

/// Runs and bytes by source.
async fn used(db: &Db, since: i64) -> Vec<(String, u64, u64)> {
    let used = db.bytes_by_source(at(since)).await.unwrap();
    used.into_iter().map(|one| (one.source, one.runs, one.bytes)).collect()
}

/// What a number of the runs of these tests comes to.
fn expected(runs: u64) -> Vec<(String, u64, u64)> {
    vec![("server".to_owned(), runs, runs * 9_000_000_000), ("update_agent:ua".to_owned(), runs, runs * 10)]
}

#[tokio::test]
async fn of_runs_without_news_the_newest_stays_whole_and_the_others_are_counted() {
    check(async |db| {
        let runs = [(1, COUNTED), (2, KEPT), (3, COUNTED), (4, COUNTED)];
        for (run, storing) in runs {
            store(&db, &report("a", run, "current", Some(1)), storing, at(10)).await;
            let newest = db.reports(Some("a"), u64::MAX, 1).await.unwrap().remove(0).report;
            assert_eq!(newest, report("a", run, "current", Some(1)), "with every attempt");
        }
        assert_eq!(runs_of(&db, Some("a")).await, [("a".to_owned(), 4), ("a".to_owned(), 2)]);
        assert_eq!(used(&db, 0).await, expected(4));
        let (counted, stored) = bytes(&db).await;
        assert_eq!(counted, stored, "what is gone takes no room");
        let room = stored / 2;
        let mut tx = db.begin().await.unwrap();
        assert_eq!(report_room::delete_over(&mut tx, 2 * room).await.unwrap(), 0);
        tx.commit(TEST).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_report_that_comes_late_is_counted_and_replaces_no_newer_one() {
    check(async |db| {
        store(&db, &report("a", 3, "current", Some(4)), COUNTED, at(10)).await;
        let late = |kept| Storing { kept, newest: false };
        store(&db, &report("a", 1, "updated", Some(3)), late(true), at(20)).await;
        store(&db, &report("a", 2, "failed", Some(3)), late(false), at(20)).await;
        assert_eq!(runs_of(&db, Some("a")).await, [("a".to_owned(), 1), ("a".to_owned(), 3)]);
        let failed = headwater_api::report::ClassResult::Failed;
        assert_eq!(db.clients_in_state("components", failed, "", 10).await.unwrap(), []);
        assert_eq!(used(&db, 0).await, expected(3));
        store(&db, &report("a", 4, "current", Some(4)), COUNTED, at(30)).await;
        assert_eq!(runs_of(&db, Some("a")).await, [("a".to_owned(), 4), ("a".to_owned(), 1)]);
    })
    .await;
}

#[tokio::test]
async fn bytes_are_summed_over_days_that_are_over_and_today_and_go_with_their_reports() {
    check(async |db| {
        for day in 0..4 {
            for client in ["a", "b"] {
                let run = u64::try_from(day).unwrap();
                store(&db, &report(client, run, "current", Some(1)), COUNTED, at(day * DAY + 10)).await;
            }
        }
        assert_eq!(used(&db, 0).await, expected(8));
        tidy_up(&db, 0, 3 * DAY + 20).await;
        assert_eq!(used(&db, 0).await, expected(8), "three days are added up");
        assert_eq!(used(&db, 2 * DAY + 5).await, expected(4), "whole days");
        tidy_up(&db, 2 * DAY, 3 * DAY + 30).await;
        assert_eq!(used(&db, 0).await, expected(4));
        let days = db.days_of_client("a", at(0)).await.unwrap();
        let days: Vec<_> = days.iter().map(|day| (day.day, day.use_of_source.source.as_str())).collect();
        let expected_days = [3, 3, 2, 2].map(|day| at(day * DAY));
        assert_eq!(days.iter().map(|day| day.0).collect::<Vec<_>>(), expected_days);
        let mut tx = db.begin().await.unwrap();
        clients::delete(&mut tx, "a").await.unwrap();
        tx.commit(TEST).await.unwrap();
        assert!(db.days_of_client("a", at(0)).await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_client_that_invents_sources_fills_no_table_and_breaks_no_sum() {
    check(async |db| {
        let mut odd = report("a", 1, "current", None);
        let attempt = odd.attempts[0].clone();
        odd.attempts = (0..CLIENT_DAY_ROWS_MAX + 5)
            .map(|number| {
                let source = format!("{number:02} {}", "é".repeat(CLIENT_DAY_SOURCE_CHARS_MAX));
                headwater_api::report::Attempt { source, bytes: u64::MAX, ..attempt.clone() }
            })
            .collect();
        for run in 1..3 {
            odd.run = run;
            store(&db, &odd, COUNTED, at(10)).await;
        }
        let used = used(&db, 0).await;
        assert_eq!(used.len(), CLIENT_DAY_ROWS_MAX + 1);
        let longest = used.iter().map(|(source, ..)| source.chars().count()).max();
        assert_eq!(longest, Some(CLIENT_DAY_SOURCE_CHARS_MAX));
        assert!(used.iter().any(|(source, runs, _)| source == OTHER_SOURCES && *runs == 2), "{used:?}");
        assert!(used.iter().all(|(_, _, bytes)| *bytes == CLIENT_DAY_BYTES_MAX), "{used:?}");
        tidy_up(&db, 0, DAY + 20).await;
        assert_eq!(db.bytes_by_source(at(0)).await.unwrap().len(), CLIENT_DAY_ROWS_MAX + 1);
    })
    .await;
}

#[tokio::test]
async fn what_is_old_is_deleted_in_parts() {
    check(async |db| {
        let size = FleetSize { clients: u64::try_from(DELETED_AT_ONCE).unwrap() + 1, days: 2 };
        fill(&db, size, |_| ()).await.unwrap();
        let before = size.end() - jiff::SignedDuration::from_hours(24) + jiff::SignedDuration::from_secs(1);
        let mut parts = Vec::new();
        loop {
            let mut tx = db.begin().await.unwrap();
            let deleted = report_room::delete_before(&mut tx, before, size.end()).await.unwrap();
            tx.commit(TEST).await.unwrap();
            parts.push(deleted.reports);
            if !deleted.is_part {
                break;
            }
            assert!(parts.len() < 9, "{parts:?}");
        }
        // Three rows of counts for each report.
        assert_eq!(parts, [size.clients - 1, 1, 0, 0]);
        let (counted, stored) = bytes(&db).await;
        assert_eq!(counted, stored);
        let left: i64 =
            sqlx::query_scalar("SELECT count(*) FROM client_days").fetch_one(db.read()).await.unwrap();
        assert_eq!(u64::try_from(left).unwrap(), 3 * size.clients);
    })
    .await;
}
