//! A large fleet with its history, in few statements: for the benchmark, and for tests of query plans.
//!
//! Each client has one kept run and a row for each class and source on each day. Most are current; one of twenty is
//! outdated, one of a hundred failed.

use jiff::Timestamp;

use crate::audit::Audit;
use crate::client_states;
use crate::domains::{self, DomainRow};
use crate::error::Result;
use crate::report_days::DAY;
use crate::{Db, Tx, number, report_room};

/// How large.
#[derive(Debug, Clone, Copy)]
pub struct FleetSize {
    /// Clients.
    pub clients: u64,
    /// Days of history.
    pub days: u64,
}

impl FleetSize {
    /// When the history ends: the end of its last day.
    #[must_use]
    pub fn end(self) -> Timestamp {
        crate::time((FIRST_DAY + number(self.days)) * DAY - 1)
    }
}

/// The day on which the history begins, since 1970.
const FIRST_DAY: i64 = 20_000;

/// Domains below the root.
const DOMAINS: i64 = 50;

/// Numbers from 1: `$1` of them.
const NUMBERS: &str =
    "WITH RECURSIVE n (i) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < $1)";

/// The id of client `i`.
const ID: &str = "'pc-' || (1000000 + i)";

/// How many releases client `i` is behind.
const BEHIND: &str = "(CASE WHEN i % 20 = 0 THEN 1 + i % 14 ELSE 0 END)";

/// Three classes, and the source of each for run `number` of a client.
const CLASSES: &str = "(SELECT 0 AS nth, 'settings' AS class UNION ALL SELECT 1, 'components' \
    UNION ALL SELECT 2, 'programs') AS each";

/// Where a run has a class from.
const SOURCE: &str =
    "CASE each.class WHEN 'components' THEN 'update_agent:ua-' || (runs.number % 200) ELSE 'server' END";

/// The names of the components.
const NAMES: &str = "(SELECT 'rules-0' AS name UNION ALL SELECT 'rules-1' UNION ALL SELECT 'rules-2' \
    UNION ALL SELECT 'rules-3' UNION ALL SELECT 'rules-4') AS names";

/// Fills an empty database; says after each day that it is there.
///
/// # Errors
/// When the database refuses.
pub async fn fill(db: &Db, size: FleetSize, mut progress: impl FnMut(u64)) -> Result<()> {
    let mut tx = db.begin().await?;
    clients(&mut tx, size).await?;
    tx.commit(Audit::Exempt("generated")).await?;
    for day in 0..size.days {
        let mut tx = db.begin().await?;
        one_day(&mut tx, size, FIRST_DAY + number(day)).await?;
        tx.commit(Audit::Exempt("generated")).await?;
        progress(day + 1);
    }
    let mut tx = db.begin().await?;
    newest(&mut tx, size).await?;
    report_room::delete_before(&mut tx, crate::time(FIRST_DAY * DAY), size.end()).await?;
    tx.commit(Audit::Exempt("generated")).await?;
    let mut connection = db.connection().await?;
    sqlx::query("ANALYZE").execute(connection.sql()).await?;
    Ok(())
}

async fn execute(tx: &mut Tx, statement: String, values: &[i64]) -> Result<()> {
    let query = sqlx::query(sqlx::AssertSqlSafe(statement));
    values.iter().fold(query, |query, value| query.bind(*value)).execute(tx.sql()).await?;
    Ok(())
}

