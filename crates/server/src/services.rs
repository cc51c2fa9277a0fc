//! The services of a server, as they are wired: no object with methods. `start` makes them.

use std::sync::Arc;

use crate::access::AccessService;
use crate::data::DataFolder;
use crate::db::Db;
use crate::fleet::FleetService;
use crate::publishing::PublishingService;
use crate::source_list::SourceListService;
use crate::upkeep::UpkeepService;

/// The services of a server, wired.
#[derive(Debug, Clone)]
pub struct Services {
    /// Publishes: repositories, keys, releases, deltas, the vendor source's releases.
    pub publishing: Arc<PublishingService>,
    /// Keeps the source list and the settings of domains.
    pub source_list: Arc<SourceListService>,
    /// Knows who belongs to the fleet.
    pub fleet: Arc<FleetService>,
    /// Knows who administers.
    pub access: Arc<AccessService>,
    /// Keeps the server going.
    pub upkeep: Arc<UpkeepService>,
    pub(crate) db: Db,
    pub(crate) data: Arc<DataFolder>,
    /// Everything was made at this start.
    pub is_first_start: bool,
}
