//! The increments of a release (C1): which it names now, and which are still to be made. Pure.
//!
//! For each file of the release, what it was in the releases before makes its [`Past`]; [`choose`] chooses from the
//! increments that are in stock and those that could be made, whose sizes are estimated. Whoever makes increments goes round:
//! ask, make the first that is lacking, put it in stock, ask again, until nothing is lacking. Each round knows one size
//! more, so that it ends; and after every round the manifest is good to be published.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::choice::{Edge, Past, choose};
use crate::digest::Digest;
use crate::increments::{Increment, Intermediate};
use crate::limits::{INCREMENT_NAMED_BYTES, INCREMENTS_OF_FILE_MAX};
use crate::manifest::{FileEntry, Manifest};

/// Storage for the increments to a file, in percent of its full body, where nobody says otherwise: a component takes up to
/// three times what its current release takes.
pub const STORAGE_PERCENT: u64 = 200;

/// A release that clients may have who need the current one.
#[derive(Debug, Clone, Copy)]
pub struct Earlier<'a> {
    /// Its manifest.
    pub manifest: &'a Manifest,
    /// How many clients are expected to have it, in any unit.
    pub weight: u64,
}

/// An increment that was made or taken from elsewhere, or came to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stocked {
    /// Made here: named where it pays, within the budget.
    Made(Increment),
    /// Taken from whoever has files that are not here: named as long as it leads to the release.
    Taken(Increment),
    /// It was tried, and is no smaller than the body.
    Useless,
}

/// The increments at hand, by base and by what they make.
pub type Stock = BTreeMap<(Digest, Digest), Stocked>;

/// An increment to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lacking {
    /// The older file.
    pub base: Digest,
    /// The newer file.
    pub result: Digest,
    /// Bytes of the full body to which it is the better way, less what naming it costs: an increment that is not
    /// smaller is useless.
    pub body: u64,
    /// How many clients are expected to fetch it.
    pub weight: u64,
}

/// What is named now, and what is still to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Supply {
    /// The release with the increments that are in stock and chosen.
    pub manifest: Manifest,
    /// What to make, the most lacking first.
    pub lacking: Vec<Lacking>,
}

/// Decides for a release. `earlier`: the nearest first. `makeable`: whether an increment can be made here between two
/// files. `budget_percent`: storage for the increments to a file, in percent of its body.
pub fn supply(
    current: &Manifest,
    earlier: &[Earlier<'_>],
    stock: &Stock,
    makeable: Makeable<'_>,
    budget_percent: u64,
) -> Supply {
    let lineages: Vec<Lineage<'_>> = earlier.iter().map(|earlier| Lineage::of(earlier.manifest)).collect();
    let mut named: BTreeSet<(Digest, Digest)> = BTreeSet::new();
    let mut sizes: HashMap<Digest, u64> = HashMap::new();
    let mut order: Vec<(Digest, Digest)> = Vec::new();
    let mut lacking = Vec::new();
    let mut done = HashSet::new();
    for file in &current.files {
        sizes.insert(file.sha256, file.size);
        if !done.insert(file.sha256) {
            continue;
        }
        let nodes = nodes(file, earlier, &lineages);
        sizes.extend(nodes.iter().map(|node| (node.sha256, node.size)));
        let budget = file.body.size.saturating_mul(budget_percent) / 100;
        let graph = Graph { file, nodes: &nodes, stock };
        let now = graph.past(None);
        for place in choose(&now, budget) {
            let pair = graph.pair(&now.edges[place]);
            if named.insert(pair) {
                order.push(pair);
            }
        }
        let then = graph.past(Some(makeable));
        for place in choose(&then, budget) {
            let edge = &then.edges[place];
            let (base, result) = graph.pair(edge);
            if !stock.contains_key(&(base, result)) {
                let weight = nodes[edge.from - 1..].iter().map(|node| node.weight).sum();
                let body = file.body.size.saturating_sub(INCREMENT_NAMED_BYTES);
                lacking.push(Lacking { base, result, body, weight });
            }
        }
    }
    order.extend(leading_taken(current, &named, stock, &mut sizes));
    lacking.sort_by(|a, b| b.weight.cmp(&a.weight).then_with(|| (a.result, a.base).cmp(&(b.result, b.base))));
    lacking.dedup_by(|a, b| (a.base, a.result) == (b.base, b.result));
    Supply { manifest: name(current, &order, stock, &sizes), lacking }
}

/// Whether an increment can be made between two files.
type Makeable<'a> = &'a dyn Fn(&Digest, &Digest) -> bool;

/// A file of the past.
#[derive(Debug, Clone, Copy)]
struct Node {
    sha256: Digest,
    size: u64,
    weight: u64,
}

/// What a file was: the newest first, each once. Releases that have the file as it is, wherever, need no increment.
fn nodes(file: &FileEntry, earlier: &[Earlier<'_>], lineages: &[Lineage<'_>]) -> Vec<Node> {
    let mut nodes: Vec<Node> = Vec::new();
    for (earlier, lineage) in earlier.iter().zip(lineages) {
        let Some(was) = lineage.predecessor(file).filter(|was| was.sha256 != file.sha256) else { continue };
        match nodes.iter_mut().find(|node| node.sha256 == was.sha256) {
            Some(known) => known.weight = known.weight.saturating_add(earlier.weight),
            None => nodes.push(Node { sha256: was.sha256, size: was.size, weight: earlier.weight }),
        }
    }
    nodes
}

/// A release's files, to be found by what they are called.
struct Lineage<'a> {
    by_digest: HashMap<Digest, &'a FileEntry>,
    by_path: HashMap<&'a str, &'a FileEntry>,
    by_name: HashMap<String, Vec<&'a FileEntry>>,
}

