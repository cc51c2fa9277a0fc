//! The ways to a file: from what a client has, over increments, or by the full body. Pure; shared by whoever assembles
//! (clients, servers that synchronise) and whoever decides which increments there are.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::digest::Digest;
use crate::increments::Increment;
use crate::manifest::Manifest;

/// Every increment of a manifest, by what it makes.
#[derive(Debug, Clone)]
pub struct Ways<'a> {
    to: HashMap<Digest, Made<'a>>,
}

#[derive(Debug, Clone, Copy)]
struct Made<'a> {
    size: u64,
    increments: &'a [Increment],
}

/// One increment on a way, with the file that it makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hop {
    /// The increment; its base is a file at hand, or what the hop before makes.
    pub increment: Increment,
    /// SHA-256 of the file that it makes.
    pub sha256: Digest,
    /// Bytes of that file.
    pub size: u64,
}

/// Increments that lead from a file at hand to the wanted one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// In the order in which they are applied; at least one.
    pub hops: Vec<Hop>,
    /// What they cost, as the caller counts.
    pub cost: u64,
}

impl<'a> Ways<'a> {
    /// The ways that a manifest knows.
    pub fn of(manifest: &'a Manifest) -> Self {
        let files = manifest.files.iter().map(|file| (file.sha256, file.size, &file.increments));
        let between = manifest.intermediates.iter().map(|file| (file.sha256, file.size, &file.increments));
        let mut to: HashMap<Digest, Made<'a>> = HashMap::new();
        for (sha256, size, increments) in files.chain(between) {
            let made = Made { size, increments };
            // Two files of equal content: the one that names increments speaks for both.
            to.entry(sha256)
                .and_modify(|known| *known = if known.increments.is_empty() { made } else { *known })
                .or_insert(made);
        }
        Self { to }
    }

    /// The cheapest way to `file` that costs less than `full`, the price of its body; none, if the body is cheapest.
    ///
    /// `at_hand`: files that ways may begin at. `price`: what an increment costs; none, if it cannot be used. Among ways
    /// that cost the same the one with fewer hops is taken; the same input gives the same way.
    pub fn cheapest(
        &self,
        file: &Digest,
        full: u64,
        at_hand: &dyn Fn(&Digest) -> bool,
        price: &dyn Fn(&Increment) -> Option<u64>,
    ) -> Option<Way> {
        // Dijkstra's algorithm, from the wanted file back to what is at hand.
        let mut open = BTreeSet::from([(0, 0, *file)]);
        let mut best: BTreeMap<Digest, (u64, u32)> = BTreeMap::from([(*file, (0, 0))]);
        let mut next: BTreeMap<Digest, (Digest, &Increment)> = BTreeMap::new();
        while let Some((cost, count, reached)) = open.pop_first() {
            if best[&reached] != (cost, count) {
                continue;
            }
            if reached != *file && at_hand(&reached) {
                return Some(Way { hops: self.hops(reached, file, &next), cost });
            }
            let Some(made) = self.to.get(&reached) else { continue };
            for increment in made.increments {
                let Some(price) = price(increment) else { continue };
                let through = (cost.saturating_add(price), count + 1);
                let known = best.get(&increment.base).is_some_and(|known| *known <= through);
                if through.0 >= full || known {
                    continue;
                }
                best.insert(increment.base, through);
                next.insert(increment.base, (reached, increment));
                open.insert((through.0, through.1, increment.base));
            }
        }
        None
    }

    /// Every file that some way to `file` begins at or passes, whoever has it.
    pub fn bases(&self, file: &Digest) -> BTreeSet<Digest> {
        let mut found = BTreeSet::new();
        let mut open = vec![*file];
        while let Some(reached) = open.pop() {
            for increment in self.to.get(&reached).map_or(&[][..], |made| made.increments) {
                if increment.base != *file && found.insert(increment.base) {
                    open.push(increment.base);
                }
            }
        }
        found
    }

    fn hops(&self, from: Digest, file: &Digest, next: &BTreeMap<Digest, (Digest, &Increment)>) -> Vec<Hop> {
        let mut hops = Vec::new();
        let mut at = from;
        while at != *file {
            let (sha256, increment) = &next[&at];
            let size = self.to[sha256].size;
            hops.push(Hop { increment: (*increment).clone(), sha256: *sha256, size });
            at = *sha256;
        }
        hops
    }
}
