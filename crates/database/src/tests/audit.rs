//! The audit log: appended to by commits, refused to be changed, found when it was.

use serde_json::json;

use super::{TEST, at, check, run_script};
use crate::Db;
use crate::audit::{Follower, Record};

async fn record(db: &Db, number: u64) {
    let tx = db.begin().await.unwrap();
    let record = Record::by_server(at(i64::try_from(number).unwrap()), "test.do", number);
    tx.commit(record.before(json!(null)).after(json!({"n": number}))).await.unwrap();
}

#[tokio::test]
async fn records_follow_one_another_and_pages_are_read_from_both_ends() {
    check(async |db| {
        assert!(db.audit_head().await.unwrap().is_none());
        for number in 1..=5 {
            record(&db, number).await;
        }
        let all = db.audit_after(0, 10).await.unwrap();
        let mut follower = Follower::default();
        all.iter().for_each(|record| follower.follow(record).unwrap());
        let head = db.audit_head().await.unwrap().unwrap();
        assert!(head.genuine && head.head == *follower.head() && head.head == db.last_recorded());
        let newest: Vec<u64> =
            db.audit_before(5, 2).await.unwrap().iter().map(|record| record.number).collect();
        assert_eq!(newest, [4, 3]);
        assert_eq!(all[2].record.after, json!({"n": 3}));
        // A database that is opened again goes on where the log ended.
        let again = db.again().await;
        record(&again, 6).await;
        assert_eq!(again.last_recorded().number, 6);
        again.close().await;
    })
    .await;
}

#[tokio::test]
async fn the_log_refuses_to_be_changed() {
    check(async |db| {
        record(&db, 1).await;
        for statement in ["UPDATE audit SET who = 'eve'", "DELETE FROM audit"] {
            let mut tx = db.begin().await.unwrap();
            let error = run_script(&mut tx, statement).await.unwrap_err();
            assert!(error.to_string().contains("append-only"), "{error}");
        }
        assert_eq!(db.audit_after(0, 10).await.unwrap()[0].record.who, "server");
    })
    .await;
}

#[tokio::test]
async fn a_log_that_does_not_end_as_it_was_left_is_recorded_first() {
    check(async |db| {
        record(&db, 1).await;
        record(&db, 2).await;
        let mut tx = db.begin().await.unwrap();
        run_script(&mut tx, "UPDATE audit_head SET number = 1").await.unwrap();
        tx.commit(TEST).await.unwrap();
        record(&db, 3).await;
        let records = db.audit_after(2, 10).await.unwrap();
        let finding = records[0].record.finding().unwrap();
        assert!(
            finding.contains("without this server's seal, where the server had left it at 2"),
            "{finding}"
        );
        assert_eq!((records[0].number, records[1].number), (3, 4), "no number is used twice");
    })
    .await;
}
