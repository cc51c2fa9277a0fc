//! The deltas of a release (C1): which it names now, and which are still to be made. Pure.
//!
//! For each file of the release, what it was in the releases before makes its [`Past`]; [`choose`] chooses from the
//! deltas that are in the inventory and those that could be made, whose sizes are estimated. A maker of deltas works in rounds:
//! take the first that is missing in the [`DeltaPlan`], make it, put it in the inventory, until nothing is missing. Each round knows
//! one size more, so that it ends; and after every round the manifest is good to be published.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::deltas::{Delta, Intermediate};
use crate::digest::Digest;
use crate::limits::{DELTA_NAMED_BYTES, DELTAS_OF_FILE_MAX};
use crate::lineage::{Earlier, Lineage, Node, nodes};
use crate::manifest::{FileEntry, Manifest};
use crate::selection::{Edge, Past, choose};

/// Storage for the deltas to a file, in percent of its full body, unless configured otherwise: a component takes up to
/// three times what its current release takes.
pub const STORAGE_PERCENT: u64 = 200;

/// A delta that was made or taken from elsewhere, or came to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InventoryItem {
    /// Made here: named where it pays, within the budget.
    Made(Delta),
    /// Taken from a source that has files that are not here: named as long as it leads to the release.
    Taken(Delta),
    /// It was tried, and is no smaller than the body.
    Useless,
}

/// The deltas that there are, by base and by what they make.
pub type Inventory = BTreeMap<(Digest, Digest), InventoryItem>;

/// A delta to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingDelta {
    /// The older file.
    pub base: Digest,
    /// The newer file.
    pub result: Digest,
    /// Bytes of the full body to which it is the better way, less what naming it costs: a delta that is not
    /// smaller is useless.
    pub body: u64,
    /// How many clients are expected to fetch it.
    pub weight: u64,
}

/// What is named now, and what is still to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeededDeltas {
    /// The release with the deltas that are in the inventory and chosen.
    pub manifest: Manifest,
    /// What to make, the most missing first.
    pub missing: Vec<MissingDelta>,
}

