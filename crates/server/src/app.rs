//! The use cases. Each is four visible calls: load, decide, save, answer.
//!
//! Whoever changes what is saved or signed holds [`App::change`] from load to save, so two administrators are one
//! after the other; deciding is done by `policy` and `repo`, which cannot touch the world. Saving and signing are one
//! step (see [`signing`]): nothing is saved that is not signed, nor signed that is not saved.

mod administrators;
mod api_tokens;
pub mod archive;
mod attempts;
mod audit_log;
mod backup;
pub(crate) mod clients;
mod console_tls;
pub mod deltas;
mod domain_drafts;
mod domain_settings;
mod domains;
mod drafts;
pub mod fleet;
mod garbage;
mod jobs;
pub(crate) mod keys;
pub mod oidc;
mod passwords;
pub(crate) mod policies;
mod preview;
pub(crate) mod problems;
pub mod releases;
mod restoring;
mod roles;
mod scrub;
mod sessions;
pub mod signing;
mod start;
mod status;
mod vendor;
mod withheld;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, RwLock};

use headwater_api::v1::SyncProgress;
use headwater_depot::store::Store;
use headwater_policy::{Class, SourceUrl};
use headwater_repo::{Expiry, Published, Role, layout};
use jiff::Timestamp;
use tokio::sync::{MutexGuard, Semaphore, watch};

use self::console_tls::ConsoleCertificate;
use self::fleet::keys::FleetKeys;
use crate::audit::Audit;
use crate::config::Config;
use crate::data::DataFolder;
use crate::db::Db;
use crate::error::{Error, Result};
use crate::keys::{ClassKeys, KeyStore};
use crate::limits;
use crate::secret::Secret;

/// The server, without its listeners.
#[derive(Debug)]
pub struct App {
    pub(crate) config: Config,
    pub(crate) data: DataFolder,
    pub(crate) db: Db,
    pub(crate) fleet_url: SourceUrl,
    pub(crate) started: Timestamp,
    pub(crate) expiry: Expiry,
    pub(crate) uploads: Semaphore,
    pub(crate) hashing: Semaphore,
    pub(crate) attempts: Mutex<attempts::Attempts>,
    /// Failed attempts to sign in recorded since a moment.
    pub(crate) failures: Mutex<attempts::Recorded>,
    first_password: Mutex<Option<Secret>>,
    oidc: Option<oidc::Oidc>,
    pub(crate) syncing: tokio::sync::Mutex<()>,
    pub(crate) sync_progress: Mutex<Option<SyncProgress>>,
    pub(crate) board: Mutex<jobs::Board>,
    pub(crate) enrolments: Semaphore,
    /// Refused enrolments, and refused renewals: who fills one up does not shut the other.
    pub(crate) refused_enrolments: Mutex<fleet::Refusals>,
    pub(crate) refused_renewals: Mutex<fleet::Refusals>,
    pub(crate) asked: Mutex<fleet::Asked>,
    fleet: RwLock<Arc<FleetKeys>>,
    fleet_tls: watch::Sender<Arc<rustls::ServerConfig>>,
    console_certificate: Option<ConsoleCertificate>,
    keys: RwLock<BTreeMap<Class, Arc<ClassKeys>>>,
    stores: BTreeMap<Class, Store>,
    published: RwLock<BTreeMap<Class, Published>>,
    announced: RwLock<BTreeMap<String, u64>>,
    pub(crate) delta_worker: deltas::DeltaWorker,
    rounds: scrub::Rounds,
    changing: tokio::sync::Mutex<()>,
    crash_at: Mutex<Option<CrashPoint>>,
}

/// Where a test can make a publication stop as if the process had been killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CrashPoint {
    /// Bodies are stored, nothing is signed.
    Bodies,
    /// Targets and metadata are written, nothing is saved.
    Staged,
    /// Saved; `timestamp.json` is not yet in place.
    Saved,
}

/// Held by whoever changes what is saved or signed.
pub type Change<'a> = MutexGuard<'a, ()>;

impl App {
    /// Opens the data folder and everything in it, making what is missing.
    ///
    /// # Errors
    /// When the folder, the database, a key or the metadata cannot be opened or made.
    pub async fn open(config: Config, fleet_url: SourceUrl, now: Timestamp) -> Result<Self> {
        crate::restore::refuse_unfinished(&config.data)?;
        let app = Self::assemble(config, fleet_url, now).await?;
        app.begin(now).await?;
        let first = app.first_administrator(now).await?;
        *app.first_password.lock().expect("nobody panics while holding this lock") = first;
        Ok(app)
    }

