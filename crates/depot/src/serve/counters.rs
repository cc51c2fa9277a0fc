//! What was served to which client, for reports.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use headwater_policy::Repository;

use crate::limits::COUNTED_ADDRESSES_MAX;

/// What one client address was served of one repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    /// The client's address; `None` for those that are too many to count apart, or whose address is not known.
    pub address: Option<IpAddr>,
    /// The repository.
    pub repository: Repository,
    /// Requests answered with a file, a part of one, or *not modified*.
    pub requests: u64,
    /// Bytes of bodies handed to the network.
    pub bytes: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    counts: Mutex<Counts>,
}

type Counts = BTreeMap<(Option<IpAddr>, Repository), (u64, u64)>;

impl Counters {
    pub(super) fn count(&self, address: Option<IpAddr>, repository: Repository, requests: u64, bytes: u64) {
        let mut counts = self.lock();
        let full = counts.len() >= COUNTED_ADDRESSES_MAX && !counts.contains_key(&(address, repository));
        let count = counts.entry((if full { None } else { address }, repository)).or_default();
        count.0 += requests;
        count.1 += bytes;
    }

    pub(super) fn all(&self) -> Vec<Served> {
        let served = |(&(address, repository), &(requests, bytes)): (&_, &_)| Served {
            address,
            repository,
            requests,
            bytes,
        };
        self.lock().iter().map(served).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
