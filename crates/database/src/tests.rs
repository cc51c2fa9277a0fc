//! One suite for both databases: each check runs on SQLite, and on PostgreSQL where one is given.
//!
//! `cargo xtask test` starts a PostgreSQL and names it in `HEADWATER_POSTGRES_URL`; without it those halves are skipped.

mod access;
mod audit;
mod examine;
mod fleet;
mod fleet_view;
mod plans;
mod publishing;
mod report_days;
mod reports;
mod schema;
mod settings;

use std::ops::AsyncFn;

use jiff::Timestamp;

use crate::audit::Audit;
use crate::domains::DomainRow;
use crate::{AuditKey, Db, Tx, domains};

/// What nothing is recorded for in tests.
const TEST: Audit = Audit::Exempt("a test");

/// The key of every test.
fn key() -> AuditKey {
    AuditKey::new(&[1; AuditKey::BYTES])
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// Runs a check on an empty database of each kind.
async fn check(test: impl AsyncFn(Db)) {
    let folder = tempfile::tempdir().unwrap();
    let db = Db::open(&folder.path().join("server.db"), key()).await.unwrap();
    test(db.clone()).await;
    db.close().await;
    let Some(address) = postgres_address(&folder) else { return };
    on_postgres(&address, &test).await;
}

/// A schema of its own in the PostgreSQL that the tests were given.
fn postgres_address(folder: &tempfile::TempDir) -> Option<PostgresAddress> {
    let Ok(server) = std::env::var("HEADWATER_POSTGRES_URL") else {
        eprintln!("SKIPPED: HEADWATER_POSTGRES_URL names no PostgreSQL; `cargo xtask test` starts one");
        return None;
    };
    let name = folder.path().file_name().unwrap().to_string_lossy().to_lowercase();
    let schema: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    let schema = format!("test_{schema}_{}", std::process::id());
    let separator = if server.contains('?') { '&' } else { '?' };
    Some(PostgresAddress { own: format!("{server}{separator}options[search_path]={schema}"), server, schema })
}

struct PostgresAddress {
    server: String,
    own: String,
    schema: String,
}

#[cfg(feature = "postgres")]
async fn on_postgres(address: &PostgresAddress, test: &impl AsyncFn(Db)) {
    script(&address.server, &format!("CREATE SCHEMA {}", address.schema)).await.unwrap();
    let db = Db::open_postgres(&address.own, key()).await.unwrap();
    test(db.clone()).await;
    db.close().await;
    script(&address.server, &format!("DROP SCHEMA {} CASCADE", address.schema)).await.unwrap();
}

#[cfg(not(feature = "postgres"))]
async fn on_postgres(address: &PostgresAddress, _: &impl AsyncFn(Db)) {
    eprintln!(
        "SKIPPED: built without the feature `postgres`: {} {} {}",
        address.server, address.own, address.schema
    );
}

/// Executes a script on a connection of its own.
#[cfg(feature = "postgres")]
async fn script(address: &str, script: &str) -> sqlx::Result<()> {
    use sqlx::Connection as _;
    sqlx::any::install_default_drivers();
    let mut connection = sqlx::AnyConnection::connect(address).await?;
    sqlx::raw_sql(sqlx::AssertSqlSafe(script.to_owned())).execute(&mut connection).await?;
    connection.close().await
}

/// Executes a script within a change.
async fn run_script(tx: &mut Tx, script: &str) -> sqlx::Result<()> {
    sqlx::raw_sql(sqlx::AssertSqlSafe(script.to_owned())).execute(tx.sql()).await.map(drop)
}

/// A domain, for what refers to one.
async fn put_domain(tx: &mut Tx, path: &str) {
    let row = DomainRow {
        path: path.to_owned(),
        version: 1,
        typed_version: 1,
        saved_version: 1,
        set: Default::default(),
    };
    domains::put(tx, &row).await.unwrap();
}

impl Db {
    /// The same database, opened as another process would.
    async fn again(&self) -> Self {
        let options = self.readers.connect_options().as_ref().clone();
        Self::connect(self.shared.dialect, options, key()).await.unwrap()
    }
}
