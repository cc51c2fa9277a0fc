//! How often somebody was refused lately, by address: whoever tries without end is told to come later.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

use jiff::{SignedDuration, Timestamp};

use crate::limits::{ENROL_ADDRESSES_MAX, ENROL_REFUSALS_MAX, ENROL_WINDOW_SECONDS};

/// Counts refusals.
#[derive(Debug, Default)]
pub struct Refusals {
    by_address: HashMap<IpAddr, (Timestamp, u32)>,
}

impl Refusals {
    /// Whether one from this address must wait.
    #[must_use]
    pub fn is_too_often(&self, address: IpAddr, now: Timestamp) -> bool {
        self.by_address
            .get(&site(address))
            .is_some_and(|(since, count)| *count >= ENROL_REFUSALS_MAX && is_within(*since, now))
    }

    /// One more was refused.
    pub fn count(&mut self, address: IpAddr, now: Timestamp) {
        if self.by_address.len() >= ENROL_ADDRESSES_MAX && !self.by_address.contains_key(&site(address)) {
            self.by_address.retain(|_, (since, _)| is_within(*since, now));
            if self.by_address.len() >= ENROL_ADDRESSES_MAX {
                self.by_address.clear();
            }
        }
        let (since, count) = self.by_address.entry(site(address)).or_insert((now, 0));
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

/// Who has one address of IPv6 has a /64 of them.
fn site(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn who_is_refused_too_often_waits_for_a_minute() {
        let mut refusals = Refusals::default();
        for _ in 0..ENROL_REFUSALS_MAX {
            assert!(!refusals.is_too_often(address("2001:db8::1"), NOW));
            refusals.count(address("2001:db8::1"), NOW);
        }
        let later = NOW + SignedDuration::from_secs(ENROL_WINDOW_SECONDS);
        assert!(refusals.is_too_often(address("2001:db8::2"), NOW), "the same /64");
        assert!(!refusals.is_too_often(address("2001:db8:0:1::1"), NOW));
        assert!(!refusals.is_too_often(address("2001:db8::1"), later));
        refusals.count(address("2001:db8::1"), later);
        assert!(!refusals.is_too_often(address("2001:db8::1"), later));
    }

    #[test]
    fn many_addresses_take_no_more_room_than_allowed() {
        let mut refusals = Refusals::default();
        for number in 0..2 * ENROL_ADDRESSES_MAX as u32 {
            refusals.count(std::net::Ipv4Addr::from_bits(number).into(), NOW);
            assert!(refusals.by_address.len() <= ENROL_ADDRESSES_MAX);
        }
    }
}
