//! The connections of a listener: each holds a permit. One network gets no more than its share of them, so that a caller
//! that opens connections without end leaves permits for the others.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use headwater_policy::ClientNetwork;

use crate::limits::ADDRESS_SHARE_DIVISOR;

/// Counts the connections of a listener.
#[derive(Debug)]
pub struct Permits {
    max: usize,
    in_use: Mutex<InUse>,
}

#[derive(Debug, Default)]
struct InUse {
    all: usize,
    by_network: HashMap<ClientNetwork, usize>,
}

/// One connection's permit; free again when this is dropped.
#[derive(Debug)]
pub struct Permit {
    permits: Arc<Permits>,
    network: ClientNetwork,
}

impl Permits {
    /// `max` permits.
    pub fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { max, in_use: Mutex::default() })
    }

    /// A permit for a connection from `address`; `None` if all are taken, or all of its network's share.
    pub fn take(self: &Arc<Self>, address: IpAddr) -> Option<Permit> {
        let network = ClientNetwork::of(address);
        let mut in_use = self.in_use();
        let own = in_use.by_network.get(&network).copied().unwrap_or_default();
        if in_use.all >= self.max || own >= self.max.div_ceil(ADDRESS_SHARE_DIVISOR) {
            return None;
        }
        in_use.all += 1;
        in_use.by_network.insert(network, own + 1);
        drop(in_use);
        Some(Permit { permits: Arc::clone(self), network })
    }

    fn in_use(&self) -> MutexGuard<'_, InUse> {
        // Nothing panics while it is held.
        self.in_use.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut in_use = self.permits.in_use();
        in_use.all -= 1;
        // One that has none left is forgotten, so that the map is never larger than the permits.
        match in_use.by_network.get_mut(&self.network) {
            Some(own) if *own > 1 => *own -= 1,
            _ => drop(in_use.by_network.remove(&self.network)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Permits;

    fn check(max: usize, addresses: &[&str], expected: &[bool]) {
        let permits = Permits::new(max);
        let in_use: Vec<_> = addresses.iter().map(|address| permits.take(address.parse().unwrap())).collect();
        assert_eq!(in_use.iter().map(Option::is_some).collect::<Vec<_>>(), expected, "{max}: {addresses:?}");
        drop(in_use);
        let in_use = permits.in_use();
        assert_eq!(
            (in_use.all, in_use.by_network.len()),
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
