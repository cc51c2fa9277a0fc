//! A client, as far as its plan depends on it.

use std::net::IpAddr;

use crate::address::{Family, FamilySet};
use crate::id::ClientId;

/// A client: who it is, its own addresses, and the one domain setting that its plan depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    id: ClientId,
    addresses: Vec<IpAddr>,
    download_from_vendor: bool,
}

impl Client {
    /// A client. IPv4-mapped addresses become IPv4 (S3). A client without addresses has no family and no entry
    /// selects it.
    pub fn new(id: ClientId, addresses: Vec<IpAddr>, download_from_vendor: bool) -> Self {
        let addresses = addresses.iter().map(IpAddr::to_canonical).collect();
        Self { id, addresses, download_from_vendor }
    }

    /// Its id.
    pub fn id(&self) -> &ClientId {
        &self.id
    }

    /// Its own addresses.
    pub fn addresses(&self) -> &[IpAddr] {
        &self.addresses
    }

    /// The domain setting *clients download from the vendor source* (P5).
    pub fn download_from_vendor(&self) -> bool {
        self.download_from_vendor
    }

    /// The families of its addresses.
    pub fn families(&self) -> FamilySet {
        self.addresses.iter().copied().map(Family::of).collect()
    }
}
