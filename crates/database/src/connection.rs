//! A connection for reading, and a change that is committed with its entry in the audit log.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex};

use sqlx::pool::PoolConnection;
use sqlx::{Sqlite, SqliteConnection, Transaction};

use crate::audit::{Audit, Head};
use crate::{AuditKey, Result, audit_log};

/// A connection to the database: for reading, or the one of a change.
#[derive(Debug)]
pub struct Connection(Kind);

#[derive(Debug)]
enum Kind {
    Reading(PoolConnection<Sqlite>),
    Changing(Transaction<'static, Sqlite>),
}

impl Connection {
    /// One that only reads.
    pub(crate) fn reading(connection: PoolConnection<Sqlite>) -> Self {
        Self(Kind::Reading(connection))
    }

    /// What statements are executed on.
    pub(crate) fn sql(&mut self) -> &mut SqliteConnection {
        match &mut self.0 {
            Kind::Reading(connection) => connection,
            Kind::Changing(transaction) => transaction,
        }
    }
}

/// A change that is not yet made. Only [`Tx::commit`] makes it, and takes the entry for the audit log: a change without
/// its entry does not compile. Dropped, it changes nothing.
#[derive(Debug)]
pub struct Tx {
    connection: Connection,
    audit_key: Arc<AuditKey>,
    last_recorded: Arc<Mutex<Head>>,
}

impl Tx {
    /// A change that has begun.
    pub(crate) fn new(
        transaction: Transaction<'static, Sqlite>,
        audit_key: Arc<AuditKey>,
        last_recorded: Arc<Mutex<Head>>,
    ) -> Self {
        Self { connection: Connection(Kind::Changing(transaction)), audit_key, last_recorded }
    }

    /// Makes the change, and records it in the same transaction.
    ///
    /// # Errors
    /// When the database fails; nothing is changed then.
    pub async fn commit(mut self, audit: impl Into<Audit>) -> Result<()> {
        let head = match audit.into() {
            Audit::Record(record) => {
                let key = Arc::clone(&self.audit_key);
                let last = self.last_recorded.lock().expect("nobody panics while holding this lock").clone();
                Some(audit_log::append(&mut self, &key, &last, record).await?)
            }
            Audit::Exempt(_) => None,
        };
        if let Kind::Changing(transaction) = self.connection.0 {
            transaction.commit().await?;
        }
        if let Some(head) = head {
            let mut last = self.last_recorded.lock().expect("nobody panics while holding this lock");
            // Another change may have been noted first that was committed after this one.
            if last.number < head.number {
                *last = head;
            }
        }
        Ok(())
    }
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
