//! The places of a listener: so many in all, and to one address no more than its share, so that one that opens
//! connections without end leaves places to the others.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use headwater_policy::ClientNetwork;

use crate::limits::ADDRESS_SHARE_DIVISOR;

/// Counts the connections of a listener.
#[derive(Debug)]
pub struct Places {
    max: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_network: HashMap<ClientNetwork, usize>,
}

/// A place; free again when this is dropped.
#[derive(Debug)]
pub struct Place {
    places: Arc<Places>,
    network: ClientNetwork,
}

impl Places {
    /// So many places.
    pub fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { max, taken: Mutex::default() })
    }

    /// A place for a connection from `address`; none: all are taken, or all of its share.
    pub fn take(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let network = ClientNetwork::of(address);
        let mut taken = self.taken();
        let own = taken.by_network.get(&network).copied().unwrap_or_default();
        if taken.all >= self.max || own >= self.max.div_ceil(ADDRESS_SHARE_DIVISOR) {
            return None;
        }
        taken.all += 1;
        taken.by_network.insert(network, own + 1);
        drop(taken);
        Some(Place { places: Arc::clone(self), network })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        // Nothing panics while it is held.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        taken.all -= 1;
        // One that has none left is forgotten, so that the map is never larger than the places.
        match taken.by_network.get_mut(&self.network) {
            Some(own) if *own > 1 => *own -= 1,
            _ => drop(taken.by_network.remove(&self.network)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Places;

    fn check(max: usize, addresses: &[&str], expected: &[bool]) {
        let places = Places::new(max);
        let taken: Vec<_> = addresses.iter().map(|address| places.take(address.parse().unwrap())).collect();
        assert_eq!(taken.iter().map(Option::is_some).collect::<Vec<_>>(), expected, "{max}: {addresses:?}");
        drop(taken);
        let taken = places.taken();
        assert_eq!(
            (taken.all, taken.by_network.len()),
            (0, 0),
            "all are free again, and nobody is remembered"
        );
    }

    #[test]
    fn one_address_takes_its_share_and_all_together_no_more_than_there_are() {
        let (one, two, three) = ("10.0.0.1", "10.0.0.2", "10.0.0.3");
        check(4, &[one, one, one, two, two, three], &[true, true, false, true, true, false]);
        check(1, &[one, two], &[true, false]);
        check(0, &[one], &[false]);
        check(4, &["2001:db8::1", "2001:db8::2", "2001:db8::3"], &[true, true, false]);
        check(4, &["10.0.0.1", "::ffff:10.0.0.1", "10.0.0.1"], &[true, true, false]);
    }
}