/// Decides for a release, once: [`DeltaPlan`] for those who go on.
pub fn needed_deltas(
    current: &Manifest,
    earlier: &[Earlier<'_>],
    inventory: &Inventory,
    makeable: Makeable<'_>,
    budget_percent: u64,
) -> NeededDeltas {
    let delta_plan = DeltaPlan::of(current, earlier, inventory.clone(), makeable, budget_percent);
    NeededDeltas { manifest: delta_plan.manifest(), missing: delta_plan.missing().collect() }
}

/// Whether a delta can be made between two files.
pub type Makeable<'a> = &'a dyn Fn(&Digest, &Digest) -> bool;

/// A release on its way to its deltas: decided file by file, so that one delta more costs no more than the files
/// that it may lead to.
#[derive(Debug, Clone)]
pub struct DeltaPlan {
    current: Manifest,
    budget_percent: u64,
    inventory: Inventory,
    /// Each content of the release once.
    files: Vec<File>,
    /// Which of them a content is, or was.
    places: HashMap<Digest, Vec<usize>>,
    missing: BTreeMap<Urgency, MissingDelta>,
}

/// What is made first: what most clients fetch. At last the file's place, for two may ask for the same.
type Urgency = (Reverse<u64>, Digest, Digest, usize);

impl DeltaPlan {
    /// Decides for every file. `earlier`: the nearest first. `makeable`: whether a delta can be made here between two
    /// files. `budget_percent`: storage for the deltas to a file, in percent of its body.
    pub fn of(
        current: &Manifest,
        earlier: &[Earlier<'_>],
        inventory: Inventory,
        makeable: Makeable<'_>,
        budget_percent: u64,
    ) -> Self {
        let lineages: Vec<Lineage<'_>> =
            earlier.iter().map(|earlier| Lineage::of(earlier.manifest)).collect();
        let mut files = Vec::new();
        let mut places: HashMap<Digest, Vec<usize>> = HashMap::new();
        let mut done = HashSet::new();
        for file in current.files.iter().filter(|file| done.insert(file.sha256)) {
            let file = File::of(file, nodes(file, earlier, &lineages), makeable);
            for node in 0..=file.nodes.len() {
                places.entry(file.digest(node)).or_default().push(files.len());
            }
            files.push(file);
        }
        let current = current.clone();
        let mut all = Self { current, budget_percent, inventory, files, places, missing: BTreeMap::new() };
        for place in 0..all.files.len() {
            all.decide(place);
        }
        all
    }

    /// Puts a delta in the inventory, and decides again for the files that it may lead to. Returns how many these are.
    pub fn put(&mut self, (base, result): (Digest, Digest), item: InventoryItem) -> usize {
        self.inventory.insert((base, result), item);
        let to = self.places.get(&result).cloned().unwrap_or_default();
        let from = self.places.get(&base).cloned().unwrap_or_default();
        let both: Vec<usize> = to.into_iter().filter(|place| from.contains(place)).collect();
        for place in &both {
            self.decide(*place);
        }
        both.len()
    }

    /// What to make, the most missing first.
    pub fn missing(&self) -> impl Iterator<Item = MissingDelta> + '_ {
        let mut seen = HashSet::new();
        self.missing.values().filter(move |missing| seen.insert((missing.base, missing.result))).cloned()
    }

    /// By base and result: what could pay, is not makeable here, and is not in the inventory.
    pub fn not_makeable(&self) -> impl Iterator<Item = (Digest, Digest)> + '_ {
        let files = self.files.iter().filter(|file| file.body > DELTA_NAMED_BYTES);
        let pairs = files.flat_map(|file| {
            file.not_makeable.iter().map(|(from, to)| (file.digest(*from), file.digest(*to)))
        });
        pairs.filter(|pair| !self.inventory.contains_key(pair))
    }

    /// The release with the deltas that are in the inventory and chosen.
    pub fn manifest(&self) -> Manifest {
        let mut named: BTreeSet<(Digest, Digest)> = BTreeSet::new();
        let chosen = self.files.iter().flat_map(|file| &file.named);
        let mut order: Vec<(Digest, Digest)> = chosen.copied().filter(|pair| named.insert(*pair)).collect();
        let mut sizes: HashMap<Digest, u64> = HashMap::new();
        for file in &self.files {
            sizes.insert(file.sha256, file.size);
            sizes.extend(file.nodes.iter().map(|node| (node.sha256, node.size)));
        }
        order.extend(leading_taken(&self.current, &named, &self.inventory, &mut sizes));
        name(&self.current, &order, &self.inventory, &sizes)
    }

    fn decide(&mut self, place: usize) {
        let file = &mut self.files[place];
        for urgency in file.asked.drain(..) {
            self.missing.remove(&urgency);
        }
        let budget = file.body.saturating_mul(self.budget_percent) / 100;
        let now = file.past(&self.inventory, &[]);
        file.named = choose(&now, budget).into_iter().map(|edge| file.pair(&now.edges[edge])).collect();
        let then = file.past(&self.inventory, &file.makeable);
        for edge in choose(&then, budget).into_iter().map(|edge| &then.edges[edge]) {
            let (base, result) = file.pair(edge);
            if !self.inventory.contains_key(&(base, result)) {
                let weight = file.nodes[edge.from - 1..].iter().map(|node| node.weight).sum();
                let body = file.body.saturating_sub(DELTA_NAMED_BYTES);
                let urgency = (Reverse(weight), result, base, place);
                file.asked.push(urgency);
                self.missing.insert(urgency, MissingDelta { base, result, body, weight });
            }
        }
    }
}

/// A file of the release, with its past and what is decided for it.
#[derive(Debug, Clone)]
struct File {
    sha256: Digest,
    size: u64,
    /// Bytes of its body.
    body: u64,
    nodes: Vec<Node>,
    /// Deltas that could be made, by their nodes: straight ones, and hops to the next release.
    makeable: Vec<(usize, usize)>,
    /// The others of these.
    not_makeable: Vec<(usize, usize)>,
    named: Vec<(Digest, Digest)>,
    asked: Vec<Urgency>,
}

impl File {
    fn of(entry: &FileEntry, nodes: Vec<Node>, makeable: Makeable<'_>) -> Self {
        let mut file = Self {
            sha256: entry.sha256,
            size: entry.size,
            body: entry.body.size,
            nodes,
            makeable: Vec::new(),
            not_makeable: Vec::new(),
            named: Vec::new(),
            asked: Vec::new(),
        };
        let pairs = (1..=file.nodes.len()).flat_map(|from| {
            [0, from - 1].into_iter().take(if from == 1 { 1 } else { 2 }).map(move |to| (from, to))
        });
        let (can, cannot) = pairs.partition(|(from, to)| makeable(&file.digest(*from), &file.digest(*to)));
        (file.makeable, file.not_makeable) = (can, cannot);
        file
    }

    fn digest(&self, node: usize) -> Digest {
        if node == 0 { self.sha256 } else { self.nodes[node - 1].sha256 }
    }

    fn pair(&self, edge: &Edge) -> (Digest, Digest) {
        (self.digest(edge.from), self.digest(edge.to))
    }