async fn clients(tx: &mut Tx, size: FleetSize) -> Result<()> {
    let paths = (0..DOMAINS).map(|number| format!("root/d{number}"));
    for path in std::iter::once("root".to_owned()).chain(paths) {
        let row = DomainRow { path, version: 1, typed_version: 1, saved_version: 1, set: Default::default() };
        domains::put(tx, &row).await?;
    }
    let count = number(size.clients);
    let first = FIRST_DAY * DAY;
    let last = size.end().as_second();
    execute(
        tx,
        "INSERT INTO policies (version, saved, saved_by, comment, document) VALUES (1, 0, '', '', '{}')"
            .to_owned(),
        &[],
    )
    .await?;
    let statements = [
        format!(
            "{NUMBERS} INSERT INTO clients (id, domain, addresses, program, policy_version, versions, first_seen, \
             last_seen) SELECT {ID}, 'root/d' || (i % {DOMAINS}), '[\"10.0.0.1\"]', '0.1.0', 1, \
             '{{\"components\":100}}', {first}, {last} - i % 7200 FROM n"
        ),
        format!(
            "{NUMBERS} INSERT INTO identities (client, key, public_key, encryption_key, enrolled, certificate_end, \
             check_in_taken, report_taken, renewal_taken, reports_made) \
             SELECT {ID}, 'key ' || i, '', '', 0, 0, 1, 1, 1, 1 FROM n"
        ),
        format!(
            "{NUMBERS} INSERT INTO client_releases (client, class, name, sequence, version, result, since, reason) \
             SELECT {ID}, 'components', names.name, 100 - {BEHIND}, 'v' || (100 - {BEHIND}), 'current', {first}, '' \
             FROM n, {NAMES}"
        ),
        format!(
            "{NUMBERS} INSERT INTO client_classes (client, class, result, source, message, since) SELECT {ID}, \
             each.class, CASE WHEN i % 100 = 7 AND each.class = 'components' THEN 'failed' ELSE 'current' END, \
             'server', 'rules-0: every source failed', {first} FROM n, {CLASSES}"
        ),
    ];
    for statement in statements {
        execute(tx, statement, &[count]).await?;
    }
    let sets = [
        format!(
            "{NUMBERS} INSERT INTO installed_sets (number, sha256, empty) SELECT i, 'set ' || i, '[]' FROM n"
        ),
        format!(
            "{NUMBERS} INSERT INTO installed_releases (installed, class, name, sequence, version) \
             SELECT i, 'components', names.name, 101 - i, 'v' || (101 - i) FROM n, {NAMES}"
        ),
    ];
    for statement in sets {
        execute(tx, statement, &[15]).await?;
    }
    let wanted = format!(
        "INSERT INTO wanted_releases (class, name, sequence, version) SELECT 'components', name, 100, 'v100' FROM {NAMES}"
    );
    execute(tx, wanted, &[]).await
}

async fn one_day(tx: &mut Tx, size: FleetSize, day: i64) -> Result<()> {
    let start = day * DAY;
    let runs = format!(
        "{NUMBERS} INSERT INTO runs (client, run, started, received, duration_ms, domain, addresses, program, \
         policy_version, installed, update_agent, warnings, bytes, kept) SELECT {ID}, {day}, \
         ({start} + i % {DAY}) * 1000000, {start} + i % {DAY}, 500, 'root/d' || (i % {DOMAINS}), \
         '[\"10.0.0.1\"]', '0.1.0', 1, 1 + {BEHIND}, NULL, '[]', 900, 1 FROM n"
    );
    execute(tx, runs, &[number(size.clients)]).await?;
    let of_day = format!("FROM runs, {CLASSES} WHERE runs.received >= {start}");
    let statements = [
        format!(
            "INSERT INTO run_classes (run, nth, class, result, source, message, names, spared_bytes) \
             SELECT runs.number, each.nth, each.class, 'updated', {SOURCE}, 'rules-0 updated from v99 to v100', \
             '[]', 1000 {of_day}"
        ),
        format!(
            "INSERT INTO run_attempts (run, nth, class, source, url, entry, result, reason, detail, bytes, delta_bytes, \
             started, duration_ms, from_version, to_version) SELECT runs.number, each.nth, each.class, {SOURCE}, \
             'https://10.1.2.3:8472/', 3, 'used', NULL, '', 61000, 60000, runs.started, 120, 99, 100 {of_day}"
        ),
        format!(
            "INSERT INTO client_days (client, day, class, source, runs, bytes) \
             SELECT runs.client, {day}, each.class, {SOURCE}, 24, 100000 {of_day}"
        ),
    ];
    for statement in statements {
        execute(tx, statement, &[]).await?;
    }
    Ok(())
}

/// The newest run of each client, and how it stands by that.
async fn newest(tx: &mut Tx, size: FleetSize) -> Result<()> {
    let last = (FIRST_DAY + number(size.days) - 1) * DAY;
    let newest = format!(
        "INSERT INTO client_runs (client, run, received, installed) \
         SELECT client, number, received, installed FROM runs WHERE received >= {last}"
    );
    execute(tx, newest, &[]).await?;
    execute(tx, client_states::statement("1 = 1"), &[FIRST_DAY * DAY]).await
}
