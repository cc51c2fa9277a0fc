//! The paths to a file: from what a client has, over deltas, or by the full body. Pure; shared by the code that assembles files
//! (clients, servers that synchronise) and the code that decides which deltas there are.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::deltas::Delta;
use crate::digest::Digest;
use crate::manifest::Manifest;

/// Every delta of a manifest, by what it makes.
#[derive(Debug, Clone)]
pub struct DeltaPaths<'a> {
    to: HashMap<Digest, Made<'a>>,
}

#[derive(Debug, Clone, Copy)]
struct Made<'a> {
    size: u64,
    deltas: &'a [Delta],
}

/// One delta on a path, with the file that it makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hop {
    /// The delta; its base is a file that is present, or what the hop before makes.
    pub delta: Delta,
    /// SHA-256 of the file that it makes.
    pub sha256: Digest,
    /// Bytes of that file.
    pub size: u64,
}

/// Deltas that lead from a present file to the wanted one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeltaPath {
    /// In the order in which they are applied; at least one.
    pub hops: Vec<Hop>,
    /// What they cost, as the caller counts.
    pub cost: u64,
}

impl<'a> DeltaPaths<'a> {
    /// The paths that a manifest names.
    pub fn of(manifest: &'a Manifest) -> Self {
        let files = manifest.files.iter().map(|file| (file.sha256, file.size, &file.deltas));
        let between = manifest.intermediates.iter().map(|file| (file.sha256, file.size, &file.deltas));
        let mut to: HashMap<Digest, Made<'a>> = HashMap::new();
        for (sha256, size, deltas) in files.chain(between) {
            let made = Made { size, deltas };
            // Two files of equal content: the one that names deltas counts for both.
            to.entry(sha256)
                .and_modify(|known| *known = if known.deltas.is_empty() { made } else { *known })
                .or_insert(made);
        }
        Self { to }
    }

    /// The cheapest path to `file` that costs less than `full`, the price of its body; `None` if the body is cheapest.
    ///
    /// `is_present`: files that paths may begin at. `price`: what a delta costs; `None` if it cannot be used. Among paths
    /// that cost the same the one with fewer hops is taken; the same input gives the same path.
    pub fn cheapest(
        &self,
        file: &Digest,
        full: u64,
        is_present: &dyn Fn(&Digest) -> bool,
        price: &dyn Fn(&Delta) -> Option<u64>,
    ) -> Option<DeltaPath> {
        // Dijkstra's algorithm, from the wanted file back to what is present.
        let mut open = BTreeSet::from([(0, 0, *file)]);
        let mut best: BTreeMap<Digest, (u64, u32)> = BTreeMap::from([(*file, (0, 0))]);
        let mut next: BTreeMap<Digest, (Digest, &Delta)> = BTreeMap::new();
        while let Some((cost, count, reached)) = open.pop_first() {
            if best[&reached] != (cost, count) {
                continue;
            }
            if reached != *file && is_present(&reached) {
                return Some(DeltaPath { hops: self.hops(reached, file, &next), cost });
            }
            let Some(made) = self.to.get(&reached) else { continue };
            for delta in made.deltas {
                let Some(price) = price(delta) else { continue };
                let through = (cost.saturating_add(price), count + 1);
                let known = best.get(&delta.base).is_some_and(|known| *known <= through);
                if through.0 >= full || known {
                    continue;
                }
                best.insert(delta.base, through);
                next.insert(delta.base, (reached, delta));
                open.insert((through.0, through.1, delta.base));
            }
        }
        None
    }

    /// Every file that some path to `file` begins at or passes.
    pub fn bases(&self, file: &Digest) -> BTreeSet<Digest> {
        let mut found = BTreeSet::new();
        let mut open = vec![*file];
        while let Some(reached) = open.pop() {
            for delta in self.to.get(&reached).map_or(&[][..], |made| made.deltas) {
                if delta.base != *file && found.insert(delta.base) {
                    open.push(delta.base);
                }
            }
        }
        found
    }

    fn hops(&self, from: Digest, file: &Digest, next: &BTreeMap<Digest, (Digest, &Delta)>) -> Vec<Hop> {
        let mut hops = Vec::new();
        let mut at = from;
        while at != *file {
            let (sha256, delta) = &next[&at];
            let size = self.to[sha256].size;
            hops.push(Hop { delta: (*delta).clone(), sha256: *sha256, size });
            at = *sha256;
        }
        hops
    }
}
