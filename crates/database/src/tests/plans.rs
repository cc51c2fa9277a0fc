//! That what is asked often is looked up by an index, however large the fleet and its history.

use std::collections::BTreeSet;

use headwater_api::v1::ClientState;
use sqlx::Row;

use super::check;
use crate::client_states::Wanted;
use crate::dialect::Dialect;
use crate::fleet_view::{self, Filter, SqlStatement, Value};
use crate::report_days::DAY;
use crate::testing::fleet::{FleetSize, fill};
use crate::{Db, client_releases, client_states, installed, report_days, report_room, reports};

/// Many times more runs than clients.
const SIZE: FleetSize = FleetSize { clients: 400, days: 30 };

/// What a plan may read whole: a list that was given, few rows that were found by an index, one row for each name.
const READ_WHOLE: [&str; 7] =
    ["json_each", "SCAN list", "SCAN judged", "SCAN used", "(subquery", "CONSTANT ROW", "SCAN wanted"];

/// How the database would execute a statement, in its own words.
async fn plan(db: &Db, statement: &str) -> String {
    let mut connection = db.connection().await.unwrap();
    let explain = match connection.dialect() {
        Dialect::Sqlite => format!("EXPLAIN QUERY PLAN {statement}"),
        #[cfg(feature = "postgres")]
        Dialect::Postgres => format!("SET enable_seqscan = off; EXPLAIN {statement}"),
    };
    let rows = sqlx::raw_sql(sqlx::AssertSqlSafe(explain)).fetch_all(connection.sql()).await.unwrap();
    let line = |row: &crate::SqlRow| row.get::<String, _>(row.len() - 1);
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// A statement with values in place of its parameters: what is planned is what is asked.
fn with_values(statement: &str, values: &[&str]) -> String {
    let each = values.iter().enumerate().rev();
    each.fold(statement.to_owned(), |text, (index, value)| text.replace(&format!("${}", index + 1), value))
}

fn written(statement: &SqlStatement) -> String {
    let value = |value: &Value| match value {
        Value::Number(number) => number.to_string(),
        Value::Text(text) => format!("'{text}'"),
    };
    let values: Vec<String> = statement.values.iter().map(value).collect();
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    with_values(&statement.text, &values)
}

fn reads_whole(plan: &str) -> bool {
    let is_allowed = |line: &str| READ_WHOLE.iter().any(|allowed| line.contains(allowed));
    let reads = |line: &str| line.contains("SCAN") || line.contains("Seq Scan on");
    plan.lines().any(|line| reads(line) && !is_allowed(line))
}

/// Fails where a plan reads a table whole, or sorts what an index has in order.
async fn check_plan(db: &Db, statement: &str, values: &[&str]) {
    let statement = with_values(statement, values);
    let plan = plan(db, &statement).await;
    assert!(!reads_whole(&plan), "{statement}\n{plan}");
    assert!(!plan.contains("TEMP B-TREE FOR ORDER BY"), "{statement}\n{plan}");
}

#[tokio::test]
async fn what_is_asked_of_reports_is_looked_up_by_an_index() {
    check(async |db| {
        fill(&db, SIZE, |_| ()).await.unwrap();
        let connection = db.connection().await.unwrap();
        let is_sqlite = connection.dialect() == Dialect::Sqlite;
        let list = connection.dialect().numbers();
        drop(connection);
        let today = (SIZE.end().as_second() / DAY).to_string();
        let attempts = format!("SELECT nth FROM run_attempts WHERE run IN ({list}) ORDER BY run, nth");
        let check = async |statement: &str, values: &[&str]| check_plan(&db, statement, values).await;
        check(reports::OF_CLIENT, &["1000000", "1", "'pc-1000007'"]).await;
        check(reports::OF_ALL, &["1000000", "1"]).await;
        check(reports::IN_STATE, &["'components'", "'failed'", "''", "100"]).await;
        check(report_room::BYTES_SINCE, &["1730000000"]).await;
        check(report_room::BEFORE, &["1728000001", "10"]).await;
        check(report_days::DELETE_BEFORE, &["20001", "10"]).await;
        check(report_days::OF_CLIENT_DAY, &["'pc-1000007'", &today]).await;
        check(report_days::OF_CLIENT, &["'pc-1000007'", &today]).await;
        check(report_days::OPEN_DAY, &[]).await;
        check(&attempts, &["'[1, 2, 3]'"]).await;
        check("SELECT 1 FROM runs WHERE client = $1 AND run = $2 AND started = $3", &["'pc-7'", "3", "3"])
            .await;
        if is_sqlite {
            // PostgreSQL reads small tables whole, which these are.
            check(report_days::BY_SOURCE, &[&today, &today]).await;
            check(installed::CLIENTS_AT, &["'components'", "'rules-1'"]).await;
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_asked_of_the_fleet_is_looked_up_by_an_index() {
    check(async |db| {
        fill(&db, FleetSize { days: 2, ..SIZE }, |_| ()).await.unwrap();
        let connection = db.connection().await.unwrap();
        if connection.dialect() != Dialect::Sqlite {
            // PostgreSQL reads small tables whole, which these are.
            return;
        }
        let now = SIZE.end();
        let domains = ["root/d3".to_owned()];
        let all = || Filter::default();
        let of = |states: &[ClientState]| Filter { states: states.iter().copied().collect(), ..all() };
        let filters = [
            all(),
            of(&[ClientState::Failed]),
            of(&[ClientState::Silent, ClientState::Outdated]),
            Filter { domains: Some(&domains), ..all() },
            Filter { release: Some(("rules-1", "v99")), ..all() },
            Filter { policy_before: Some(1), ..all() },
        ];
        let mut plans = Vec::new();
        for filter in &filters {
            let page = written(&fleet_view::page(&connection, filter, now, "pc-1000100", 10));
            plans.push(page);
            let filter = Filter { states: BTreeSet::new(), ..filter.clone() };
            for silent in [None, Some(now)] {
                let counts = written(&fleet_view::counts(&connection, &filter, silent));
                let plan = plan(&db, &counts).await;
                assert!(!reads_whole(&plan), "{counts}\n{plan}");
            }
            for silent in [None, Some(now)] {
                let behind = written(&fleet_view::policy_behind(&connection, &filter, silent, 1));
                let plan = plan(&db, &behind).await;
                assert!(!reads_whole(&plan), "{behind}\n{plan}");
            }
        }
        let ids = ["'[\"pc-1000007\"]'"];
        check_plan(&db, &fleet_view::problems_of(&connection), &ids).await;
        for all in [false, true] {
            check_plan(&db, &client_releases::statement_of_facts(&connection, all), &ids).await;
        }
        check_plan(&db, client_releases::COUNTS, &["'components'", "'rules-1'"]).await;
        let one = client_states::statement("c.id IN (SELECT value FROM json_each($2))");
        check_plan(&db, &one, &["1", ids[0]]).await;
        let release = || Wanted::Release { class: "components".to_owned(), name: "rules-1".to_owned() };
        for wanted in [release(), Wanted::Policy, Wanted::Settings { domain: "root".to_owned() }] {
            let (statements, values) = wanted.statements();
            let values: Vec<String> = values.iter().map(|value| format!("'{value}'")).collect();
            let values: Vec<&str> = ["1"].into_iter().chain(values.iter().map(String::as_str)).collect();
            for statement in statements {
                check_plan(&db, &statement, &values).await;
            }
        }
        drop(connection);
        for page in plans {
            let plan = plan(&db, &page).await;
            assert!(!reads_whole(&plan), "{page}\n{plan}");
        }
    })
    .await;
}

#[tokio::test]
async fn pages_are_read_from_among_many() {
    check(async |db| {
        fill(&db, SIZE, |_| ()).await.unwrap();
        let page = db.reports(Some("pc-1000007"), u64::MAX, 10).await.unwrap();
        assert_eq!(page.len(), 10);
        assert!(page.iter().all(|one| one.report.client == "pc-1000007" && one.report.attempts.len() == 3));
        let name = headwater_repo::ComponentName::new("rules-1").unwrap();
        let at = db.clients_at(headwater_policy::Class::Components, &name).await.unwrap();
        assert_eq!(at.into_values().sum::<u64>(), SIZE.clients);
        let counts = db.fleet_counts(&Filter::default(), crate::time(0), 1).await.unwrap();
        let expected = [(ClientState::Current, 376), (ClientState::Outdated, 20), (ClientState::Failed, 4)];
        assert_eq!(counts.by_state, expected.into());
    })
    .await;
}
