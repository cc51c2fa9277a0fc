//! Opening the database, beginning changes, copying.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex};

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::{Any, AnyConnection, Connection as _, Pool};

use crate::audit::Head;
use crate::audit_key::AuditKey;
use crate::connection::{Connection, Shared, Tx, lock};
use crate::dialect::{Dialect, sqlite};
use crate::error::{Error, Result};
use crate::{audit_log, schema};

/// The database.
#[derive(Clone)]
pub struct Db {
    pub(crate) writer: Pool<Any>,
    pub(crate) readers: Pool<Any>,
    pub(crate) shared: Arc<Shared>,
}

impl fmt::Debug for Db {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Db").field("dialect", &self.shared.dialect).finish_non_exhaustive()
    }
}

impl Db {
    /// Opens the database in a file, and makes it if it is missing.
    ///
    /// # Errors
    /// When the file cannot be opened, or has another schema.
    pub async fn open(path: &Path, audit_key: AuditKey) -> Result<Self> {
        sqlite::make_private(path).map_err(|source| Error::File { path: path.to_owned(), source })?;
        Self::connect(Dialect::Sqlite, sqlite::options(path)?, audit_key).await
    }

    /// Opens a PostgreSQL database, and makes the tables if there are none.
    ///
    /// # Errors
    /// When it cannot be reached, or has another schema.
    #[cfg(feature = "postgres")]
    pub async fn open_postgres(address: &str, audit_key: AuditKey) -> Result<Self> {
        Self::connect(Dialect::Postgres, crate::dialect::postgres::options(address)?, audit_key).await
    }

    pub(crate) async fn connect(
        dialect: Dialect,
        options: AnyConnectOptions,
        audit_key: AuditKey,
    ) -> Result<Self> {
        sqlx::any::install_default_drivers();
        let mut first = AnyConnection::connect_with(&options).await?;
        dialect.set_up(&mut first).await?;
        schema::make(dialect, &mut first).await?;
        let recorded = audit_log::head(&mut first).await?.map(|stored| stored.head).unwrap_or_default();
        first.close().await?;
        let pool = |connections| {
            AnyPoolOptions::new()
                .max_connections(connections)
                .after_connect(move |connection, _| Box::pin(dialect.set_up(connection)))
        };
        let writer = pool(1).connect_with(options.clone()).await?;
        let readers = pool(4).connect_with(options).await?;
        let shared = Shared {
            dialect,
            audit_key,
            last_recorded: Mutex::new(recorded),
            report_bytes: Mutex::default(),
        };
        Ok(Self { writer, readers, shared: Arc::new(shared) })
    }

    /// Begins a change, once no other is under way.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn begin(&self) -> Result<Tx> {
        let transaction = self.shared.dialect.begin(&self.writer).await?;
        Ok(Tx::new(transaction, Arc::clone(&self.shared)))
    }

    /// Copies the database as it is at this moment into a new file. The keys of confidential domains are not in it: a
    /// restored server makes new ones.
    ///
    /// # Errors
    /// When the database or the disk fails; [`Error::Unsupported`] for a database that is not in a file.
    pub async fn copy_to(&self, path: &Path) -> Result<()> {
        match self.shared.dialect {
            Dialect::Sqlite => sqlite::copy_to(&self.readers, path).await,
            #[cfg(feature = "postgres")]
            Dialect::Postgres => Err(Error::Unsupported("a PostgreSQL database is backed up with pg_dump")),
        }
    }

    /// Where the audit log ended when the last change was made.
    #[must_use]
    pub fn last_recorded(&self) -> Head {
        lock(&self.shared.last_recorded).clone()
    }

    /// For reading.
    pub(crate) fn read(&self) -> &Pool<Any> {
        &self.readers
    }

    /// One connection for reading, for what is also read within a change.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn connection(&self) -> Result<Connection> {
        Ok(Connection::reading(self.readers.acquire().await?, Arc::clone(&self.shared)))
    }

    /// Ends every connection.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}
