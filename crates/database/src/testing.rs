//! What the server's tests do to a database behind the server's back: filling it up to a limit, and tampering with the
//! audit log. No product has this module.

pub mod fleet;

use std::path::Path;

use sqlx::{AnyConnection, Connection as _};

use crate::dialect::sqlite;
use crate::error::Result;

/// Numbers from 1: `$1` of them.
const NUMBERS: &str = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1)";

/// Seconds of a time that no test reaches.
const FAR_AWAY: &str = "1099511627776";

/// Rows that a database is filled with.
#[derive(Debug, Clone, Copy)]
pub enum Rows {
    /// Clients that have checked in once.
    Clients,
    /// Enrolment tokens that have not ended.
    EnrolTokens,
    /// Revoked keys whose certificates have not ended.
    RevokedKeys,
    /// Administrators who cannot sign in.
    Administrators,
    /// API tokens that nobody has.
    ApiTokens,
}

impl Rows {
    fn statement(self) -> String {
        match self {
            Self::Clients => format!(
                "{NUMBERS} INSERT INTO clients (id, domain, addresses, program, policy_version, versions, first_seen, \
                 last_seen) SELECT 'pc-' || i, 'root', '[]', '', 0, '{{}}', 0, 0 FROM n"
            ),
            Self::EnrolTokens => format!(
                "{NUMBERS} INSERT INTO enrol_tokens (digest, domain, uses, uses_left, made, expires) \
                 SELECT i, 'root', 1, 1, 0, {FAR_AWAY} FROM n"
            ),
            Self::RevokedKeys => format!(
                "{NUMBERS} INSERT INTO revoked_keys (key, client, revoked, until) \
                 SELECT printf('%064d', i), 'pc-' || i, 0, {FAR_AWAY} FROM n"
            ),
            Self::Administrators => format!(
                "{NUMBERS} INSERT INTO administrators (name, role, password, one_time, made) \
                 SELECT 'p' || i, 'viewer', '', 0, 0 FROM n"
            ),
            Self::ApiTokens => format!(
                "{NUMBERS} INSERT INTO api_tokens (name, token, role, scopes, made, expires) \
                 SELECT 't' || i, 'hash ' || i, 'viewer', '[]', 0, {FAR_AWAY} FROM n"
            ),
        }
    }
}

/// Adds so many rows.
///
/// # Errors
/// When the database refuses.
pub async fn fill(path: &Path, rows: Rows, count: u64) -> Result<()> {
    let mut connection = connect(path).await?;
    sqlx::query(sqlx::AssertSqlSafe(rows.statement()))
        .bind(crate::number(count))
        .execute(&mut connection)
        .await?;
    connection.close().await?;
    Ok(())
}

/// What somebody who can write the database does to the audit log.
#[derive(Debug, Clone, Copy)]
pub enum Tampering {
    /// Names another actor in record 3.
    ChangeRecord,
    /// Removes record 3.
    RemoveRecord,
    /// Swaps records 3 and 4.
    SwapRecords,
    /// Writes something that is no JSON into record 3.
    SpoilRecord,
    /// Removes the last record.
    RemoveLast,
    /// Removes the last two records, and sets the log's end back to the one before.
    SetBack,
    /// Removes all records and the log's end.
    RemoveAll,
}

impl Tampering {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::ChangeRecord,
        Self::RemoveRecord,
        Self::SwapRecords,
        Self::SpoilRecord,
        Self::RemoveLast,
        Self::SetBack,
        Self::RemoveAll,
    ];

    fn script(self) -> &'static str {
        match self {
            Self::ChangeRecord => "UPDATE audit SET who = 'eve' WHERE number = 3",
            Self::RemoveRecord => "DELETE FROM audit WHERE number = 3",
            Self::SwapRecords => {
                "UPDATE audit SET number = -1 WHERE number = 3; UPDATE audit SET number = 3 WHERE number = 4; \
                 UPDATE audit SET number = 4 WHERE number = -1"
            }
            Self::SpoilRecord => "UPDATE audit SET before = 'not JSON' WHERE number = 3",
            Self::RemoveLast => "DELETE FROM audit WHERE number = (SELECT max(number) FROM audit)",
            Self::SetBack => {
                "DELETE FROM audit WHERE number > (SELECT max(number) FROM audit) - 2; \
                 UPDATE audit_head SET (number, hash) = \
                 (SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1)"
            }
            Self::RemoveAll => "DELETE FROM audit; DELETE FROM audit_head",
        }
    }
}

/// Tampers with the audit log of a server that does not run, after the triggers that refuse it were removed.
///
/// # Errors
/// When the database refuses.
pub async fn tamper(path: &Path, tampering: Tampering) -> Result<()> {
    let triggers = "DROP TRIGGER audit_is_not_updated; DROP TRIGGER audit_is_not_deleted";
    execute(path, format!("{triggers}; {};", tampering.script())).await
}

/// Likewise, with the triggers in place.
///
/// # Errors
/// The refusal.
pub async fn tamper_under_triggers(path: &Path, tampering: Tampering) -> Result<()> {
    execute(path, tampering.script().to_owned()).await
}

async fn execute(path: &Path, script: String) -> Result<()> {
    let mut connection = connect(path).await?;
    let done = sqlx::raw_sql(sqlx::AssertSqlSafe(script)).execute(&mut connection).await;
    connection.close().await?;
    done?;
    Ok(())
}

async fn connect(path: &Path) -> Result<AnyConnection> {
    sqlx::any::install_default_drivers();
    Ok(AnyConnection::connect_with(&sqlite::options(path)?).await?)
}
