//! The state of the service.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use secrecy::SecretString;
use tokio::sync::{MutexGuard, Semaphore, watch};

use super::attempts::{Attempts, RecordedFailures};
use super::oidc::Oidc;
use crate::audit::Record;
use crate::config::Config;
use crate::db::Db;
use crate::error::Result;
use crate::limits;
use crate::publishing::PublishingService;
use crate::turns::Turns;

/// The service that knows who administers.
#[derive(Debug)]
pub struct AccessService {
    pub(super) db: Db,
    pub(super) publishing: Arc<PublishingService>,
    /// The parts of the API that a token can be for.
    pub(super) scopes: BTreeSet<&'static str>,
    pub(super) hashing: Semaphore,
    pub(super) attempts: Mutex<Attempts>,
    /// Failed attempts to sign in recorded since a moment.
    pub(super) failures: Mutex<RecordedFailures>,
    pub(super) first_password: Mutex<Option<SecretString>>,
    pub(super) oidc: Option<Oidc>,
    changing: Turns,
}

impl AccessService {
    /// The service; `scopes` are the parts of the API that a token can be for.
    ///
    /// # Errors
    /// When the system's certificates cannot be read.
    pub(crate) fn new(
        config: &Config,
        db: Db,
        publishing: Arc<PublishingService>,
        scopes: BTreeSet<&'static str>,
    ) -> Result<Self> {
        Ok(Self {
            db,
            publishing,
            scopes,
            hashing: Semaphore::new(limits::PASSWORDS_AT_ONCE),
            attempts: Mutex::default(),
            failures: Mutex::default(),
            first_password: Mutex::default(),
            oidc: Oidc::open(config)?,
            changing: Turns::default(),
        })
    }

    /// Waits for its turn to change who administers.
    pub async fn change(&self) -> MutexGuard<'_, ()> {
        self.changing.take().await
    }

    /// How many wait for their turn.
    pub fn changes_waiting(&self) -> watch::Receiver<usize> {
        self.changing.waiting()
    }

    /// The password of the first administrator, if this start made one: given once.
    pub(crate) fn take_first_password(&self) -> Option<SecretString> {
        self.first_password.lock().expect("nobody panics while holding this lock").take()
    }

    /// Records what changes nothing that is stored.
    pub(super) async fn record(&self, record: Record) -> Result<()> {
        Ok(self.db.begin().await?.commit(record).await?)
    }
}
