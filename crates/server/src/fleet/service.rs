//! The state of the service.

use std::sync::{Arc, Mutex, RwLock};

use headwater_policy::SourceUrl;
use jiff::Timestamp;
use tokio::sync::{Semaphore, watch};

use super::ahead::ClientsAhead;
use super::console_certificate::ConsoleCertificate;
use super::fleet_keys::FleetKeys;
use super::refusals::Refusals;
use super::settings::FleetSettings;
use super::unknown_requests::UnknownRequests;
use crate::data::DataFolder;
use crate::db::Db;
use crate::error::Result;
use crate::limits;
use crate::publishing::PublishingService;
use crate::source_list::SourceListService;

/// The service that knows who belongs to the fleet.
#[derive(Debug)]
pub struct FleetService {
    pub(super) settings: FleetSettings,
    pub(super) data: Arc<DataFolder>,
    pub(super) db: Db,
    pub(super) publishing: Arc<PublishingService>,
    pub(super) source_list: Arc<SourceListService>,
    pub(super) fleet_url: SourceUrl,
    pub(super) keys: RwLock<Arc<FleetKeys>>,
    /// Which key signs answers, for the signed policy.
    pub(super) response_signing_key: watch::Sender<String>,
    pub(super) tls: watch::Sender<Arc<rustls::ServerConfig>>,
    pub(super) console_certificate: Option<ConsoleCertificate>,
    pub(super) enrolments: Semaphore,
    /// Refused enrolments, and refused renewals: who fills one up does not block the other.
    pub(super) refused_enrolments: Mutex<Refusals>,
    pub(super) refused_renewals: Mutex<Refusals>,
    pub(super) unknown_requests: Mutex<UnknownRequests>,
    /// Clients that state versions which were never signed here.
    pub(super) ahead: Mutex<ClientsAhead>,
}

/// What the service is made of.
pub(crate) struct Parts {
    pub settings: FleetSettings,
    pub data: Arc<DataFolder>,
    pub db: Db,
    pub publishing: Arc<PublishingService>,
    pub source_list: Arc<SourceListService>,
    pub fleet_url: SourceUrl,
    pub keys: FleetKeys,
    pub response_signing_key: watch::Sender<String>,
}

impl FleetService {
    /// The service over opened keys.
    ///
    /// # Errors
    /// When the console's certificate cannot be read or issued.
    pub(crate) fn new(parts: Parts, now: Timestamp) -> Result<Self> {
        let Parts { settings, data, db, publishing, source_list, fleet_url, keys, response_signing_key } =
            parts;
        Ok(Self {
            console_certificate: ConsoleCertificate::open(&settings.console, &data, &keys, now)?,
            settings,
            data,
            db,
            publishing,
            source_list,
            fleet_url,
            tls: watch::Sender::new(keys.tls()?),
            keys: RwLock::new(Arc::new(keys)),
            response_signing_key,
            enrolments: Semaphore::new(limits::ENROL_AT_ONCE_MAX),
            refused_enrolments: Mutex::default(),
            refused_renewals: Mutex::default(),
            unknown_requests: Mutex::default(),
            ahead: Mutex::default(),
        })
    }
}
