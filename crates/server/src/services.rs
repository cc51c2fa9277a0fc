//! The services of a server, as they are wired: no object with methods. `start` makes them.

use std::sync::Arc;

use crate::access::Access;
use crate::data::DataFolder;
use crate::db::Db;
use crate::fleet::Fleet;
use crate::publishing::Publishing;
use crate::source_list::SourceList;
use crate::upkeep::Upkeep;

/// The services of a server, wired.
#[derive(Debug, Clone)]
pub struct Services {
    /// Publishes: repositories, keys, releases, deltas, the vendor source's releases.
    pub publishing: Arc<Publishing>,
    /// Keeps the source list and the settings of domains.
    pub source_list: Arc<SourceList>,
    /// Knows who belongs to the fleet.
    pub fleet: Arc<Fleet>,
    /// Knows who administers.
    pub access: Arc<Access>,
    /// Keeps the server going.
    pub upkeep: Arc<Upkeep>,
    pub(crate) db: Db,
    pub(crate) data: Arc<DataFolder>,
}