impl<'a> Lineage<'a> {
    fn of(manifest: &'a Manifest) -> Self {
        let mut by_name: HashMap<String, Vec<&'a FileEntry>> = HashMap::new();
        for file in &manifest.files {
            by_name.entry(name_without_numbers(file)).or_default().push(file);
        }
        Self {
            by_digest: manifest.files.iter().map(|file| (file.sha256, file)).collect(),
            by_path: manifest.files.iter().map(|file| (file.path.as_str(), file)).collect(),
            by_name,
        }
    }

    /// What `file` was: the same content; else the same path; else the same name but for numbers in it, the nearest in size.
    fn predecessor(&self, file: &FileEntry) -> Option<&'a FileEntry> {
        let same = self.by_digest.get(&file.sha256).or_else(|| self.by_path.get(file.path.as_str()));
        same.copied().or_else(|| {
            let alike = self.by_name.get(&name_without_numbers(file))?;
            alike.iter().min_by_key(|other| (other.size.abs_diff(file.size), &other.path)).copied()
        })
    }
}

/// `rules-2026.11.dat` and `old/rules-2026.12.dat` are called the same.
fn name_without_numbers(file: &FileEntry) -> String {
    let path = file.path.as_str();
    let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
    name.chars().filter(|c| !c.is_ascii_digit()).collect()
}

struct Graph<'a> {
    file: &'a FileEntry,
    nodes: &'a [Node],
    stock: &'a Stock,
}

impl Graph<'_> {
    fn digest(&self, node: usize) -> Digest {
        if node == 0 { self.file.sha256 } else { self.nodes[node - 1].sha256 }
    }

    fn pair(&self, edge: &Edge) -> (Digest, Digest) {
        (self.digest(edge.from), self.digest(edge.to))
    }

    /// The edges in stock; with `makeable` also those to be made: straight ones, and hops to the next release.
    fn past(&self, makeable: Option<Makeable<'_>>) -> Past {
        let mut edges = Vec::new();
        for from in 1..=self.nodes.len() {
            for to in 0..from {
                let (size, free) = match self.stock.get(&(self.digest(from), self.digest(to))) {
                    Some(Stocked::Made(increment)) => (increment.size, false),
                    Some(Stocked::Taken(increment)) => (increment.size, true),
                    Some(Stocked::Useless) | None => continue,
                };
                edges.push(Edge { from, to, size, free });
            }
        }
        if let Some(makeable) = makeable {
            let unit = self.unit(&edges);
            for from in 1..=self.nodes.len() {
                for to in [0, from - 1].into_iter().take(if from == 1 { 1 } else { 2 }) {
                    let (base, result) = (self.digest(from), self.digest(to));
                    if !self.stock.contains_key(&(base, result)) && makeable(&base, &result) {
                        let size = ((unit * growth(from - to)) as u64).min(self.file.body.size * 3 / 4);
                        edges.push(Edge { from, to, size, free: false });
                    }
                }
            }
        }
        let weights = self.nodes.iter().map(|node| node.weight).collect();
        Past { body: self.file.body.size, weights, edges }
    }

    /// Bytes that an increment over one release is expected to have: the median of what those in stock say.
    fn unit(&self, edges: &[Edge]) -> f64 {
        let mut units: Vec<f64> =
            edges.iter().map(|edge| edge.size as f64 / growth(edge.to.abs_diff(edge.from))).collect();
        units.sort_by(f64::total_cmp);
        units.get(units.len() / 2).copied().unwrap_or(self.file.body.size as f64 / 12.0)
    }
}

/// How much larger an increment over so many releases is than one over one: measured on real series, 14 straight ones
/// take three times the bytes of 14 hops.
fn growth(releases: usize) -> f64 {
    (releases as f64).powf(0.55)
}

/// What was taken from elsewhere and leads to a file of the release, also over what is named already.
fn leading_taken(
    current: &Manifest,
    named: &BTreeSet<(Digest, Digest)>,
    stock: &Stock,
    sizes: &mut HashMap<Digest, u64>,
) -> Vec<(Digest, Digest)> {
    let mut into: HashMap<Digest, Vec<Digest>> = HashMap::new();
    for ((base, result), stocked) in stock {
        let taken = matches!(stocked, Stocked::Taken(_)) && !named.contains(&(*base, *result));
        if taken || named.contains(&(*base, *result)) {
            into.entry(*result).or_default().push(*base);
        }
    }
    // Sizes of intermediates that no release here has are those that the manifest already says.
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

/// The release, naming these increments.
fn name(
    current: &Manifest,
    order: &[(Digest, Digest)],
    stock: &Stock,
    sizes: &HashMap<Digest, u64>,
) -> Manifest {
    let mut manifest = current.without_increments();
    let mut into: HashMap<Digest, Vec<Increment>> = HashMap::new();
    let mut results = Vec::new();
    for (base, result) in order {
        let Some(Stocked::Made(increment) | Stocked::Taken(increment)) = stock.get(&(*base, *result)) else {
            continue;
        };
        let increments = into.entry(*result).or_insert_with(|| {
            results.push(*result);
            Vec::new()
        });
        if increments.len() < INCREMENTS_OF_FILE_MAX {
            increments.push(increment.clone());
        }
    }
    for file in &mut manifest.files {
        file.increments = into.remove(&file.sha256).unwrap_or_default();
    }
    let between = |sha256: Digest| {
        Some(Intermediate { sha256, size: sizes[&sha256], increments: into.remove(&sha256)? })
    };
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
