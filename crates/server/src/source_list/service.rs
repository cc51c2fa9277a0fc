//! The state of the service.

use std::sync::Arc;

use headwater_policy::SourceUrl;
use tokio::sync::watch;

use crate::db::Db;
use crate::publishing::PublishingService;

/// The service that keeps the source list and the settings of domains.
#[derive(Debug)]
pub struct SourceListService {
    pub(super) db: Db,
    pub(super) publishing: Arc<PublishingService>,
    /// Where clients reach the fleet listener.
    pub(super) fleet_url: SourceUrl,
    /// Class `components` is open to readers without a certificate.
    pub(super) anonymous_components: bool,
    /// The key that answers are signed with now, which the signed policy names.
    pub(super) response_signing_key: watch::Receiver<String>,
}

impl SourceListService {
    /// The service.
    pub(crate) fn new(
        db: Db,
        publishing: Arc<PublishingService>,
        fleet_url: SourceUrl,
        anonymous_components: bool,
        response_signing_key: watch::Receiver<String>,
    ) -> Self {
        Self { db, publishing, fleet_url, anonymous_components, response_signing_key }
    }

    /// Whether class `components` is open to readers without a certificate.
    pub(crate) fn serves_components_to_anyone(&self) -> bool {
        self.anonymous_components
    }
}
