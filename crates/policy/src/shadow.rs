//! Entries that give no client anything, because earlier ones name the same source for the same clients (S8).

use std::collections::HashMap;

use crate::draft::number_of;
use crate::plan::SourceKey;
use crate::policy::Policy;
use crate::selector::Selector;

/// An entry that earlier ones make idle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shadowed {
    /// The entry, from 1.
    pub entry: u32,
    /// The earlier entries that do, in order.
    pub by: Vec<u32>,
    /// Does one of them select exactly the same?
    pub repeated: bool,
}

/// All such entries, in list order. Overlap alone is not one: that is how failover is written (S4).
pub(crate) fn shadowed(policy: &Policy) -> Vec<Shadowed> {
    let entries = policy.entries().as_slice();
    let mut earlier: HashMap<SourceKey, Vec<usize>> = HashMap::new();
    let mut found = Vec::new();
    for (place, entry) in entries.iter().enumerate() {
        let gives = policy.gives(&entry.source);
        let same = earlier.entry(policy.source_key(&entry.source)).or_default();
        let selectors = same
            .iter()
            .filter(|place| gives.is_subset(policy.gives(&entries[**place].source)))
            .map(|place| (number_of(*place), entries[*place].selector));
        if let Some((by, repeated)) = covered(&entry.selector, selectors) {
            found.push(Shadowed { entry: number_of(place), by, repeated });
        }
        same.push(place);
    }
    found
}

/// The first selectors that cover each family of `selector`; `None` if one is not covered.
fn covered(
    selector: &Selector,
    earlier: impl Iterator<Item = (u32, Selector)> + Clone,
) -> Option<(Vec<u32>, bool)> {
    if let Some((number, _)) = earlier.clone().find(|(_, other)| other == selector) {
        return Some((vec![number], true));
    }
    let mut by = Vec::new();
    if let Some(range) = selector.ipv4() {
        let covers = |other: &Selector| other.ipv4().is_some_and(|other| other.covers(&range));
        by.push(earlier.clone().find(|(_, other)| covers(other))?.0);
    }
    if let Some(prefix) = selector.ipv6() {
        let covers = |other: &Selector| other.ipv6().is_some_and(|other| other.covers(&prefix));
        by.push(earlier.clone().find(|(_, other)| covers(other))?.0);
    }
    by.sort_unstable();
    by.dedup();
    Some((by, false))
}
