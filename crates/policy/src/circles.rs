//! Circles through update agents (P6): which entries an update agent must pass over.
//!
//! 1. Entries are taken in list order and, within one, the update agents that it selects in order of id.
//! 2. Update agent *u* selected by an entry whose source is update agent *s* makes an edge u→s, whatever the classes
//!    are that either shares.
//! 3. An edge that would close a circle is left out, and that entry is passed over by *u*.
//!
//! Only update agents that some entry names can be in a circle, so no more than the list has entries. What each of
//! them reaches is kept as a set of bits; an edge closes a circle if its start is already reached from its end.

use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;

use crate::draft::SourceList;
use crate::entry::EntrySource;
use crate::matching::AddressIndex;
use crate::policy::Policy;
use crate::update_agent::UpdateAgents;

/// The edges that were left out, as (entry's place, update agent's position).
#[derive(Debug, Default)]
pub(crate) struct Circles(HashSet<(usize, usize)>);

impl Circles {
    /// Walks the list. `moved` is an update agent, by position, with addresses that replace the policy's: the client
    /// whose plan is made knows its own addresses better.
    pub fn new(policy: &Policy, moved: Option<(usize, &[IpAddr])>) -> Self {
        let nodes = named_agents(policy.entries(), policy.update_agents());
        let index = AddressIndex::new(nodes.iter().flat_map(|(agent, node)| {
            let known = &policy.update_agents().as_slice()[*agent];
            let own = moved.filter(|(position, _)| position == agent).map(|(_, addresses)| addresses);
            let addresses = if known.is_active() { own.unwrap_or(known.addresses()) } else { &[] };
            addresses.iter().map(|address| (*address, *node))
        }));
        let agents: Vec<usize> = nodes.keys().copied().collect();
        let mut reached = Reached::new(nodes.len());
        let mut left_out = HashSet::new();
        for (place, entry) in policy.entries().as_slice().iter().enumerate() {
            let EntrySource::UpdateAgent(id) = &entry.source else {
                continue;
            };
            let Some(to) = policy.update_agents().position(id).and_then(|agent| nodes.get(&agent)) else {
                continue;
            };
            for from in index.selected(&entry.selector) {
                if !reached.join(from, *to) {
                    left_out.insert((place, agents[from]));
                }
            }
        }
        Self(left_out)
    }

    /// Must the update agent at `agent` pass over the entry at `place`?
    pub fn passed_over(&self, place: usize, agent: usize) -> bool {
        self.0.contains(&(place, agent))
    }
}

/// The positions of the update agents that entries name, each with its number among these, both in order of id.
fn named_agents(list: &SourceList, agents: &UpdateAgents) -> BTreeMap<usize, usize> {
    let named = list.as_slice().iter().filter_map(|entry| match &entry.source {
        EntrySource::UpdateAgent(id) => agents.position(id),
        EntrySource::Url { .. } | EntrySource::Vendor => None,
    });
    let mut nodes: BTreeMap<usize, usize> = named.map(|agent| (agent, 0)).collect();
    nodes.values_mut().enumerate().for_each(|(number, node)| *node = number);
    nodes
}

/// What each node reaches, directly or not.
struct Reached {
    words: usize,
    bits: Vec<u64>,
    nodes: usize,
}

impl Reached {
    fn new(nodes: usize) -> Self {
        let words = nodes.div_ceil(64);
        Self { words, bits: vec![0; nodes * words], nodes }
    }

    fn has(&self, from: usize, to: usize) -> bool {
        self.bits[from * self.words + to / 64] & (1 << (to % 64)) != 0
    }

    /// Adds the edge, unless it closes a circle; returns whether it was added.
    fn join(&mut self, from: usize, to: usize) -> bool {
        if from == to || self.has(to, from) {
            return false;
        }
        if self.has(from, to) {
            return true;
        }
        let mut gained = self.bits[to * self.words..(to + 1) * self.words].to_vec();
        gained[to / 64] |= 1 << (to % 64);
        for node in 0..self.nodes {
            if node == from || self.has(node, from) {
                let row = &mut self.bits[node * self.words..(node + 1) * self.words];
                row.iter_mut().zip(&gained).for_each(|(word, more)| *word |= more);
            }
        }
        true
    }
}
