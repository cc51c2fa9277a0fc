//! A connection for reading, and a change that is committed with its entry in the audit log.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex};

use sqlx::pool::PoolConnection;
use sqlx::{Any, AnyConnection, Transaction};

use crate::audit::{Audit, Head, Record};
use crate::audit_key::AuditKey;
use crate::audit_log;
use crate::client_states::{self, Stale};
use crate::dialect::Dialect;
use crate::error::Result;

/// What every connection of one database has in common.
pub(crate) struct Shared {
    /// The kind of database.
    pub dialect: Dialect,
    /// Seals the end of the audit log.
    pub audit_key: AuditKey,
    /// Where the audit log ended when the last change was made.
    pub last_recorded: Mutex<Head>,
    /// Bytes of all reports, as far as this process knows; `None` until it has counted.
    pub report_bytes: Mutex<Option<u64>>,
}

/// A connection to the database: for reading, or the one of a change.
pub struct Connection {
    kind: Kind,
    shared: Arc<Shared>,
}

enum Kind {
    Reading(PoolConnection<Any>),
    Changing(Transaction<'static, Any>),
}

impl Connection {
    /// One that only reads.
    pub(crate) fn reading(connection: PoolConnection<Any>, shared: Arc<Shared>) -> Self {
        Self { kind: Kind::Reading(connection), shared }
    }

    /// What statements are executed on.
    pub(crate) fn sql(&mut self) -> &mut AnyConnection {
        match &mut self.kind {
            Kind::Reading(connection) => connection,
            Kind::Changing(transaction) => transaction,
        }
    }

    /// The kind of database.
    pub(crate) fn dialect(&self) -> Dialect {
        self.shared.dialect
    }

    /// What every connection of this database has in common.
    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("dialect", &self.shared.dialect).finish_non_exhaustive()
    }
}

/// A change that is not yet made. Only [`Tx::commit`] makes it, and takes the entry for the audit log: a change without
/// its entry does not compile. Dropped, it changes nothing.
#[derive(Debug)]
pub struct Tx {
    connection: Connection,
    stale: Stale,
}

impl Tx {
    /// A change that has begun.
    pub(crate) fn new(transaction: Transaction<'static, Any>, shared: Arc<Shared>) -> Self {
        let connection = Connection { kind: Kind::Changing(transaction), shared };
        Self { connection, stale: Stale::default() }
    }

    /// Whose state may differ after this change. Committing sets it.
    pub(crate) fn stale(&mut self) -> &mut Stale {
        &mut self.stale
    }

    /// Makes the change, and records it in the same transaction. Then the log shows who changed what: this is the one place
    /// that says it.
    ///
    /// # Errors
    /// When the database fails; nothing is changed then.
    pub async fn commit(mut self, audit: impl Into<Audit>) -> Result<()> {
        let audit = audit.into();
        let now = match &audit {
            Audit::Record(record) => Some(record.time),
            Audit::Exempt(_) => None,
        };
        let stale = std::mem::take(&mut self.stale);
        let dialect = self.dialect();
        client_states::refresh(self.sql(), dialect, stale, now).await?;
        let recorded = match audit {
            Audit::Record(record) => {
                let shared = Arc::clone(&self.connection.shared);
                let last = lock(&shared.last_recorded).clone();
                let head = audit_log::append(self.sql(), &shared.audit_key, &last, record.clone()).await?;
                Some((head, record))
            }
            Audit::Exempt(_) => None,
        };
        let Connection { kind, shared } = self.connection;
        if let Kind::Changing(transaction) = kind {
            transaction.commit().await?;
        }
        if let Some((head, record)) = recorded {
            let Record { who, from, action, subject, .. } = record;
            tracing::info!(who, from, action, subject, entry = head.number, "recorded in the audit log");
            let mut last = lock(&shared.last_recorded);
            // Another change may have been noted first that was committed after this one.
            if last.number < head.number {
                *last = head;
            }
        }
        Ok(())
    }
}

/// Locks what nobody leaves half done.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().expect("nobody panics while holding this lock")
}

impl Deref for Tx {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.connection
    }
}
