//! Which deltas to a file there are (C1). Pure.
//!
//! A file's past is a graph: node 0 is the file as it is now, nodes 1, 2 … are what it was in earlier releases, the newest
//! first. An edge is a delta that there is or could be, always from an older to a newer one. Every node gets one edge,
//! straight to node 0 or to a node between, whose own edge leads on: direct deltas cost the clients least, hops cost
//! the server least. Chosen is what costs the clients least, each age weighted by how many are expected to have it, among
//! all choices within the storage budget. A node gets no edge only where every way costs more than the full body; the budget
//! yields before that: what connects all of them with the least storage is chosen where the budget is less.

use crate::limits::{CHOICES_MAX, DELTA_NAMED_BYTES};

/// A delta that there is, or could be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edge {
    /// The older file's node; higher than `to`.
    pub from: usize,
    /// The newer file's node.
    pub to: usize,
    /// Bytes of the delta, known or expected.
    pub size: u64,
    /// It is kept whatever is chosen, and does not count against the budget.
    pub free: bool,
}

/// A file as it is now and as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Past {
    /// Bytes of the file's full body.
    pub body: u64,
    /// How many clients are expected to have each older file, in any unit: nodes 1, 2 … in order.
    pub weights: Vec<u64>,
    /// The deltas to choose from. Those that do not lead from an older to a newer node are ignored.
    pub edges: Vec<Edge>,
}

/// Chooses at most one edge for each older file and gives their places in `past.edges`, in order of age.
///
/// `budget`: bytes that the chosen deltas may take together.
pub fn choose(past: &Past, budget: u64) -> Vec<usize> {
    let search = Search::new(past, budget);
    let mut state = State { distances: vec![0], ..State::default() };
    let mut best = None;
    let mut looks = 0;
    search.go_on(&mut state, &mut best, &mut looks);
    best.map_or_else(Vec::new, |(_, edges)| edges)
}

/// What choices are compared by, the first before the second: bytes over the budget, and the clients' bytes.
type Score = (u64, u128);

struct Search<'a> {
    past: &'a Past,
    budget: u64,
    /// For each older node, its edges.
    from: Vec<Vec<usize>>,
    /// For each older node, the bytes that its clients fetch at best.
    least: Vec<u64>,
    /// For each older node, bounds on what it and all older ones add: storage and clients' bytes.
    ahead: Vec<(u64, u128)>,
}

#[derive(Default)]
struct State {
    chosen: Vec<usize>,
    /// Bytes that a client at each node fetches, node 0 included.
    distances: Vec<u64>,
    stored: u64,
    cost: u128,
}

impl<'a> Search<'a> {
    fn new(past: &'a Past, budget: u64) -> Self {
        let count = past.weights.len();
        let mut from = vec![Vec::new(); count];
        for (place, edge) in past.edges.iter().enumerate() {
            if edge.to < edge.from && edge.from <= count {
                from[edge.from - 1].push(place);
            }
        }
        let mut least = vec![0];
        for edges in &from {
            let ways = edges.iter().map(|place| &past.edges[*place]);
            let best = ways.map(|edge| edge.size.saturating_add(least[edge.to])).min();
            least.push(best.filter(|best| Self::pays(past, *best)).unwrap_or(past.body));
        }
        least.remove(0);
        let mut ahead = vec![(0, 0)];
        for node in (0..count).rev() {
            let (stored, cost) = ahead[count - 1 - node];
            let sizes = from[node].iter().map(|place| stored_size(&past.edges[*place]));
            let connected = Self::pays(past, least[node]);
            let stored = stored + if connected { sizes.min().unwrap_or(0) } else { 0 };
            ahead.push((stored, cost + weighed(past.weights[node], least[node])));
        }
        ahead.reverse();
        Self { past, budget, from, least, ahead }
    }

    /// Whether a way of so many bytes is better than the body, what naming it costs included.
    fn pays(past: &Past, bytes: u64) -> bool {
        bytes.saturating_add(DELTA_NAMED_BYTES) < past.body
    }

    /// Branch and bound: chooses for one node after the other, the best for the clients first.
    fn go_on(&self, state: &mut State, best: &mut Option<(Score, Vec<usize>)>, looks: &mut u32) {
        *looks += 1;
        let node = state.distances.len() - 1;
        let (stored, cost) = self.ahead[node];
        let bound = self.score(state.stored.saturating_add(stored), state.cost + cost);
        if best.as_ref().is_some_and(|(score, _)| *score <= bound || *looks > CHOICES_MAX) {
            return;
        }
        if node == self.from.len() {
            *best = Some((bound, state.chosen.clone()));
            return;
        }
        let weight = self.past.weights[node];
        if !Self::pays(self.past, self.least[node]) {
            self.step(state, None, self.past.body, weight, |state| self.go_on(state, best, looks));
            return;
        }
        let through = |place: &usize| {
            let edge = &self.past.edges[*place];
            (edge.size.saturating_add(state.distances[edge.to]), stored_size(edge), *place)
        };
        let mut options: Vec<_> = self.from[node].iter().map(through).collect();
        options.sort_unstable();
        for (distance, _, place) in options {
            if Self::pays(self.past, distance) {
                self.step(state, Some(place), distance, weight, |state| self.go_on(state, best, looks));
            }
        }
    }

    fn step(
        &self,
        state: &mut State,
        place: Option<usize>,
        distance: u64,
        weight: u64,
        then: impl FnOnce(&mut State),
    ) {
        let (stored, cost) = (state.stored, state.cost);
        state.distances.push(distance);
        state.cost += weighed(weight, distance);
        if let Some(place) = place {
            state.stored = stored.saturating_add(stored_size(&self.past.edges[place]));
            state.chosen.push(place);
        }
        then(state);
        if place.is_some() {
            state.chosen.pop();
        }
        state.distances.pop();
        (state.stored, state.cost) = (stored, cost);
    }

    fn score(&self, stored: u64, cost: u128) -> Score {
        (stored.saturating_sub(self.budget), cost)
    }
}

fn stored_size(edge: &Edge) -> u64 {
    if edge.free { 0 } else { edge.size }
}

fn weighed(weight: u64, bytes: u64) -> u128 {
    u128::from(weight) * u128::from(bytes)
}
