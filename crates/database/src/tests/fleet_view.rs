//! How clients stand: by what they report, by what is published and saved, and by when they were last in contact.

use std::collections::BTreeSet;

use headwater_api::report::{ClassResult, NameOutcome, Report};
use headwater_api::v1::ClientState;
use headwater_policy::Class;
use headwater_repo::ComponentName;
use jiff::Timestamp;

use super::fleet::client;
use super::reports::{KEPT, report};
use super::{TEST, at, check, put_domain, run_script};
use crate::client_releases::{unwant, want};
use crate::fleet_view::{Counts, Filter, FleetRow};
use crate::reports::Storing;
use crate::{Db, clients, domains, reports};

const LONG_AGO: i64 = 0;

fn name() -> ComponentName {
    ComponentName::new("rules-1.x").unwrap()
}

/// A fleet whose policy has version 1 and whose current release is 3.
async fn begin(db: &Db) {
    let mut tx = db.begin().await.unwrap();
    put_domain(&mut tx, "root").await;
    put_domain(&mut tx, "root/paris").await;
    run_script(
        &mut tx,
        "INSERT INTO policies (version, saved, saved_by, comment, document) VALUES (1, 1, '', '', '{}')",
    )
    .await
    .unwrap();
    want(&mut tx, Class::Components, &name(), 3, "v3", at(1)).await.unwrap();
    tx.commit(TEST).await.unwrap();
}

/// A client reports that it has a release, and how its run ended for components.
async fn reported(db: &Db, id: &str, run: u64, result: &str, sequence: u64, now: i64) {
    let mut report = report(id, run, result, Some(sequence));
    if ["failed", "reverted"].contains(&result) {
        let result = report.classes[1].result;
        let message = format!("rules-1.x: {result:?}");
        report.classes[1].names = vec![NameOutcome { name: "rules-1.x".to_owned(), result, message }];
    }
    stored(db, &report, KEPT, now).await;
}

async fn stored(db: &Db, report: &Report, storing: Storing, now: i64) {
    let mut tx = db.begin().await.unwrap();
    let row = clients::ClientRow { policy_version: 1, last_seen: at(now), ..client(&report.client, "root") };
    clients::put(&mut tx, &row).await.unwrap();
    reports::insert(&mut tx, report, storing, at(now)).await.unwrap();
    tx.commit(TEST).await.unwrap();
}

async fn rows(db: &Db, filter: &Filter<'_>, silent_before: i64) -> Vec<FleetRow> {
    db.fleet_page(filter, at(silent_before), "", 100, false).await.unwrap()
}

/// Each client with its state and since when.
async fn states(db: &Db, silent_before: i64) -> Vec<(String, ClientState, Timestamp)> {
    let rows = rows(db, &Filter::default(), silent_before).await;
    rows.into_iter().map(|row| (row.client.id, row.state, row.since)).collect()
}

async fn state(db: &Db, id: &str) -> (ClientState, Timestamp) {
    let found = states(db, LONG_AGO).await.into_iter().find(|one| one.0 == id).unwrap();
    (found.1, found.2)
}

async fn counted(db: &Db, filter: &Filter<'_>, silent_before: i64) -> Counts {
    db.fleet_counts(filter, at(silent_before), 1).await.unwrap()
}

#[tokio::test]
async fn a_client_stands_as_its_newest_run_left_it_since_that_began() {
    check(async |db| {
        begin(&db).await;
        let story = [
            ("current", 3, ClientState::Current, 10),
            ("current", 3, ClientState::Current, 10),
            ("failed", 3, ClientState::Failed, 12),
            ("failed", 2, ClientState::Failed, 12),
            ("reverted", 2, ClientState::Reverted, 14),
            ("unserved", 3, ClientState::Outdated, 15),
            ("partial", 3, ClientState::Outdated, 15),
            ("current", 2, ClientState::Outdated, 15),
            ("updated", 3, ClientState::Current, 18),
        ];
        for (step, (result, sequence, expected, since)) in (0_u64..).zip(story) {
            let now = 10 + i64::try_from(step).unwrap();
            reported(&db, "a", step + 1, result, sequence, now).await;
            assert_eq!(state(&db, "a").await, (expected, at(since)), "step {step}");
        }
        let row = rows(&db, &Filter::default(), LONG_AGO).await.remove(0);
        assert_eq!((row.problems.len(), row.releases.len()), (0, 0), "what is current needs no words");
    })
    .await;
}

