//! That what is asked often is looked up by an index, however many reports there are.

use sqlx::Row;

use super::fleet::client;
use super::reports::report;
use super::{TEST, at, check, put_domain};
use crate::dialect::Dialect;
use crate::{Db, clients, installed, report_room, reports};

/// Clients and reports of each in the large database.
const CLIENTS: i64 = 100;
/// See [`CLIENTS`].
const RUNS: i64 = 100;

/// Copies one stored report for many clients and days: tens of thousands of rows in a few statements.
async fn fill(db: &Db) {
    let mut tx = db.begin().await.unwrap();
    put_domain(&mut tx, "root").await;
    clients::put(&mut tx, &client("pc", "root")).await.unwrap();
    reports::insert(&mut tx, &report("pc", 1, "current", Some(1)), at(10)).await.unwrap();
    let numbers =
        "WITH RECURSIVE n (i) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < $1)";
    let columns =
        "duration_ms, domain, addresses, program, policy_version, installed, update_agent, warnings, bytes";
    let statements = [
        format!(
            "{numbers} INSERT INTO clients SELECT 'pc-' || i, domain, addresses, program, policy_version, versions, \
             first_seen, last_seen FROM clients, n WHERE i < $2"
        ),
        format!(
            "{numbers} INSERT INTO runs (client, run, started, received, {columns}) \
             SELECT clients.id, i, i, i * 86400, {columns_of_run} FROM clients, n, runs WHERE runs.number = \
             (SELECT min(number) FROM runs) AND i < $2",
            columns_of_run =
                columns.split(", ").map(|column| format!("runs.{column}")).collect::<Vec<_>>().join(", ")
        ),
        format!(
            "{numbers} INSERT INTO run_attempts SELECT runs.number, nth, class, source, url, entry, result, reason, detail, \
             run_attempts.bytes, delta_bytes, run_attempts.started, run_attempts.duration_ms, from_version, to_version \
             FROM runs, run_attempts, n WHERE i = 1 AND i < $2 AND runs.number > run_attempts.run"
        ),
        format!(
            "{numbers} INSERT INTO client_runs SELECT client, max(number), 0, max(installed) FROM runs, n \
             WHERE i = 1 AND i < $2 AND client <> 'pc' GROUP BY client"
        ),
    ];
    for (statement, many) in statements.into_iter().zip([CLIENTS, RUNS, 2, 2]) {
        let statement = sqlx::AssertSqlSafe(statement);
        sqlx::query(statement).bind(many).bind(i64::MAX).execute(tx.sql()).await.unwrap();
    }
    tx.commit(TEST).await.unwrap();
}

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
    let each = values.iter().enumerate();
    each.fold(statement.to_owned(), |text, (index, value)| text.replace(&format!("${}", index + 1), value))
}

#[tokio::test]
async fn what_is_asked_often_is_looked_up_by_an_index() {
    check(async |db| {
        fill(&db).await;
        let mut connection = db.connection().await.unwrap();
        let is_sqlite = connection.dialect() == Dialect::Sqlite;
        let list = connection.dialect().numbers();
        let runs: i64 =
            sqlx::query_scalar("SELECT count(*) FROM runs").fetch_one(connection.sql()).await.unwrap();
        assert_eq!(runs, (CLIENTS + 1) * RUNS + 1);
        sqlx::query("ANALYZE").execute(connection.sql()).await.unwrap();
        drop(connection);
        let attempts = format!("SELECT nth FROM run_attempts WHERE run IN ({list}) ORDER BY run, nth");
        let check = async |statement: &str, values: &[&str]| {
            let statement = with_values(statement, values);
            let plan = plan(&db, &statement).await;
            let reads_all = if is_sqlite { "SCAN" } else { "Seq Scan on" };
            let allowed = ["SCAN json_each", "SCAN list"];
            let full: Vec<&str> = plan
                .lines()
                .filter(|line| {
                    line.contains(reads_all) && !allowed.iter().any(|allowed| line.contains(allowed))
                })
                .collect();
            assert!(full.is_empty(), "{statement}\n{plan}");
            assert!(!plan.contains("TEMP B-TREE FOR ORDER BY"), "{statement}\n{plan}");
        };
        check(reports::OF_CLIENT, &["1000000", "1", "'pc-7'"]).await;
        check(reports::IN_STATE, &["'components'", "'failed'", "''", "100"]).await;
        check(report_room::BYTES_SINCE, &["8640000"]).await;
        check(&attempts, &["'[1, 2, 3]'"]).await;
        check("SELECT 1 FROM runs WHERE received < $1", &["86400"]).await;
        check("SELECT 1 FROM runs WHERE client = $1 AND run = $2 AND started = $3", &["'pc-7'", "3", "3"])
            .await;
        if is_sqlite {
            // PostgreSQL reads small tables whole, which these are.
            check(installed::CLIENTS_AT, &["'components'", "'rules-1.x'"]).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_page_of_reports_is_read_from_among_many() {
    check(async |db| {
        fill(&db).await;
        let page = db.reports(Some("pc-7"), u64::MAX, 10).await.unwrap();
        assert_eq!(page.len(), 10);
        assert!(page.iter().all(|one| one.report.client == "pc-7" && one.report.attempts.len() == 2));
        let name = headwater_repo::ComponentName::new("rules-1.x").unwrap();
        let at = db.clients_at(headwater_policy::Class::Components, &name).await.unwrap();
        assert_eq!(at.into_values().sum::<u64>(), u64::try_from(CLIENTS).unwrap() + 1);
    })
    .await;
}
