//! The state of the service.

use std::sync::{Arc, Mutex};

use headwater_api::v1::Severity;
use jiff::Timestamp;

use super::job_statuses::JobStatuses;
use super::scrub_progress::ScrubProgress;
use crate::config::Config;
use crate::data::DataFolder;
use crate::db::Db;
use crate::fleet::FleetService;
use crate::publishing::PublishingService;
use crate::source_list::SourceListService;

/// The service that keeps a server going.
#[derive(Debug)]
pub struct UpkeepService {
    pub(super) settings: UpkeepSettings,
    pub(super) data: Arc<DataFolder>,
    pub(super) db: Db,
    pub(super) publishing: Arc<PublishingService>,
    pub(super) source_list: Arc<SourceListService>,
    pub(super) fleet: Arc<FleetService>,
    pub(super) started: Timestamp,
    pub(super) statuses: JobStatuses,
    pub(super) scrub_progress: ScrubProgress,
    /// One signing pass at a time: an earlier one never notes its outcome over a later one's.
    pub(super) signing: tokio::sync::Mutex<()>,
    /// What of the disks was logged.
    pub(super) disk_logged: Mutex<Vec<(String, Severity)>>,
}

/// What the service needs of the configuration.
#[derive(Debug, Clone, Copy)]
pub struct UpkeepSettings {
    /// Days that reports are kept.
    pub report_retention_days: u32,
    /// The console listens on every address, and no name of it is configured.
    pub is_console_nameless: bool,
}

impl From<&Config> for UpkeepSettings {
    fn from(config: &Config) -> Self {
        Self {
            report_retention_days: config.report_retention_days,
            is_console_nameless: config.console_listen.ip().is_unspecified()
                && config.console_names.is_empty(),
        }
    }
}

/// What the service is made of.
pub(crate) struct Parts {
    pub settings: UpkeepSettings,
    pub data: Arc<DataFolder>,
    pub db: Db,
    pub publishing: Arc<PublishingService>,
    pub source_list: Arc<SourceListService>,
    pub fleet: Arc<FleetService>,
    pub started: Timestamp,
}

impl UpkeepService {
    /// The service.
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts { settings, data, db, publishing, source_list, fleet, started } = parts;
        let (statuses, scrub_progress) = (JobStatuses::default(), ScrubProgress::default());
        let signing = tokio::sync::Mutex::new(());
        Self {
            settings,
            data,
            db,
            publishing,
            source_list,
            fleet,
            started,
            statuses,
            scrub_progress,
            signing,
            disk_logged: Mutex::default(),
        }
    }
}