    /// The edges in the inventory; with them those of `makeable`, which could be made.
    fn past(&self, inventory: &Inventory, makeable: &[(usize, usize)]) -> Past {
        let mut edges = Vec::new();
        for from in 1..=self.nodes.len() {
            for to in 0..from {
                let (size, free) = match inventory.get(&(self.digest(from), self.digest(to))) {
                    Some(InventoryItem::Made(delta)) => (delta.size, false),
                    Some(InventoryItem::Taken(delta)) => (delta.size, true),
                    Some(InventoryItem::Useless) | None => continue,
                };
                edges.push(Edge { from, to, size, free });
            }
        }
        let unit = self.unit(&edges);
        for (from, to) in makeable.iter().copied() {
            if !inventory.contains_key(&(self.digest(from), self.digest(to))) {
                let size = ((unit * growth(from - to)) as u64).min(self.body * 3 / 4);
                edges.push(Edge { from, to, size, free: false });
            }
        }
        let weights = self.nodes.iter().map(|node| node.weight).collect();
        Past { body: self.body, weights, edges }
    }

    /// Bytes that a delta over one release is expected to have: the median of those in the inventory.
    fn unit(&self, edges: &[Edge]) -> f64 {
        let mut units: Vec<f64> =
            edges.iter().map(|edge| edge.size as f64 / growth(edge.to.abs_diff(edge.from))).collect();
        units.sort_by(f64::total_cmp);
        units.get(units.len() / 2).copied().unwrap_or(self.body as f64 / 12.0)
    }
}

/// How much larger a delta over so many releases is than one over one: measured on real series, 14 straight ones
/// take three times the bytes of 14 hops.
fn growth(releases: usize) -> f64 {
    (releases as f64).powf(0.55)
}

/// What was taken from elsewhere and leads to a file of the release, also over what is named already.
fn leading_taken(
    current: &Manifest,
    named: &BTreeSet<(Digest, Digest)>,
    inventory: &Inventory,
    sizes: &mut HashMap<Digest, u64>,
) -> Vec<(Digest, Digest)> {
    let mut into: HashMap<Digest, Vec<Digest>> = HashMap::new();
    for ((base, result), item) in inventory {
        let taken = matches!(item, InventoryItem::Taken(_)) && !named.contains(&(*base, *result));
        if taken || named.contains(&(*base, *result)) {
            into.entry(*result).or_default().push(*base);
        }
    }
    // Sizes of intermediates that no release here has are those that the manifest already has.
    sizes.extend(current.intermediates.iter().map(|file| (file.sha256, file.size)));
    let mut open: Vec<Digest> = current.files.iter().map(|file| file.sha256).collect();
    let (mut seen, mut found) = (HashSet::new(), Vec::new());
    while let Some(result) = open.pop() {
        if !seen.insert(result) || !sizes.contains_key(&result) {
            continue;
        }
        for base in into.get(&result).into_iter().flatten() {
            if !named.contains(&(*base, result)) {
                found.push((*base, result));
            }
            open.push(*base);
        }
    }
    found
}

/// The release, naming these deltas.
fn name(
    current: &Manifest,
    order: &[(Digest, Digest)],
    inventory: &Inventory,
    sizes: &HashMap<Digest, u64>,
) -> Manifest {
    let mut manifest = current.without_deltas();
    let mut into: HashMap<Digest, Vec<Delta>> = HashMap::new();
    let mut results = Vec::new();
    for (base, result) in order {
        let Some(InventoryItem::Made(delta) | InventoryItem::Taken(delta)) = inventory.get(&(*base, *result))
        else {
            continue;
        };
        let deltas = into.entry(*result).or_insert_with(|| {
            results.push(*result);
            Vec::new()
        });
        if deltas.len() < DELTAS_OF_FILE_MAX {
            deltas.push(delta.clone());
        }
    }
    for file in &mut manifest.files {
        file.deltas = into.remove(&file.sha256).unwrap_or_default();
    }
    let between =
        |sha256: Digest| Some(Intermediate { sha256, size: sizes[&sha256], deltas: into.remove(&sha256)? });
    manifest.intermediates = results.into_iter().filter_map(between).collect();
    manifest
}

/// How many clients are expected at each of `known.len()` distances: as many as are known there, and where little is
/// known half as many at each distance as at the one before.
pub fn expected_ages(known: &[u64]) -> Vec<u64> {
    let prior = |age: usize| 1_u64 << 14_usize.saturating_sub(age);
    known
        .iter()
        .enumerate()
        .map(|(age, count)| count.saturating_mul(1 << 10).saturating_add(prior(age)))
        .collect()
}
