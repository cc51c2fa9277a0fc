//! Which entries select which clients: a client's addresses against the list, and the list against many addresses.

use std::net::IpAddr;

use crate::address::{Family, FamilySet};
use crate::draft::SourceList;
use crate::selector::Selector;

/// An entry that selects a client (P1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Match {
    /// The entry's place, from 0.
    pub place: usize,
    /// The families by which it does.
    pub families: FamilySet,
    /// The first of the client's addresses that it selects.
    pub address: IpAddr,
}

/// The entries that select one of `addresses`, in list order.
pub(crate) fn matches(list: &SourceList, addresses: &[IpAddr]) -> Vec<Match> {
    let of_entry = |(place, selector): (usize, &Selector)| {
        let mut selected = addresses.iter().copied().filter(|address| selector.contains(*address));
        let address = selected.next()?;
        let families = selected.map(Family::of).fold(FamilySet::only(Family::of(address)), FamilySet::with);
        Some(Match { place, families, address })
    };
    list.as_slice().iter().map(|entry| &entry.selector).enumerate().filter_map(of_entry).collect()
}

/// Addresses in order, each with whose it is, so that a selector finds its own without looking at all.
#[derive(Debug, Default)]
pub(crate) struct AddressIndex {
    v4: Vec<(u32, usize)>,
    v6: Vec<(u128, usize)>,
}

impl AddressIndex {
    /// Puts addresses with their owners in order.
    pub fn new(addresses: impl Iterator<Item = (IpAddr, usize)>) -> Self {
        let mut index = Self::default();
        for (address, owner) in addresses {
            match address.to_canonical() {
                IpAddr::V4(address) => index.v4.push((address.to_bits(), owner)),
                IpAddr::V6(address) => index.v6.push((address.to_bits(), owner)),
            }
        }
        index.v4.sort_unstable();
        index.v6.sort_unstable();
        index
    }

    /// The owners that `selector` selects, in order, each once.
    pub fn selected(&self, selector: &Selector) -> Vec<usize> {
        let mut owners = Vec::new();
        if let Some(range) = selector.ipv4() {
            owners.extend(between(&self.v4, range.first().to_bits(), range.last().to_bits()));
        }
        if let Some(prefix) = selector.ipv6() {
            let (low, high) = prefix.bounds();
            owners.extend(between(&self.v6, low, high));
        }
        owners.sort_unstable();
        owners.dedup();
        owners
    }
}

fn between<T: Ord + Copy>(sorted: &[(T, usize)], low: T, high: T) -> impl Iterator<Item = usize> + '_ {
    let start = sorted.partition_point(|(address, _)| *address < low);
    sorted[start..].iter().take_while(move |(address, _)| *address <= high).map(|(_, owner)| *owner)
}
