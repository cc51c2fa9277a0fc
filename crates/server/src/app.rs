//! The use cases. Each is four visible calls: load, decide, save, answer.
//!
//! Whoever changes what is saved or signed holds [`Publishing::change`](crate::publishing::Publishing::change) from load to save, so two administrators are one
//! after the other; deciding is done by `policy` and `repo`, which cannot touch the world.

mod administrators;
mod api_tokens;
mod attempts;
mod audit_log;
mod backup;
pub(crate) mod clients;
mod console_tls;
mod domain_drafts;
mod domain_settings;
mod domains;
mod drafts;
pub mod fleet;
mod jobs;
pub mod oidc;
mod passwords;
pub(crate) mod policies;
mod preview;
pub(crate) mod problems;
mod restoring;
mod retention;
mod roles;
mod scrub;
mod sessions;
mod start;
mod status;
mod vendor_source;
mod withheld;

use std::sync::{Arc, Mutex, RwLock};

use headwater_policy::SourceUrl;
use jiff::Timestamp;
use tokio::sync::{Semaphore, watch};

use self::console_tls::ConsoleCertificate;
use self::fleet::keys::FleetKeys;
use crate::audit::Audit;
use crate::config::Config;
use crate::data::DataFolder;
use crate::db::Db;
use crate::error::Result;
use crate::limits;
use crate::publishing::Publishing;
use crate::secret::{Secret, load_or_make_audit_key};

/// The server, without its listeners.
#[derive(Debug)]
pub struct App {
    pub(crate) config: Arc<Config>,
    pub(crate) data: Arc<DataFolder>,
    pub(crate) db: Db,
    /// Publishes.
    pub publishing: Arc<Publishing>,
    pub(crate) fleet_url: SourceUrl,
    pub(crate) started: Timestamp,
    pub(crate) hashing: Semaphore,
    pub(crate) attempts: Mutex<attempts::Attempts>,
    /// Failed attempts to sign in recorded since a moment.
    pub(crate) failures: Mutex<attempts::Recorded>,
    first_password: Mutex<Option<Secret>>,
    oidc: Option<oidc::Oidc>,
    pub(crate) board: Mutex<jobs::Board>,
    pub(crate) enrolments: Semaphore,
    /// Refused enrolments, and refused renewals: who fills one up does not shut the other.
    pub(crate) refused_enrolments: Mutex<fleet::Refusals>,
    pub(crate) refused_renewals: Mutex<fleet::Refusals>,
    pub(crate) asked: Mutex<fleet::Asked>,
    fleet: RwLock<Arc<FleetKeys>>,
    fleet_tls: watch::Sender<Arc<rustls::ServerConfig>>,
    console_certificate: Option<ConsoleCertificate>,
    rounds: scrub::Rounds,
}

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
        let data = Arc::new(DataFolder::open(&config.data)?);
        crate::publishing::refuse_without_database(&data)?;
        let db = Db::open(&data.database(), load_or_make_audit_key(&data.audit_key())?).await?;
        let config = Arc::new(config);
        let publishing = Arc::new(Publishing::open(config.clone(), data.clone(), db.clone()).await?);
        let mut tx = db.begin().await?;
        let fleet = FleetKeys::open(&data, &mut tx, &config, &fleet_url, now).await?;
        tx.commit(Audit::Exempt("keys are made before there is anybody to tell")).await?;
        let console_certificate = ConsoleCertificate::open(&config, &data, &fleet, now)?;
        let oidc = match (&config.oidc, config.oidc.as_ref().and_then(|oidc| oidc.redirect_url.clone())) {
            (Some(oidc), Some(back)) => Some(oidc::Oidc::new(oidc.clone(), back)?),
            _ => None,
        };
        Ok(Self {
            config,
            data,
            db,
            publishing,
            fleet_url,
            started: now,
            hashing: Semaphore::new(limits::PASSWORDS_AT_ONCE),
            attempts: Mutex::default(),
            failures: Mutex::default(),
            first_password: Mutex::default(),
            oidc,
            board: Mutex::default(),
            enrolments: Semaphore::new(limits::ENROL_AT_ONCE_MAX),
            refused_enrolments: Mutex::default(),
            refused_renewals: Mutex::default(),
            asked: Mutex::default(),
            fleet_tls: watch::Sender::new(fleet.tls()?),
            fleet: RwLock::new(Arc::new(fleet)),
            console_certificate,
            rounds: scrub::Rounds::default(),
        })
    }

    /// The password of the first administrator, if this start made one: told once.
    pub fn take_first_password(&self) -> Option<Secret> {
        self.first_password.lock().expect("nobody panics while holding this lock").take()
    }
}
