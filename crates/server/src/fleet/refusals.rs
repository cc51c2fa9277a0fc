//! How often somebody was refused lately, by network: a caller that tries without end must come later.

use std::collections::HashMap;
use std::net::IpAddr;

use headwater_policy::ClientNetwork;
use jiff::{SignedDuration, Timestamp};

use crate::limits::{ENROL_ADDRESSES_MAX, ENROL_WINDOW_SECONDS};

/// Counts refusals.
#[derive(Debug, Default)]
pub struct Refusals {
    by_network: HashMap<ClientNetwork, (Timestamp, u32)>,
}

impl Refusals {
    /// How many from this address were refused within the window.
    #[must_use]
    pub fn lately(&self, address: IpAddr, now: Timestamp) -> u32 {
        let counted =
            self.by_network.get(&ClientNetwork::of(address)).filter(|(since, _)| is_within(*since, now));
        counted.map_or(0, |(_, count)| *count)
    }

    /// One more was refused.
    pub fn count(&mut self, address: IpAddr, now: Timestamp) {
        if self.by_network.len() >= ENROL_ADDRESSES_MAX
            && !self.by_network.contains_key(&ClientNetwork::of(address))
        {
            self.by_network.retain(|_, (since, _)| is_within(*since, now));
            if self.by_network.len() >= ENROL_ADDRESSES_MAX {
                self.by_network.clear();
            }
        }
        let (since, count) = self.by_network.entry(ClientNetwork::of(address)).or_insert((now, 0));
        if is_within(*since, now) {
            *count += 1;
        } else {
            (*since, *count) = (now, 1);
        }
    }
}

fn is_within(since: Timestamp, now: Timestamp) -> bool {
    now.duration_since(since).abs() < SignedDuration::from_secs(ENROL_WINDOW_SECONDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn refusals_count_for_a_minute() {
        let mut refusals = Refusals::default();
        for count in 0..3 {
            assert_eq!(refusals.lately(address("2001:db8::1"), NOW), count);
            refusals.count(address("2001:db8::1"), NOW);
        }
        let later = NOW + SignedDuration::from_secs(ENROL_WINDOW_SECONDS);
        assert_eq!(refusals.lately(address("2001:db8::2"), NOW), 3, "the same /64");
        assert_eq!(refusals.lately(address("2001:db8:0:1::1"), NOW), 0);
        assert_eq!(refusals.lately(address("2001:db8::1"), later), 0);
        refusals.count(address("2001:db8::1"), later);
        assert_eq!(refusals.lately(address("2001:db8::1"), later), 1);
    }

    #[test]
    fn many_addresses_take_no_more_room_than_allowed() {
        let mut refusals = Refusals::default();
        for number in 0..2 * ENROL_ADDRESSES_MAX as u32 {
            refusals.count(std::net::Ipv4Addr::from_bits(number).into(), NOW);
            assert!(refusals.by_network.len() <= ENROL_ADDRESSES_MAX);
        }
    }
}