#[tokio::test]
async fn why_a_client_failed_stands_with_its_class_and_its_name() {
    check(async |db| {
        begin(&db).await;
        reported(&db, "a", 1, "reverted", 2, 10).await;
        let row = rows(&db, &Filter::default(), LONG_AGO).await.remove(0);
        let problem = &row.problems[0];
        assert_eq!((problem.class.as_str(), problem.message.as_str()), ("components", "why"));
        let fact = &row.releases[0];
        assert_eq!((fact.result, fact.reason.as_str()), (ClassResult::Reverted, "rules-1.x: Reverted"));
        assert_eq!(fact.has, Some((2, "v2".to_owned())));
        assert_eq!((&fact.wanted, fact.since), (&Some((3, "v3".to_owned())), at(10)));
    })
    .await;
}

#[tokio::test]
async fn what_is_published_and_saved_makes_clients_outdated_and_current_again() {
    check(async |db| {
        begin(&db).await;
        reported(&db, "a", 1, "updated", 3, 10).await;
        reported(&db, "b", 1, "failed", 3, 10).await;
        let change = async |sequence: Option<u64>, now| {
            let mut tx = db.begin().await.unwrap();
            match sequence {
                Some(sequence) => {
                    let version = format!("v{sequence}");
                    want(&mut tx, Class::Components, &name(), sequence, &version, at(now)).await.unwrap();
                }
                None => unwant(&mut tx, Class::Components, &name(), at(now)).await.unwrap(),
            }
            tx.commit(TEST).await.unwrap();
            state(&db, "a").await
        };
        assert_eq!(change(Some(4), 20).await, (ClientState::Outdated, at(20)));
        assert_eq!(change(Some(5), 21).await, (ClientState::Outdated, at(20)), "since the first");
        assert_eq!(change(Some(3), 22).await, (ClientState::Current, at(22)), "rolled back to what it has");
        assert_eq!(change(Some(2), 23).await, (ClientState::Outdated, at(23)), "it is to go back");
        assert_eq!(change(None, 24).await, (ClientState::Current, at(24)), "nothing is wanted of it");
        assert_eq!(state(&db, "b").await, (ClientState::Failed, at(10)));
        let other = ComponentName::new("other").unwrap();
        let mut tx = db.begin().await.unwrap();
        want(&mut tx, Class::Programs, &other, 1, "1", at(30)).await.unwrap();
        tx.commit(TEST).await.unwrap();
        assert_eq!(state(&db, "a").await, (ClientState::Outdated, at(30)), "it misses a new name");
        let missing = rows(&db, &Filter::default(), LONG_AGO).await.remove(0).releases.remove(0);
        assert_eq!((missing.name.as_str(), missing.has), ("other", None));
        let mut tx = db.begin().await.unwrap();
        unwant(&mut tx, Class::Programs, &other, at(31)).await.unwrap();
        tx.commit(TEST).await.unwrap();
        assert_eq!(state(&db, "a").await, (ClientState::Current, at(31)));
        assert_eq!(db.release_counts(Class::Programs, &other).await.unwrap(), []);
    })
    .await;
}

#[tokio::test]
async fn an_older_policy_or_older_settings_are_outdated() {
    check(async |db| {
        begin(&db).await;
        let mut first = report("a", 1, "updated", Some(3));
        let release = headwater_api::report::Installed { sequence: 1, version: "1".to_owned() };
        first.installed.insert("settings".to_owned(), [("settings".to_owned(), release)].into());
        stored(&db, &first, KEPT, 10).await;
        assert_eq!(state(&db, "a").await, (ClientState::Current, at(10)));
        let mut tx = db.begin().await.unwrap();
        let root = tx.domains().await.unwrap().remove(0);
        domains::put(&mut tx, &domains::DomainRow { version: 2, ..root }).await.unwrap();
        tx.commit(TEST).await.unwrap();
        assert_eq!(state(&db, "a").await.0, ClientState::Outdated);
        let fact = rows(&db, &Filter::default(), LONG_AGO).await.remove(0).releases.remove(0);
        assert_eq!((fact.name.as_str(), fact.wanted), ("settings", Some((2, "2".to_owned()))));
        let mut tx = db.begin().await.unwrap();
        clients::set_domain(&mut tx, "a", "root/paris").await.unwrap();
        tx.commit(TEST).await.unwrap();
        assert_eq!(state(&db, "a").await.0, ClientState::Current, "those of its new domain have version 1");
        let check_in = async |policy_version| {
            let mut tx = db.begin().await.unwrap();
            let row = clients::ClientRow { policy_version, last_seen: at(40), ..client("a", "root") };
            clients::put(&mut tx, &row).await.unwrap();
            tx.commit(TEST).await.unwrap();
            let behind = counted(&db, &Filter::default(), LONG_AGO).await.policy_behind;
            (state(&db, "a").await.0, behind)
        };
        assert_eq!(check_in(0).await, (ClientState::Outdated, 1));
        assert_eq!(check_in(1).await, (ClientState::Current, 0));
    })
    .await;
}

