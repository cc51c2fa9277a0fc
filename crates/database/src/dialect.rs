//! What differs between SQLite and PostgreSQL: opening, beginning a change, copying, batches. Every other
//! statement is one text for both: `$n` parameters, `ON CONFLICT`, no function that only one of them has, and flags as
//! 0 and 1.

mod batches;
#[cfg(feature = "postgres")]
pub(crate) mod postgres;
pub(crate) mod sqlite;

use sqlx::{Any, AnyConnection, Pool, Transaction};

use self::batches::Batches;
use crate::error::Result;

/// The kind of database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// SQLite, in one file.
    Sqlite,
    /// PostgreSQL 15 or newer.
    #[cfg(feature = "postgres")]
    Postgres,
}

impl Dialect {
    /// The whole schema.
    pub fn schema(self) -> &'static str {
        match self {
            Self::Sqlite => include_str!("../schema/sqlite.sql"),
            #[cfg(feature = "postgres")]
            Self::Postgres => include_str!("../schema/postgres.sql"),
        }
    }

    /// Counts the tables of a name that there are.
    pub fn table_count(self) -> &'static str {
        match self {
            Self::Sqlite => sqlite::TABLE_COUNT,
            #[cfg(feature = "postgres")]
            Self::Postgres => postgres::TABLE_COUNT,
        }
    }

    /// Statements that take lists.
    pub fn batches(self) -> &'static Batches {
        match self {
            Self::Sqlite => &sqlite::BATCHES,
            #[cfg(feature = "postgres")]
            Self::Postgres => &postgres::BATCHES,
        }
    }

    /// The fragment `… IN (…)` that a list of numbers stands for, given as JSON in `$1`.
    pub fn numbers(self) -> &'static str {
        match self {
            Self::Sqlite => sqlite::LIST,
            #[cfg(feature = "postgres")]
            Self::Postgres => postgres::NUMBERS,
        }
    }

    /// The fragment `… IN (…)` that a list of texts stands for, given as JSON in this parameter.
    pub fn texts(self, parameter: usize) -> String {
        let list = match self {
            Self::Sqlite => sqlite::LIST,
            #[cfg(feature = "postgres")]
            Self::Postgres => postgres::TEXTS,
        };
        list.replace("$1", &format!("${parameter}"))
    }

    /// Begins a transaction on a connection of its own.
    pub fn begin_statement(self) -> &'static str {
        match self {
            Self::Sqlite => sqlite::BEGIN,
            #[cfg(feature = "postgres")]
            Self::Postgres => postgres::BEGIN,
        }
    }

    /// What keeps two servers that start at once from making the tables both, where beginning does not.
    pub fn schema_lock(self) -> Option<&'static str> {
        match self {
            Self::Sqlite => None,
            #[cfg(feature = "postgres")]
            Self::Postgres => Some(postgres::SCHEMA_LOCK),
        }
    }

    /// Prepares a new connection.
    pub async fn set_up(self, connection: &mut AnyConnection) -> sqlx::Result<()> {
        match self {
            Self::Sqlite => sqlite::set_up(connection).await,
            #[cfg(feature = "postgres")]
            Self::Postgres => Ok(()),
        }
    }

    /// Begins a change once no other one is under way.
    pub async fn begin(self, writer: &Pool<Any>) -> Result<Transaction<'static, Any>> {
        match self {
            Self::Sqlite => sqlite::begin(writer).await,
            #[cfg(feature = "postgres")]
            Self::Postgres => postgres::begin(writer).await,
        }
    }
}