    /// Opens everything; publishes nothing.
    async fn assemble(config: Config, fleet_url: SourceUrl, now: Timestamp) -> Result<Self> {
        let data = DataFolder::open(&config.data)?;
        refuse_without_database(&data)?;
        let db =
            Db::open(&data.database(), crate::secret::load_or_make_audit_key(&data.audit_key())?).await?;
        let announced = RwLock::new(db.announced().await?);
        let mut keys = BTreeMap::new();
        let mut stores = BTreeMap::new();
        for class in Class::ALL {
            let key_store = KeyStore::new(class, data.keys(class), config.keys_passphrase.clone());
            if db.repository(class).await?.is_none() {
                key_store.make()?;
            }
            keys.insert(class, Arc::new(key_store.load()?));
            let store = Store::open(data.repository(class), Some(config.class_quota_bytes))
                .map_err(|error| archive::store_failed(class, error))?;
            stores.insert(class, store);
        }
        let mut tx = db.begin().await?;
        let fleet = FleetKeys::open(&data, &mut tx, &config, &fleet_url, now).await?;
        tx.commit(Audit::Exempt("keys are made before there is anybody to tell")).await?;
        let console_certificate = ConsoleCertificate::open(&config, &data, &fleet, now)?;
        let oidc = match (&config.oidc, config.oidc.as_ref().and_then(|oidc| oidc.redirect_url.clone())) {
            (Some(oidc), Some(back)) => Some(oidc::Oidc::new(oidc.clone(), back)?),
            _ => None,
        };
        Ok(Self {
            expiry: config.expiry,
            config,
            data,
            db,
            fleet_url,
            started: now,
            uploads: Semaphore::new(limits::UPLOADS_MAX),
            hashing: Semaphore::new(limits::PASSWORDS_AT_ONCE),
            attempts: Mutex::default(),
            failures: Mutex::default(),
            first_password: Mutex::default(),
            oidc,
            syncing: tokio::sync::Mutex::new(()),
            sync_progress: Mutex::default(),
            board: Mutex::default(),
            enrolments: Semaphore::new(limits::ENROL_AT_ONCE_MAX),
            refused_enrolments: Mutex::default(),
            refused_renewals: Mutex::default(),
            asked: Mutex::default(),
            fleet_tls: watch::Sender::new(fleet.tls()?),
            fleet: RwLock::new(Arc::new(fleet)),
            console_certificate,
            keys: RwLock::new(keys),
            stores,
            published: RwLock::default(),
            announced,
            delta_worker: deltas::DeltaWorker::default(),
            rounds: scrub::Rounds::default(),
            changing: tokio::sync::Mutex::new(()),
            crash_at: Mutex::new(None),
        })
    }

    /// The password of the first administrator, if this start made one: told once.
    pub fn take_first_password(&self) -> Option<Secret> {
        self.first_password.lock().expect("nobody panics while holding this lock").take()
    }

    /// Waits for its turn to change something.
    pub async fn change(&self) -> Change<'_> {
        self.changing.lock().await
    }

    /// What is signed in a class now.
    pub(crate) fn published(&self, class: Class) -> Published {
        let published = self.published.read().expect("nobody panics while holding this lock");
        published.get(&class).expect("every class is published once the server is open").clone()
    }

    /// The version of a class that clients are told is the newest.
    pub(crate) fn announced(&self, class: Class) -> u64 {
        let announced = self.announced.read().expect("nobody panics while holding this lock");
        let version = announced.get(class.as_str()).copied();
        version.unwrap_or_else(|| self.published(class).version(Role::Targets))
    }

    fn note_announced(&self, class: Class, version: u64) {
        let mut announced = self.announced.write().expect("nobody panics while holding this lock");
        announced.insert(class.to_string(), version);
    }

    /// The content of a class.
    pub(crate) fn store(&self, class: Class) -> &Store {
        &self.stores[&class]
    }

    /// Makes the next publication of something new stop there; for tests of what a killed server leaves. What the server
    /// signs by itself meanwhile does not.
    pub fn crash_at(&self, point: CrashPoint) {
        *self.crash_at.lock().expect("nobody panics while holding this lock") = Some(point);
    }

    pub(crate) fn reach_if(&self, is_news: bool, point: CrashPoint) -> Result<()> {
        if is_news { self.reach(point) } else { Ok(()) }
    }

    pub(crate) fn reach(&self, point: CrashPoint) -> Result<()> {
        let mut crash_at = self.crash_at.lock().expect("nobody panics while holding this lock");
        if *crash_at == Some(point) {
            *crash_at = None;
            return Err(Error::Crash(point));
        }
        Ok(())
    }
}

/// A folder with signed repositories and no database has lost it. A new one would begin at version 1 again, which no
/// client takes that has seen a later one.
fn refuse_without_database(data: &DataFolder) -> Result<()> {
    let published = |class: &Class| data.repository(*class).join(layout::metadata(Role::Root, 1)).exists();
    if data.database().exists() || !Class::ALL.iter().any(published) {
        return Ok(());
    }
    Err(Error::Corrupt {
        what: "database",
        reason: format!(
            "{} is missing, and beside it stands what was published; put it back from a backup of the data folder, or \
             begin anew in another folder",
            data.database().display()
        ),
    })
}