#[tokio::test]
async fn the_fleet_is_counted_and_filtered() {
    check(async |db| {
        begin(&db).await;
        for (id, result, sequence, now) in [
            ("a", "current", 3, 100),
            ("b", "failed", 3, 100),
            ("c", "current", 2, 100),
            ("d", "failed", 2, 50),
        ] {
            reported(&db, id, 1, result, sequence, now).await;
        }
        let mut tx = db.begin().await.unwrap();
        let new = clients::ClientRow { first_seen: at(90), last_seen: at(90), ..client("e", "root") };
        clients::put(&mut tx, &new).await.unwrap();
        clients::set_domain(&mut tx, "c", "root/paris").await.unwrap();
        tx.commit(TEST).await.unwrap();
        let all = Filter::default;
        let standing: Vec<_> = states(&db, 60).await.into_iter().map(|(id, state, _)| (id, state)).collect();
        let expected = [
            ("a", ClientState::Current),
            ("b", ClientState::Failed),
            ("c", ClientState::Outdated),
            ("d", ClientState::Silent),
            ("e", ClientState::Unknown),
        ];
        assert_eq!(standing, expected.map(|(id, state)| (id.to_owned(), state)));
        let counts = counted(&db, &all(), 60).await;
        assert_eq!(counts.by_state.into_values().collect::<Vec<_>>(), [1; 5]);
        assert_eq!(counted(&db, &all(), LONG_AGO).await.by_state[&ClientState::Failed], 2);
        let ids = async |filter: Filter<'_>| -> Vec<String> {
            rows(&db, &filter, 60).await.into_iter().map(|row| row.client.id).collect()
        };
        let in_states = |states: &[ClientState]| Filter { states: states.iter().copied().collect(), ..all() };
        assert_eq!(ids(in_states(&[ClientState::Failed])).await, ["b"], "one that is silent is not failed");
        assert_eq!(ids(in_states(&[ClientState::Silent])).await, ["d"]);
        assert_eq!(ids(in_states(&[ClientState::Silent, ClientState::Outdated])).await, ["c", "d"]);
        let paris = ["root/paris".to_owned()];
        assert_eq!(ids(Filter { domains: Some(&paris), ..all() }).await, ["c"]);
        assert_eq!(ids(Filter { release: Some(("rules-1.x", "v2")), ..all() }).await, ["c", "d"]);
        assert_eq!(ids(Filter { release: Some(("rules-1.x", "v9")), ..all() }).await, Vec::<String>::new());
        assert_eq!(ids(Filter { policy_before: Some(2), ..all() }).await, ["a", "b", "c", "d"]);
        let of_paris = Filter { domains: Some(&paris), ..all() };
        assert_eq!(counted(&db, &of_paris, 60).await.by_state, [(ClientState::Outdated, 1)].into());
        let some = ["a".to_owned(), "gone".to_owned()];
        let failed = BTreeSet::from([ClientState::Failed]);
        assert_eq!(ids(Filter { ids: Some(&some), ..all() }).await, ["a"]);
        assert_eq!(ids(Filter { ids: Some(&some), states: failed, ..all() }).await, Vec::<String>::new());
        let second = db.fleet_page(&all(), at(60), "b", 2, false).await.unwrap();
        assert_eq!(second.iter().map(|row| row.client.id.as_str()).collect::<Vec<_>>(), ["c", "d"]);
    })
    .await;
}

#[tokio::test]
async fn releases_are_counted_by_who_has_them_and_how_that_came() {
    check(async |db| {
        begin(&db).await;
        for (id, result, sequence) in
            [("a", "current", 3), ("b", "reverted", 2), ("c", "current", 2), ("d", "updated", 3)]
        {
            reported(&db, id, 1, result, sequence, 10).await;
        }
        stored(&db, &report("e", 1, "current", None), KEPT, 10).await;
        let counts = db.release_counts(Class::Components, &name()).await.unwrap();
        let counts: Vec<_> =
            counts.iter().map(|one| (one.sequence, one.version.as_str(), one.result, one.clients)).collect();
        assert_eq!(counts[0], (3, "v3", ClassResult::Current, 2));
        assert!(counts[1..3].contains(&(2, "v2", ClassResult::Reverted, 1)), "{counts:?}");
        assert!(counts[1..3].contains(&(2, "v2", ClassResult::Current, 1)), "{counts:?}");
        assert_eq!(counts[3], (0, "", ClassResult::Current, 1), "one has none");
        stored(&db, &report("e", 2, "current", Some(3)), Storing { kept: true, newest: false }, 11).await;
        assert_eq!(db.release_counts(Class::Components, &name()).await.unwrap().len(), 4, "it came late");
        let mut tx = db.begin().await.unwrap();
        clients::delete(&mut tx, "b").await.unwrap();
        tx.commit(TEST).await.unwrap();
        assert_eq!(db.release_counts(Class::Components, &name()).await.unwrap().len(), 3);
    })
    .await;
}
