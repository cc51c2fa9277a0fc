//! A pool of permits, for the connections of a listener and for what else callers share: each holds a permit. One network, and one client once its certificate was seen, gets no
//! more than its share of them, so that a caller that opens connections without end leaves permits for the others.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use headwater_policy::ClientNetwork;

use super::holder::Holder;
use crate::limits::{ADDRESS_SHARE_DIVISOR, CLIENT_SHARE_DIVISOR};

/// Counts what is in use.
#[derive(Debug)]
pub struct Permits {
    max: usize,
    in_use: Mutex<InUse>,
}

#[derive(Debug, Default)]
struct InUse {
    all: usize,
    by_holder: HashMap<Holder, usize>,
}

/// One permit; free again when this is dropped.
#[derive(Debug)]
pub struct Permit {
    permits: Arc<Permits>,
    holder: Holder,
}

impl Permits {
    /// `max` permits.
    pub fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { max, in_use: Mutex::default() })
    }

    /// A permit for a connection from `address`; `None` if all are taken, or all of its network's share.
    pub fn take(self: &Arc<Self>, address: IpAddr) -> Option<Permit> {
        self.take_for(Holder::Network(ClientNetwork::of(address)))
    }

    /// A permit for a holder; `None` if all are taken, or all of the holder's share.
    pub fn take_for(self: &Arc<Self>, holder: Holder) -> Option<Permit> {
        let mut in_use = self.in_use();
        if in_use.all >= self.max || in_use.of(&holder) >= self.share(&holder) {
            return None;
        }
        in_use.all += 1;
        *in_use.by_holder.entry(holder.clone()).or_default() += 1;
        drop(in_use);
        Some(Permit { permits: Arc::clone(self), holder })
    }

    fn share(&self, holder: &Holder) -> usize {
        self.max.div_ceil(match holder {
            Holder::Client(_) => CLIENT_SHARE_DIVISOR,
            Holder::Network(_) | Holder::Unknown => ADDRESS_SHARE_DIVISOR,
        })
    }

    fn in_use(&self) -> MutexGuard<'_, InUse> {
        // Nothing panics while it is held.
        self.in_use.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl InUse {
    fn of(&self, holder: &Holder) -> usize {
        self.by_holder.get(holder).copied().unwrap_or_default()
    }

    fn give_back(&mut self, holder: &Holder) {
        // One that has none left is forgotten, so that the map is never larger than the permits.
        match self.by_holder.get_mut(holder) {
            Some(own) if *own > 1 => *own -= 1,
            _ => drop(self.by_holder.remove(holder)),
        }
    }
}

impl Permit {
    /// The connection is this client's: from now on it counts for the client, and no longer for its network. `false` if
    /// the client has its share already.
    pub fn pass_to(&mut self, client: &str) -> bool {
        let holder = Holder::Client(client.into());
        let mut in_use = self.permits.in_use();
        if in_use.of(&holder) >= self.permits.share(&holder) {
            return false;
        }
        in_use.give_back(&self.holder);
        *in_use.by_holder.entry(holder.clone()).or_default() += 1;
        drop(in_use);
        self.holder = holder;
        true
    }

    /// The holder that it counts for.
    pub fn holder(&self) -> &Holder {
        &self.holder
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut in_use = self.permits.in_use();
        in_use.all -= 1;
        in_use.give_back(&self.holder);
    }
}

#[cfg(test)]
mod tests {
    use super::{Permit, Permits};

    fn check(max: usize, addresses: &[&str], expected: &[bool]) {
        let permits = Permits::new(max);
        let in_use: Vec<_> = addresses.iter().map(|address| permits.take(address.parse().unwrap())).collect();
        assert_eq!(in_use.iter().map(Option::is_some).collect::<Vec<_>>(), expected, "{max}: {addresses:?}");
        drop(in_use);
        assert_all_free(&permits);
    }

    fn assert_all_free(permits: &Permits) {
        let in_use = permits.in_use();
        let found = (in_use.all, in_use.by_holder.len());
        assert_eq!(found, (0, 0), "all are free again, and nobody is remembered");
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

    #[test]
    fn one_client_takes_its_share_from_however_many_addresses() {
        let permits = Permits::new(32);
        let mut held: Vec<Permit> = Vec::new();
        let mut taken = 0;
        for number in 0..10 {
            let mut permit = permits.take([10, 0, 0, number].into()).unwrap();
            taken += usize::from(permit.pass_to("pc-1"));
            held.push(permit);
        }
        assert_eq!(taken, 4, "an eighth");
        drop(held);
        assert_all_free(&permits);
    }

    #[test]
    fn clients_behind_one_address_are_not_held_to_its_share() {
        let permits = Permits::new(8);
        let held: Vec<Permit> = (0..8)
            .map(|number| {
                let mut permit =
                    permits.take([10, 0, 0, 1].into()).expect("the others are no longer its own");
                assert!(permit.pass_to(&format!("pc-{number}")));
                permit
            })
            .collect();
        assert!(permits.take([10, 0, 0, 2].into()).is_none(), "all are taken");
        drop(held);
        assert_all_free(&permits);
    }
}
