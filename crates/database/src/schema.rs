//! The tables: made in an empty database, compared in any other.

use sqlx::{AnyConnection, Connection as _};

use crate::dialect::Dialect;
use crate::error::{Error, Result};
use crate::values::{count, number};

/// The version of the schema. Nothing converts one into another yet.
pub(crate) const SCHEMA: u64 = 1;

/// Makes all tables in an empty database; refuses one with another schema.
pub(crate) async fn make(dialect: Dialect, connection: &mut AnyConnection) -> Result<()> {
    let count_of = |table: &'static str| sqlx::query_scalar::<_, i64>(dialect.table_count()).bind(table);
    let mut transaction = connection.begin_with(dialect.begin_statement()).await?;
    if let Some(lock) = dialect.schema_lock() {
        sqlx::query(lock).execute(&mut *transaction).await?;
    }
    let found = if count_of("schema_version").fetch_one(&mut *transaction).await? > 0 {
        let version: Option<i64> = sqlx::query_scalar("SELECT version FROM schema_version")
            .fetch_optional(&mut *transaction)
            .await?;
        Some(count(version.unwrap_or_default()))
    } else if count_of("repositories").fetch_one(&mut *transaction).await? > 0 {
        Some(0)
    } else {
        None
    };
    match found {
        Some(SCHEMA) => {}
        Some(found) => return Err(Error::Schema { found, expected: SCHEMA }),
        None => {
            sqlx::raw_sql(dialect.schema()).execute(&mut *transaction).await?;
            sqlx::query("INSERT INTO schema_version (id, version) VALUES (1, $1)")
                .bind(number(SCHEMA))
                .execute(&mut *transaction)
                .await?;
        }
    }
    transaction.commit().await?;
    Ok(())
}
